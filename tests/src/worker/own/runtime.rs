//! What the runtime does to heads before and after the Worker sees them, where the suite's cases differ.

use super::{EVENTS, answer, start};
use crate::{
    adapter::Running as _,
    peer::{Head, Peer},
    upstream::{Answering, Upstream},
    wire::request,
    worker::Worker,
};

const OK: &[u8] = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\nvary: a\r\nvary: b\r\n\r\nok";

/// What the upstream saw of this request, and the head of the answer.
fn pass(worker: &Worker, request: impl AsRef<[u8]>) -> (Option<Head>, Head) {
    let upstream = Answering::start(|_| OK.to_vec());
    let serving = start(worker, upstream.address());
    let mut client = Peer::connect(serving.address());
    client.send(request);
    let (head, _) = answer(&mut client);
    (upstream.take().pop().map(|seen| seen.head), head)
}

pub(super) fn targets(worker: &Worker) {
    for (sent, arrives) in [
        ("/v1/models?a='b'", "/v1/models?a=%27b%27"),
        ("/v1/files/\u{e9}", "/v1/files/%C3%A9"),
        ("/v1/files/a%2Fb?c=%7e&d=+", "/v1/files/a%2Fb?c=%7e&d=+"),
    ] {
        let (seen, _) = pass(worker, request("GET", sent, ""));
        assert_eq!(seen.expect("it passes").word(1), arrives);
    }
}

pub(super) fn fields(worker: &Worker) {
    let (seen, answered) = pass(worker, request("GET", "/v1/models", "accept: a\r\naccept: b\r\n"));
    assert_eq!(seen.expect("it passes").header("accept"), Some("a, b"));
    assert_eq!(answered.header("vary"), Some("a, b"));
}

pub(super) fn methods(worker: &Worker) {
    for method in ["HEAD2", "CONNECT"] {
        let (seen, answered) = pass(worker, request(method, "/v1/models", ""));
        assert!(answered.status() >= 400);
        assert!(seen.is_none(), "nothing was sent");
    }
}

pub(super) fn get_with_body(worker: &Worker) {
    let upstream = Upstream::start();
    let serving = start(worker, upstream.address());
    let mut client = Peer::connect(serving.address());
    client.send(request("GET", "/v1/models", "content-length: 4\r\n") + "body");
    let mut sending = upstream.accept();
    let seen = sending.head();
    assert_eq!(sending.body(&seen), b"body");
    sending.send(OK);
    assert_eq!(answer(&mut client).0.status(), 200);
}

pub(super) fn reset(worker: &Worker) {
    let upstream = Upstream::start();
    let serving = start(worker, upstream.address());
    for events in [false, true] {
        let mut client = Peer::connect(serving.address());
        client.send(request("GET", "/v1/responses", ""));
        let mut sending = upstream.accept();
        sending.head();
        if events {
            sending.send(EVENTS);
            client.head();
        }
        client.reset();
        assert!(sending.rest().0.is_empty());
    }
}
