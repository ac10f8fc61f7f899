//! Memory for responses that their clients do not read.

use std::{thread, time::Duration};

use bytes::Bytes;
use http::Response;

use super::{Test, get};
use crate::{
    adapter::Running,
    http2::{self, Client},
    procfs,
    raw_connection::RawConnection,
    server::Server,
    tls::Authority,
    upstream::Upstream,
    wire,
};

pub(super) const TESTS: &[Test] = &[
    ("http1_upstream_and_http1_clients", || http1_upstream(false)),
    ("http1_upstream_and_http2_clients", || http1_upstream(true)),
    ("http2_upstream_and_http1_clients", || http2_upstream(false)),
    ("http2_upstream_and_http2_clients", || http2_upstream(true)),
];

/// Clients that read nothing.
const CLIENTS: usize = 64;
/// Streams of one HTTP/2 connection.
const STREAMS: usize = 32;
/// Memory for each, at most, in KiB.
const EACH: u64 = 128;
/// Bytes of a response, more than all buffers hold.
const LARGE: usize = 16 << 20;
const PIECE: Bytes = Bytes::from_static(&[b'x'; 64 << 10]);

/// The open responses, which stay unread.
#[derive(Default)]
struct Unread {
    http1: Vec<RawConnection>,
    http2: Vec<(Client, http2::PendingResponse)>,
}

impl Unread {
    fn open(&mut self, proxy: &dyn Running, is_http2: bool) {
        if !is_http2 {
            let mut client = RawConnection::connect(proxy.address());
            client.send(get("/v1/files/f/content"));
            return self.http1.push(client);
        }
        let mut client = match self.http2.last() {
            Some((client, _)) if !self.http2.len().is_multiple_of(STREAMS) => client.clone(),
            _ => Client::connect(proxy.address()),
        };
        let pending = client.send(wire::get("/v1/files/f/content"));
        self.http2.push((client, pending));
    }
}

fn http1_upstream(http2_clients: bool) {
    let upstream = Upstream::start();
    let proxy = wire::start(&Server, upstream.address(), &[]);
    measure(&*proxy, http2_clients, || {
        let mut upstream_conn = upstream.accept();
        upstream_conn.head();
        upstream_conn.send(format!("HTTP/1.1 200 OK\r\ncontent-length: {LARGE}\r\n\r\n"));
        // Blocks until the proxy closes the connection.
        thread::spawn(move || upstream_conn.try_send(vec![b'x'; LARGE]));
    });
}

fn http2_upstream(http2_clients: bool) {
    let authority = Authority::new();
    let upstream = http2::Upstream::start(&authority.server("localhost", &["h2"]));
    let proxy = wire::start_tls(&Server, &authority, upstream.address(), &[]);
    let mut open = Vec::new();
    measure(&*proxy, http2_clients, || {
        let (sender, body) = upstream.accept().respond(Response::builder());
        (0..LARGE / PIECE.len()).for_each(|_| sender.send(PIECE));
        open.push((sender, body));
    });
}

fn measure(proxy: &dyn Running, http2_clients: bool, mut respond: impl FnMut()) {
    let process = proxy.process().expect("the server has a process id");
    let mut unread = Unread::default();
    // The first responses allocate what all share.
    for _ in 0..4 {
        unread.open(proxy, http2_clients);
        respond();
    }
    settled(process);
    let before = settled(process);
    for _ in 0..CLIENTS {
        unread.open(proxy, http2_clients);
        respond();
    }
    let each = settled(process).saturating_sub(before) / CLIENTS as u64;
    println!("each unread response: {each} KiB (RSS)");
    assert!(each <= EACH, "{each} KiB");
}

/// The memory once it grows no more: on a busy machine, the server may get no time between a few looks.
fn settled(process: u32) -> u64 {
    const LOOKS: usize = 6;
    let mut last = procfs::resident(process);
    let mut unchanged = 0;
    while unchanged < LOOKS {
        thread::sleep(Duration::from_millis(300));
        let now = procfs::resident(process);
        unchanged = if now <= last { unchanged + 1 } else { 0 };
        last = now;
    }
    last
}
