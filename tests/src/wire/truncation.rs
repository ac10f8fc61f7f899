//! A response that the upstream truncates is truncated at the client, too, and the request is not retried.

use std::net::TcpListener;

use super::{EVENTS, Test, error_code, forwarded, forwarded_http2, request, start, test};
use crate::{
    adapter::{Adapter, Feature},
    http2,
    raw_connection::RawConnection,
    tls::{self, Authority},
    upstream::Upstream,
};

pub(super) const TESTS: &[Test] = &[
    test("chunked_body_then_close", &[Feature::StreamingResponse], chunked),
    test("chunked_error_then_close", &[Feature::StreamingResponse], error),
    test("chunked_body_then_reset", &[Feature::StreamingResponse], chunked_reset),
    test("body_shorter_than_content_length", &[Feature::StreamingResponse], short),
    test("chunked_body_to_http2_client", &[Feature::Http2], to_http2),
    test("tls_stream_without_close_notify", &[Feature::StreamingResponse, Feature::PrivateAuthority], tls_without_end),
    test("http2_upstream_stream_reset", &[Feature::StreamingResponse, Feature::PrivateAuthority], from_http2),
    test("upstream_closes_before_the_head", &[], before_the_head),
    test("upstream_closes_within_the_head", &[], within_the_head),
    test("upstream_is_not_http", &[], no_http),
    test("upstream_refuses_the_connection", &[], connection_refused),
];

fn chunked(adapter: &dyn Adapter) {
    let (_proxy, mut client, mut upstream_conn, _) = forwarded(adapter, &request("GET", "/v1/responses", ""));
    upstream_conn.send(EVENTS);
    upstream_conn.send_chunk("data: 1\n\n");
    client.until("data: 1\n\n");
    drop(upstream_conn);
    assert!(!client.rest().0.ends_with(b"0\r\n\r\n"), "a truncated body must not look complete");
}

/// Its start is read before the client gets it.
fn error(adapter: &dyn Adapter) {
    let (_proxy, mut client, mut upstream_conn, _) = forwarded(adapter, &request("GET", "/v1/responses", ""));
    upstream_conn.send("HTTP/1.1 429 Too Many Requests\r\ntransfer-encoding: chunked\r\n\r\n");
    upstream_conn.send_chunk("slow");
    drop(upstream_conn);
    let head = client.head();
    assert!((head.status(), head.content_length()) == (429, None) || head.status() == 502);
    assert!(
        !client.rest().0.ends_with(b"0\r\n\r\n") || head.status() == 502,
        "a truncated body must not look complete"
    );
}

fn chunked_reset(adapter: &dyn Adapter) {
    let (_proxy, mut client, mut upstream_conn, _) = forwarded(adapter, &request("GET", "/v1/responses", ""));
    upstream_conn.send(EVENTS);
    upstream_conn.send_chunk("data: 1\n\n");
    client.until("data: 1\n\n");
    upstream_conn.reset();
    assert!(!client.rest().0.ends_with(b"0\r\n\r\n"), "a truncated body must not look complete");
}

fn short(adapter: &dyn Adapter) {
    let (_proxy, mut client, mut upstream_conn, _) = forwarded(adapter, &request("GET", "/v1/files/1/content", ""));
    upstream_conn.send("HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\nhalf");
    let head = client.head();
    drop(upstream_conn);
    let (body, _) = client.rest();
    assert!(head.content_length() == Some(10) && body.len() < 10 || head.is_chunked() && !body.ends_with(b"0\r\n\r\n"));
}

fn to_http2(adapter: &dyn Adapter) {
    let (_proxy, client, pending, mut upstream_conn, _) = forwarded_http2(adapter);
    upstream_conn.send(EVENTS);
    upstream_conn.send_chunk("data: 1\n\n");
    let (_, mut body) = pending.response();
    assert!(body.next_data().unwrap().is_ok());
    drop(upstream_conn);
    assert!(body.next_data().expect("an error, not the end").is_err());
    assert!(!client.is_closed(), "a truncated stream does not close its connection");
}

fn tls_without_end(adapter: &dyn Adapter) {
    let authority = Authority::new();
    let listener = TcpListener::bind(("127.0.0.1", 0)).unwrap();
    let address = listener.local_addr().unwrap();
    let proxy = super::start_tls(adapter, &authority, address, &[]);
    let mut client = RawConnection::connect(proxy.address());
    client.send(request("GET", "/v1/responses", ""));
    let socket = listener.accept().unwrap().0;
    let raw = socket.try_clone().unwrap();
    let mut upstream_conn = tls::accept(socket, &authority.server("localhost", &["http/1.1"])).unwrap();
    upstream_conn.head();
    // Without length and chunks the end of the connection ends the body, and only `close_notify` makes it complete.
    upstream_conn.send("HTTP/1.1 200 OK\r\n\r\nhalf");
    client.until("half");
    raw.shutdown(std::net::Shutdown::Both).unwrap();
    assert!(!client.rest().0.ends_with(b"0\r\n\r\n"), "a truncated body must not look complete");
}

fn from_http2(adapter: &dyn Adapter) {
    let authority = Authority::new();
    let upstream = http2::Upstream::start(&authority.server("localhost", &["h2"]));
    let proxy = super::start_tls(adapter, &authority, upstream.address(), &[]);
    let mut client = RawConnection::connect(proxy.address());
    client.send(request("GET", "/v1/responses", ""));
    let (sender, _body) = upstream.accept().respond(http::Response::builder());
    sender.send("data: 1\n\n");
    client.until("data: 1\n\n");
    sender.reset();
    assert!(!client.rest().0.ends_with(b"0\r\n\r\n"), "a truncated body must not look complete");
}

/// The upstream sends these bytes instead of a response and closes; the client must receive a 502.
fn assert_unreachable(adapter: &dyn Adapter, instead: &str) {
    let upstream = Upstream::start();
    let proxy = start(adapter, upstream.address(), &[]);
    let mut client = RawConnection::connect(proxy.address());
    client.send(request("POST", "/v1/responses", "content-length: 2\r\norigin: https://a.example\r\n") + "{}");
    let mut upstream_conn = upstream.accept();
    let head = upstream_conn.head();
    upstream_conn.body(&head);
    upstream_conn.send(instead);
    drop(upstream_conn);
    let head = client.head();
    assert_eq!(head.status(), 502);
    assert_eq!(head.header("access-control-allow-origin"), Some("*"));
    assert_eq!(error_code(&client.body(&head)), "upstream_failed");
    assert_eq!(head.header("x-should-retry"), Some("false"));
    assert!(upstream.is_untouched(), "a sent request is not retried");
}

fn before_the_head(adapter: &dyn Adapter) {
    assert_unreachable(adapter, "");
}

fn within_the_head(adapter: &dyn Adapter) {
    assert_unreachable(adapter, "HTTP/1.1 200 OK\r\ncontent-le");
}

fn no_http(adapter: &dyn Adapter) {
    assert_unreachable(adapter, "220 mail.example ESMTP\r\n\r\n");
}

fn connection_refused(adapter: &dyn Adapter) {
    let closed_port = TcpListener::bind(("127.0.0.1", 0)).unwrap().local_addr().unwrap();
    let proxy = start(adapter, closed_port, &[]);
    let mut client = RawConnection::connect(proxy.address());
    client.send(request("GET", "/v1/models", ""));
    let head = client.head();
    assert_eq!(head.status(), 502);
    let sent_nothing = adapter.supports(Feature::ConnectErrors);
    assert_eq!(head.header("x-should-retry"), if sent_nothing { None } else { Some("false") });
    let code = if sent_nothing { "upstream_unreachable" } else { "upstream_failed" };
    assert_eq!(error_code(&client.body(&head)), code);
}
