//! Upstream connections are pooled, and a sent request is never sent again ([RFC 9110
//! §9.2.2](https://www.rfc-editor.org/rfc/rfc9110#section-9.2.2)).

use std::sync::mpsc;

use super::{Test, request, start, start_tls, test};
use crate::{
    adapter::{Adapter, Feature},
    raw_connection::{Head, RawConnection},
    tls::{self, Authority},
    upstream::{RespondingUpstream, Upstream},
};

pub(super) const TESTS: &[Test] = &[
    test("connection_is_reused", &[Feature::Pool], reused),
    test("closed_pooled_connection_causes_no_error", &[Feature::Pool], closed_while_pooled),
    test("sent_post_is_not_retried", &[Feature::Pool], not_retried),
    test("sent_get_is_retried_once", &[Feature::Pool], retried),
    test("response_without_body_keeps_the_connection_reusable", &[Feature::Pool], bodiless),
    test("ambiguous_request_closes_its_connection", &[Feature::Pool], ambiguous_requests),
    test("tls_bytes_after_a_response_are_discarded", &[Feature::Pool, Feature::PrivateAuthority], left_over_tls),
    test("close_at_every_reuse_loses_and_repeats_nothing", &[Feature::Pool], closing_at_reuse),
];

const OK: &str = "HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok";

fn post(client: &mut RawConnection, number: usize) -> Head {
    client.send(request("POST", &format!("/v1/responses?number={number}"), "content-length: 2\r\n") + "{}");
    let head = client.head();
    client.body(&head);
    head
}

fn reused(adapter: &dyn Adapter) {
    let upstream = Upstream::start();
    let proxy = start(adapter, upstream.address(), &[]);
    let mut client = RawConnection::connect(proxy.address());
    client.send(request("GET", "/v1/models", ""));
    let mut upstream_conn = upstream.accept();
    for _ in 0..3 {
        upstream_conn.head();
        upstream_conn.send(OK);
        let head = client.head();
        assert_eq!(client.body(&head), b"ok");
        client.send(request("GET", "/v1/models", ""));
    }
    upstream_conn.head();
    assert!(upstream.is_untouched());
}

fn closed_while_pooled(adapter: &dyn Adapter) {
    let upstream = Upstream::start();
    let proxy = start(adapter, upstream.address(), &[]);
    let mut client = RawConnection::connect(proxy.address());
    for number in 0..5 {
        client.send(request("POST", &format!("/v1/responses?number={number}"), "content-length: 2\r\n") + "{}");
        let mut upstream_conn = upstream.accept();
        let head = upstream_conn.head();
        upstream_conn.body(&head);
        upstream_conn.send(OK);
        upstream_conn.close();
        let head = client.head();
        assert_eq!((head.status(), client.body(&head)), (200, b"ok".to_vec()));
    }
}

/// On a new connection, if the pooled one closes before a byte of the response.
fn retried(adapter: &dyn Adapter) {
    for (head, status) in [("", 200), ("HTTP/1.1 200", 502)] {
        let upstream = Upstream::start();
        let proxy = start(adapter, upstream.address(), &[]);
        let mut client = RawConnection::connect(proxy.address());
        client.send(request("GET", "/v1/models", ""));
        let mut first = upstream.accept();
        first.head();
        first.send(OK);
        let response = client.head();
        client.body(&response);
        client.send(request("GET", "/v1/models?after=x", ""));
        first.head();
        first.send(head);
        drop(first);
        if status == 200 {
            let mut second = upstream.accept();
            assert_eq!(second.head().word(1), "/v1/models?after=x");
            second.send(OK);
        }
        assert_eq!(client.head().status(), status);
        // The new connection was not used before.
        let mut client = RawConnection::connect(proxy.address());
        client.send(request("GET", "/v1/models", ""));
        let mut third = upstream.accept();
        third.head();
        drop(third);
        assert_eq!(client.head().status(), 502);
        assert!(upstream.is_untouched());
    }
}

fn not_retried(adapter: &dyn Adapter) {
    let upstream = Upstream::start();
    let proxy = start(adapter, upstream.address(), &[]);
    let mut client = RawConnection::connect(proxy.address());
    client.send(request("GET", "/v1/models", ""));
    let mut upstream_conn = upstream.accept();
    upstream_conn.head();
    upstream_conn.send(OK);
    let head = client.head();
    assert_eq!(client.body(&head), b"ok");
    client.send(request("POST", "/v1/responses", "content-length: 2\r\n") + "{}");
    let head = upstream_conn.head();
    assert_eq!(upstream_conn.body(&head), b"{}");
    drop(upstream_conn);
    assert_eq!(client.head().status(), 502);
    assert!(upstream.is_untouched(), "a sent request is not retried");
}

/// `Content-Length` on a response that has no body ([RFC 9112
/// §6.3](https://www.rfc-editor.org/rfc/rfc9112#section-6.3)).
fn bodiless(adapter: &dyn Adapter) {
    let upstream = Upstream::start();
    let proxy = start(adapter, upstream.address(), &[]);
    let mut client = RawConnection::connect(proxy.address());
    let mut upstream_conn = None;
    for (method, status) in [("GET", "204 No Content"), ("GET", "304 Not Modified"), ("POST", "204 No Content")] {
        client.send(request(method, "/v1/models", ""));
        let upstream_conn = upstream_conn.get_or_insert_with(|| upstream.accept());
        assert_eq!(upstream_conn.head().word(0), method);
        upstream_conn.send(format!("HTTP/1.1 {status}\r\ncontent-length: 5\r\n\r\n"));
        assert_eq!(client.head().word(1), &status[..3]);
    }
    client.send(request("GET", "/v1/models", ""));
    let mut upstream_conn = upstream_conn.expect("a connection");
    upstream_conn.head();
    upstream_conn.send(OK);
    let head = client.head();
    assert_eq!(client.body(&head), b"ok");
    assert!(upstream.is_untouched());
}

/// A careless upstream ignores the body of a GET, or sends a body to HEAD: on the same connection, the rest would be the
/// next request or response, which may be another user's.
fn ambiguous_requests(adapter: &dyn Adapter) {
    let upstream = Upstream::start();
    let proxy = start(adapter, upstream.address(), &[]);
    let mut client = RawConnection::connect(proxy.address());
    let length = "content-length: 2\r\n";
    let chunked = "transfer-encoding: chunked\r\n";
    for (method, header, body) in [
        ("HEAD", "", ""),
        ("GET", length, "ab"),
        ("DELETE", length, "ab"),
        ("OPTIONS", length, "ab"),
        ("GET", chunked, "2\r\nab\r\n0\r\n\r\n"),
        ("POST", length, "ab"),
    ] {
        if header == chunked {
            client = RawConnection::connect(proxy.address());
        }
        client.send(request(method, "/v1/models/x", header) + body);
        let mut upstream_conn = upstream.accept();
        let received = upstream_conn.head();
        assert_eq!(received.word(0), method);
        upstream_conn.body(&received);
        upstream_conn.send(OK);
        if method != "POST" {
            assert!(upstream_conn.rest().0.is_empty(), "{method} {header}");
        }
        let head = client.head();
        assert_eq!(head.word(1), "200");
        if method != "HEAD" {
            client.body(&head);
        }
        if header == chunked {
            client = RawConnection::connect(proxy.address());
        }
    }
}

/// Bytes that could be taken for the response to the next request.
const EVIL: &str = "HTTP/1.1 200 OK\r\ncontent-length: 4\r\n\r\nevil";

/// A TLS record holds up to 16 KiB, so bytes after the response may be decrypted already.
fn left_over_tls(adapter: &dyn Adapter) {
    let authority = Authority::new();
    let config = authority.server("localhost", &["http/1.1"]);
    let upstream = Upstream::start();
    let proxy = start_tls(adapter, &authority, upstream.address(), &[]);
    let mut client = RawConnection::connect(proxy.address());
    let mut open = Vec::new();
    for size in [512, 1024, 2048, 4096, 8192, 16_000] {
        client.send(request("GET", "/v1/models", ""));
        let mut upstream_conn = tls::accept(upstream.accept().socket().try_clone().unwrap(), &config).unwrap();
        upstream_conn.head();
        let head_of = |length| format!("HTTP/1.1 200 OK\r\ncontent-length: {length}\r\nname: ");
        // Head and body have this size together.
        let body = "x".repeat(size / 2);
        let head = head_of(body.len());
        let fill = "y".repeat(size - body.len() - head.len() - 4);
        upstream_conn.send(format!("{head}{fill}\r\n\r\n{body}{EVIL}"));
        let head = client.head();
        assert_eq!(client.body(&head), body.as_bytes());
        open.push(upstream_conn);
    }
}

/// Every response keeps the connection open, but the upstream closes it at the moment the next request is sent.
fn closing_at_reuse(adapter: &dyn Adapter) {
    const REQUESTS: usize = 2000;
    let (close, closing) = mpsc::channel();
    let upstream = RespondingUpstream::start_closing(|_| OK.into(), closing);
    let proxy = start(adapter, upstream.address(), &[]);
    let mut client = RawConnection::connect(proxy.address());
    let mut good = Vec::new();
    for number in 0..REQUESTS {
        let status = post(&mut client, number).status();
        assert!([200, 502].contains(&status), "{status}");
        if status == 200 {
            good.push(format!("/v1/responses?number={number}"));
            close.send(()).unwrap();
        }
    }
    let delivered: Vec<String> = upstream.take().iter().map(|request| request.head.word(1).to_owned()).collect();
    assert_eq!(delivered, good, "every delivered request is delivered once and has a response");
    assert!(good.len() > REQUESTS / 2, "a request is retried if nothing of it was sent: {} passed", good.len());
    println!("closed at reuse {REQUESTS} times: {} passed, the others received a 502", good.len());
}
