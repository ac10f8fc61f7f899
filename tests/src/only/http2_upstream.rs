//! Connections to an HTTP/2 upstream that many requests share.

use std::{iter, thread};

use bytes::Bytes;
use http::Response;

use super::{Test, get};
use crate::{
    adapter::Running,
    http2::{Exchange, ReceivedBody, Sender, Upstream},
    procfs,
    raw_connection::RawConnection,
    server::Server,
    tls::Authority,
    wire,
};

pub(super) const TESTS: &[Test] = &[
    ("requests_beyond_what_a_connection_takes_go_over_another", beyond_the_limit),
    ("connections_of_a_crowd_that_has_left_serve_again", after_a_crowd),
    ("clients_that_read_nothing_hold_nobody_else_up", deaf_clients),
    ("an_upload_goes_on_beside_its_answer", upload_beside),
];

/// Requests at once that one connection takes.
const LIMIT: u32 = 2;

struct Scene {
    upstream: Upstream,
    proxy: Box<dyn Running>,
}

impl Scene {
    fn new(limit: u32) -> Self {
        let authority = Authority::new();
        let upstream = Upstream::start_with(&authority.server("localhost", &["h2"]), limit);
        let proxy = wire::start_tls(&Server, &authority, upstream.address(), &[]);
        Self { upstream, proxy }
    }

    /// A request, and where it came out.
    fn forwarded(&self) -> (RawConnection, Exchange) {
        let mut client = RawConnection::connect(self.proxy.address());
        client.send(get("/v1/responses"));
        (client, self.upstream.accept())
    }

    /// A request whose answer has begun.
    fn stream(&self) -> (RawConnection, Sender, ReceivedBody) {
        let (mut client, exchange) = self.forwarded();
        let (sender, body) = exchange.respond(Response::builder());
        sender.send("data: 1\n\n");
        client.until("data: 1\n\n");
        (client, sender, body)
    }

    /// So many streams that no thread of the server can have them on one connection.
    fn crowd(&self) -> Vec<(RawConnection, Sender, ReceivedBody)> {
        iter::repeat_with(|| self.stream()).take(3 * LIMIT as usize * threads()).collect()
    }
}

/// Of the server: each has connections of its own.
fn threads() -> usize {
    thread::available_parallelism().map_or(1, usize::from)
}

fn beyond_the_limit() {
    let scene = Scene::new(LIMIT);
    let mut crowd = scene.crowd();
    assert!(scene.upstream.connections() * LIMIT as usize >= crowd.len());
    for (client, sender, _) in &mut crowd {
        sender.send("data: 2\n\n");
        client.until("data: 2\n\n");
    }
}

fn after_a_crowd() {
    let scene = Scene::new(LIMIT);
    for (mut client, sender, _) in scene.crowd() {
        drop(sender);
        client.until("0\r\n\r\n");
    }
    let opened = scene.upstream.connections();
    for _ in 0..10 * threads() {
        let (mut client, exchange) = scene.forwarded();
        drop(exchange.respond(Response::builder()));
        client.until("0\r\n\r\n");
    }
    // A thread that the crowd missed opens its first.
    assert!(scene.upstream.connections() <= opened + threads());
}

const DEAF: usize = 16;
/// More than sockets hold.
const DEAF_PIECES: usize = 512;
const PIECE: Bytes = Bytes::from_static(&[b'x'; 64 << 10]);
/// What a client that reads nothing may add to the process, in KiB.
const GROWTH: u64 = 2 << 10;

fn deaf_clients() {
    let scene = Scene::new(200);
    let deaf: Vec<_> = iter::repeat_with(|| scene.stream()).take(DEAF).collect();
    let process = scene.proxy.process().expect("the server is a process");
    let before = procfs::resident(process);
    for (_, sender, _) in &deaf {
        (0..DEAF_PIECES).for_each(|_| sender.send(PIECE));
    }
    for _ in 0..100 {
        let (mut client, exchange) = scene.forwarded();
        let (sender, _body) = exchange.respond(Response::builder());
        sender.send(PIECE);
        drop(sender);
        client.until("0\r\n\r\n");
    }
    let grown = procfs::resident_peak(process).saturating_sub(before);
    println!("{DEAF} clients that read nothing: {grown} KiB more at most (RSS)");
    assert!(grown < DEAF as u64 * GROWTH, "by {grown} KiB");
    drop(deaf);
}

fn upload_beside() {
    let scene = Scene::new(LIMIT);
    let mut client = RawConnection::connect(scene.proxy.address());
    client.send(wire::request("POST", "/v1/files", "transfer-encoding: chunked\r\n"));
    client.send_chunk("one");
    let (sender, mut body) = scene.upstream.accept().respond(Response::builder());
    assert_eq!(body.next_data().unwrap().unwrap(), "one");
    sender.send("data: 1\n\n");
    client.until("data: 1\n\n");
    client.send_chunk("two");
    assert_eq!(body.next_data().unwrap().unwrap(), "two");
    client.send("0\r\n\r\n");
    assert!(body.next_data().is_none());
    drop(sender);
    client.until("0\r\n\r\n");
}
