//! Connections to an HTTP/2 upstream that many requests share.

use std::{iter, thread};

use bytes::Bytes;
use http::Response;

use super::{Test, get};
use crate::{
    adapter::Running,
    http2::{Exchange, Received, Sender, Upstream},
    peer::Peer,
    server::Server,
    tls::Authority,
    wire,
};

pub(super) const TESTS: &[Test] = &[
    ("requests_beyond_what_a_connection_takes_go_over_another", beyond_the_limit),
    ("a_crowd_that_has_left_leaves_one_connection", after_a_crowd),
    ("clients_that_read_nothing_hold_nobody_else_up", deaf_clients),
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
    fn ask(&self) -> (Peer, Exchange) {
        let mut client = Peer::connect(self.proxy.address());
        client.send(get("/v1/responses"));
        (client, self.upstream.accept())
    }

    /// A request whose answer has begun.
    fn stream(&self) -> (Peer, Sender, Received) {
        let (mut client, exchange) = self.ask();
        let (sender, body) = exchange.answer(Response::builder());
        sender.send("data: 1\n\n");
        client.until("data: 1\n\n");
        (client, sender, body)
    }

    /// So many streams that no thread of the server can have them on one connection.
    fn crowd(&self) -> Vec<(Peer, Sender, Received)> {
        let threads = thread::available_parallelism().map_or(1, usize::from);
        iter::repeat_with(|| self.stream()).take(3 * LIMIT as usize * threads).collect()
    }
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
    for _ in 0..opened {
        let (mut client, exchange) = scene.ask();
        drop(exchange.answer(Response::builder()));
        client.until("0\r\n\r\n");
    }
    assert_eq!(scene.upstream.connections(), opened, "those that are open serve");
}

/// More than sockets hold.
const DEAF_PIECES: usize = 512;
const PIECE: Bytes = Bytes::from_static(&[b'x'; 64 << 10]);

fn deaf_clients() {
    let scene = Scene::new(200);
    let deaf: Vec<_> = iter::repeat_with(|| scene.stream()).take(16).collect();
    for (_, sender, _) in &deaf {
        (0..DEAF_PIECES).for_each(|_| sender.send(PIECE));
    }
    for _ in 0..100 {
        let (mut client, exchange) = scene.ask();
        let (sender, _body) = exchange.answer(Response::builder());
        sender.send(PIECE);
        drop(sender);
        client.until("0\r\n\r\n");
    }
    for (client, _, _) in &deaf {
        assert!(client.has_come());
    }
}
