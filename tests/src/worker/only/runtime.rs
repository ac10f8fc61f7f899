//! How the runtime changes heads before and after the Worker, where the results differ from the cases.

use super::{EVENTS, read_response, start};
use crate::{
    adapter::Running as _,
    raw_connection::{Head, RawConnection},
    upstream::{RespondingUpstream, Upstream},
    wire::request,
    worker::Worker,
};

const OK: &[u8] = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\nvary: a\r\nvary: b\r\n\r\nok";

/// The request head at the upstream, if any, and the response head at the client.
fn pass(worker: &Worker, request: impl AsRef<[u8]>) -> (Option<Head>, Head) {
    let upstream = RespondingUpstream::start(|_| OK.to_vec());
    let proxy = start(worker, upstream.address());
    let mut client = RawConnection::connect(proxy.address());
    client.send(request);
    let (head, _) = read_response(&mut client);
    (upstream.take().pop().map(|request| request.head), head)
}

pub(super) fn targets(worker: &Worker) {
    for (sent, expected) in
        [("/v1/models?a='b'", "/v1/models?a=%27b%27"), ("/v1/files/a%2Fb?c=%7e&d=+", "/v1/files/a%2Fb?c=%7e&d=+")]
    {
        let (forwarded, _) = pass(worker, request("GET", sent, ""));
        assert_eq!(forwarded.expect("the request is forwarded").word(1), expected);
    }
}

pub(super) fn fields(worker: &Worker) {
    let (forwarded, response) = pass(worker, request("GET", "/v1/models", "accept: a\r\naccept: b\r\n"));
    assert_eq!(forwarded.expect("the request is forwarded").header("accept"), Some("a, b"));
    assert_eq!(response.header("vary"), Some("a, b"));
}

/// Cloudflare's cache serves no response of one user to another. The runtime adds these headers to such a request.
pub(super) fn not_cached(worker: &Worker) {
    let (forwarded, _) = pass(worker, request("GET", "/v1/models", ""));
    let forwarded = forwarded.expect("the request is forwarded");
    assert_eq!((forwarded.header("cache-control"), forwarded.header("pragma")), (Some("no-cache"), Some("no-cache")));
    let (forwarded, _) = pass(worker, request("GET", "/v1/models", "cache-control: no-transform\r\n"));
    assert_eq!(forwarded.expect("the request is forwarded").header("cache-control"), Some("no-transform"));
}

pub(super) fn methods(worker: &Worker) {
    for method in ["HEAD2", "CONNECT"] {
        let (forwarded, response) = pass(worker, request(method, "/v1/models", ""));
        assert!(response.status() >= 400);
        assert!(forwarded.is_none(), "nothing is forwarded");
    }
}

pub(super) fn get_with_body(worker: &Worker) {
    let upstream = Upstream::start();
    let proxy = start(worker, upstream.address());
    let mut client = RawConnection::connect(proxy.address());
    client.send(request("GET", "/v1/models", "content-length: 4\r\n") + "body");
    let mut upstream_conn = upstream.accept();
    let head = upstream_conn.head();
    assert_eq!(upstream_conn.body(&head), b"body");
    upstream_conn.send(OK);
    assert_eq!(read_response(&mut client).0.status(), 200);
}

pub(super) fn reset(worker: &Worker) {
    let upstream = Upstream::start();
    let proxy = start(worker, upstream.address());
    for events in [false, true] {
        let mut client = RawConnection::connect(proxy.address());
        client.send(request("GET", "/v1/responses", ""));
        let mut upstream_conn = upstream.accept();
        upstream_conn.head();
        if events {
            upstream_conn.send(EVENTS);
            client.head();
        }
        client.reset();
        assert!(upstream_conn.rest().0.is_empty());
    }
}
