//! What breaks upstream is seen at the client: never a clean end, never a second try.

use std::net::TcpListener;

use super::{EVENTS, Test, ask, ask_http2, error_code, request, start, test};
use crate::{
    adapter::{Adapter, Feature},
    http2,
    peer::Peer,
    tls::{self, Authority},
    upstream::Upstream,
};

pub(super) const TESTS: &[Test] = &[
    test("a_chunked_body_that_breaks_off", &[Feature::StreamingAnswer], chunked),
    test("a_chunked_body_that_is_reset", &[Feature::StreamingAnswer], chunked_reset),
    test("a_body_shorter_than_its_length", &[Feature::StreamingAnswer], short),
    test("to_http2", &[Feature::Http2], to_http2),
    test("a_tls_stream_without_its_end", &[Feature::StreamingAnswer, Feature::PrivateAuthority], tls_without_end),
    test("an_http2_stream_that_is_reset", &[Feature::StreamingAnswer, Feature::PrivateAuthority], from_http2),
    test("an_upstream_that_closes_before_the_head", &[], before_the_head),
    test("an_upstream_that_closes_within_the_head", &[], within_the_head),
    test("an_upstream_that_speaks_no_http", &[], no_http),
    test("an_upstream_that_is_not_there", &[], not_there),
];

fn chunked(adapter: &dyn Adapter) {
    let (_proxy, mut client, mut serving, _) = ask(adapter, &request("GET", "/v1/responses", ""));
    serving.send(EVENTS);
    serving.send_chunk("data: 1\n\n");
    client.until("data: 1\n\n");
    drop(serving);
    assert!(!client.rest().0.ends_with(b"0\r\n\r\n"), "a cut must not look like an end");
}

fn chunked_reset(adapter: &dyn Adapter) {
    let (_proxy, mut client, mut serving, _) = ask(adapter, &request("GET", "/v1/responses", ""));
    serving.send(EVENTS);
    serving.send_chunk("data: 1\n\n");
    client.until("data: 1\n\n");
    serving.reset();
    assert!(!client.rest().0.ends_with(b"0\r\n\r\n"), "a cut must not look like an end");
}

fn short(adapter: &dyn Adapter) {
    let (_proxy, mut client, mut serving, _) = ask(adapter, &request("GET", "/v1/files/1/content", ""));
    serving.send("HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\nhalf");
    let head = client.head();
    drop(serving);
    let (body, _) = client.rest();
    assert!(head.content_length() == Some(10) && body.len() < 10 || head.is_chunked() && !body.ends_with(b"0\r\n\r\n"));
}

fn to_http2(adapter: &dyn Adapter) {
    let (_proxy, client, waiting, mut serving, _) = ask_http2(adapter);
    serving.send(EVENTS);
    serving.send_chunk("data: 1\n\n");
    let (_, mut body) = waiting.answer();
    assert!(body.piece().unwrap().is_ok());
    drop(serving);
    assert!(body.piece().expect("no clean end").is_err());
    assert!(!client.is_closed(), "one cut stream leaves the others alone");
}

fn tls_without_end(adapter: &dyn Adapter) {
    let authority = Authority::new();
    let listener = TcpListener::bind(("127.0.0.1", 0)).unwrap();
    let address = listener.local_addr().unwrap();
    let proxy = super::start_tls(adapter, &authority, address, &[]);
    let mut client = Peer::connect(proxy.address());
    client.send(request("GET", "/v1/responses", ""));
    let socket = listener.accept().unwrap().0;
    let raw = socket.try_clone().unwrap();
    let mut serving = tls::accept(socket, &authority.server("localhost", &["http/1.1"])).unwrap();
    serving.head();
    // Neither a length nor chunks: only the connection's end is the body's end, and TLS says whether it was one.
    serving.send("HTTP/1.1 200 OK\r\n\r\nhalf");
    client.until("half");
    raw.shutdown(std::net::Shutdown::Both).unwrap();
    assert!(!client.rest().0.ends_with(b"0\r\n\r\n"), "a cut must not look like an end");
}

fn from_http2(adapter: &dyn Adapter) {
    let authority = Authority::new();
    let upstream = http2::Upstream::start(&authority.server("localhost", &["h2"]));
    let proxy = super::start_tls(adapter, &authority, upstream.address(), &[]);
    let mut client = Peer::connect(proxy.address());
    client.send(request("GET", "/v1/responses", ""));
    let (sender, _body) = upstream.accept().answer(http::Response::builder());
    sender.send("data: 1\n\n");
    client.until("data: 1\n\n");
    sender.reset();
    assert!(!client.rest().0.ends_with(b"0\r\n\r\n"), "a cut must not look like an end");
}

/// What the client gets where the upstream sends this instead of an answer, and then closes.
fn unanswered(adapter: &dyn Adapter, instead: &str) {
    let upstream = Upstream::start();
    let proxy = start(adapter, upstream.address(), &[]);
    let mut client = Peer::connect(proxy.address());
    client.send(request("POST", "/v1/responses", "content-length: 2\r\norigin: https://a.example\r\n") + "{}");
    let mut serving = upstream.accept();
    let head = serving.head();
    serving.body(&head);
    serving.send(instead);
    drop(serving);
    let head = client.head();
    assert_eq!(head.status(), 502);
    assert_eq!(head.header("access-control-allow-origin"), Some("*"));
    assert_eq!(error_code(&client.body(&head)), "upstream_unreachable");
    assert!(upstream.is_untouched(), "what was sent is never sent again");
}

fn before_the_head(adapter: &dyn Adapter) {
    unanswered(adapter, "");
}

fn within_the_head(adapter: &dyn Adapter) {
    unanswered(adapter, "HTTP/1.1 200 OK\r\ncontent-le");
}

fn no_http(adapter: &dyn Adapter) {
    unanswered(adapter, "220 mail.example ESMTP\r\n\r\n");
}

fn not_there(adapter: &dyn Adapter) {
    let gone = TcpListener::bind(("127.0.0.1", 0)).unwrap().local_addr().unwrap();
    let proxy = start(adapter, gone, &[]);
    let mut client = Peer::connect(proxy.address());
    client.send(request("GET", "/v1/models", ""));
    let head = client.head();
    assert_eq!(head.status(), 502);
    assert_eq!(error_code(&client.body(&head)), "upstream_unreachable");
}
