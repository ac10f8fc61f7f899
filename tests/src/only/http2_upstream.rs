//! HTTP/2 upstream connections shared by many requests.

use std::{iter, thread};

use bytes::Bytes;
use http::Response;

use super::{Test, get};
use crate::{
    adapter::Running,
    http2::{self, Exchange, ReceivedBody, Sender, Upstream},
    procfs,
    raw_connection::RawConnection,
    server::Server,
    tls::Authority,
    wire,
};

pub(super) const TESTS: &[Test] = &[
    ("requests_beyond_max_concurrent_streams_use_another_connection", beyond_the_limit),
    ("connections_are_reused_after_a_burst", after_a_burst),
    ("clients_that_read_nothing_delay_no_other_client", unread_clients),
    ("upload_continues_during_its_response", upload_during_response),
    ("requests_at_a_cold_start_share_one_connection", cold_start),
    ("more_requests_than_streams_wait_for_several_connections", many_waiting),
    ("cancelled_requests_leave_other_streams_open", cancelled_requests),
];

/// `SETTINGS_MAX_CONCURRENT_STREAMS` of the upstream.
const LIMIT: u32 = 2;

struct Fixture {
    upstream: Upstream,
    proxy: Box<dyn Running>,
}

impl Fixture {
    fn new(limit: u32) -> Self {
        let authority = Authority::new();
        let upstream = Upstream::start_with(&authority.server("localhost", &["h2"]), limit);
        let proxy = wire::start_tls(&Server, &authority, upstream.address(), &[]);
        Self { upstream, proxy }
    }

    /// A request, and the upstream's side of it.
    fn forwarded(&self) -> (RawConnection, Exchange) {
        let mut client = RawConnection::connect(self.proxy.address());
        client.send(get("/v1/responses"));
        (client, self.upstream.accept())
    }

    /// A request whose response has started.
    fn stream(&self) -> (RawConnection, Sender, ReceivedBody) {
        let (mut client, exchange) = self.forwarded();
        let (sender, body) = exchange.respond(Response::builder());
        sender.send("data: 1\n\n");
        client.until("data: 1\n\n");
        (client, sender, body)
    }

    /// More streams than each thread of the server can have on one connection.
    fn burst(&self) -> Vec<(RawConnection, Sender, ReceivedBody)> {
        iter::repeat_with(|| self.stream()).take(3 * LIMIT as usize * threads()).collect()
    }
}

/// The threads of the server; each has upstream connections of its own.
fn threads() -> usize {
    thread::available_parallelism().map_or(1, usize::from)
}

fn beyond_the_limit() {
    let fixture = Fixture::new(LIMIT);
    let mut burst = fixture.burst();
    assert!(fixture.upstream.connections() * LIMIT as usize >= burst.len());
    for (client, sender, _) in &mut burst {
        sender.send("data: 2\n\n");
        client.until("data: 2\n\n");
    }
}

fn after_a_burst() {
    let fixture = Fixture::new(LIMIT);
    for (mut client, sender, _) in fixture.burst() {
        drop(sender);
        client.until("0\r\n\r\n");
    }
    let opened = fixture.upstream.connections();
    for _ in 0..10 * threads() {
        let (mut client, exchange) = fixture.forwarded();
        drop(exchange.respond(Response::builder()));
        client.until("0\r\n\r\n");
    }
    // A thread without a stream in the burst opens its first connection.
    assert!(fixture.upstream.connections() <= opened + threads());
}

/// Clients that read nothing.
const UNREAD_CLIENTS: usize = 64;
/// Pieces per response, more than the socket buffers hold.
const UNREAD_PIECES: usize = 512;
const PIECE: Bytes = Bytes::from_static(&[b'x'; 64 << 10]);
/// Memory growth per client that reads nothing, at most, in KiB: 128 of buffers, and the noise of a resident set, which may
/// gain a huge page of 2 MiB.
const GROWTH: u64 = 192;

fn unread_clients() {
    let fixture = Fixture::new(200);
    let unread: Vec<_> = iter::repeat_with(|| fixture.stream()).take(UNREAD_CLIENTS).collect();
    let process = fixture.proxy.process().expect("the server has a process id");
    let before = procfs::resident(process);
    for (_, sender, _) in &unread {
        (0..UNREAD_PIECES).for_each(|_| sender.send(PIECE));
    }
    for _ in 0..100 {
        let (mut client, exchange) = fixture.forwarded();
        let (sender, _body) = exchange.respond(Response::builder());
        sender.send(PIECE);
        drop(sender);
        client.until("0\r\n\r\n");
    }
    let grown = procfs::resident_peak(process).saturating_sub(before);
    println!("{UNREAD_CLIENTS} clients that read nothing: {grown} KiB more at most (RSS)");
    assert!(grown < UNREAD_CLIENTS as u64 * GROWTH, "by {grown} KiB");
    drop(unread);
}

fn upload_during_response() {
    let fixture = Fixture::new(LIMIT);
    let mut client = RawConnection::connect(fixture.proxy.address());
    client.send(wire::request("POST", "/v1/files", "transfer-encoding: chunked\r\n"));
    client.send_chunk("one");
    let (sender, mut body) = fixture.upstream.accept().respond(Response::builder());
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

/// Requests before the first connection is open. They are of one client connection, so one thread serves them.
const COLD: usize = 60;

/// All wait for the first connection, which has streams for a few of them.
fn many_waiting() {
    const REQUESTS: usize = 40;
    let fixture = Fixture::new(LIMIT);
    let mut client = http2::Client::connect(fixture.proxy.address());
    let pending: Vec<_> = (0..REQUESTS).map(|_| client.send(wire::get("/v1/responses"))).collect();
    for _ in &pending {
        drop(fixture.upstream.accept().respond(Response::builder()));
    }
    for response in pending {
        assert_eq!(response.response().0.status, 200);
    }
}

fn cold_start() {
    let fixture = Fixture::new(200);
    let mut client = http2::Client::connect(fixture.proxy.address());
    let pending: Vec<_> = (0..COLD).map(|_| client.send(wire::get("/v1/responses"))).collect();
    let exchanges: Vec<_> = pending.iter().map(|_| fixture.upstream.accept()).collect();
    assert_eq!(fixture.upstream.connections(), 1);
    drop(exchanges);
}

/// Requests that a user cancels, and the most of them on one upstream connection.
const CANCELLED: usize = 200;
const CANCELLED_MAX: usize = 20;

fn cancelled_requests() {
    let fixture = Fixture::new(200);
    let mut client = http2::Client::connect(fixture.proxy.address());
    let other = client.send(wire::get("/v1/responses"));
    let (sender, _body) = fixture.upstream.accept().respond(Response::builder());
    let (_, mut other) = other.response();
    for _ in 0..CANCELLED {
        let pending = client.send(wire::get("/v1/responses"));
        let exchange = fixture.upstream.accept();
        drop(pending);
        exchange.wait_cancelled();
    }
    let connections = fixture.upstream.connections();
    assert!(
        connections >= CANCELLED / CANCELLED_MAX,
        "{connections} connections carried {CANCELLED} cancelled requests"
    );
    sender.send("data: 1\n\n");
    assert_eq!(other.next_data().unwrap().unwrap(), "data: 1\n\n");
    // Ordinary requests cost no connections.
    let after: Vec<_> = (0..100)
        .map(|_| {
            let pending = client.send(wire::get("/v1/models"));
            drop(fixture.upstream.accept().respond(Response::builder()));
            pending.response().0.status.as_u16()
        })
        .collect();
    assert_eq!(after, [200; 100]);
    assert!(fixture.upstream.connections() <= connections + 1);
}
