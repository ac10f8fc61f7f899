//! Bodies are forwarded piece by piece in both directions, with backpressure.

use std::io::ErrorKind;

use super::{EVENTS, Test, forwarded, get, post, request, start, test, upload, upload_in_progress};
use crate::{
    adapter::{Adapter, Feature},
    http2,
    raw_connection::RawConnection,
    tls::Authority,
    upstream::Upstream,
};

pub(super) const TESTS: &[Test] = &[
    test("first_event_passes_before_the_second_is_sent", &[Feature::StreamingResponse], first_event),
    test("first_event_passes_to_http2_client", &[Feature::Http2], first_event_to_http2),
    test(
        "first_event_passes_from_http2_upstream",
        &[Feature::StreamingResponse, Feature::PrivateAuthority],
        first_event_from_http2,
    ),
    test(
        "first_event_passes_from_http2_upstream_to_http2_client",
        &[Feature::Http2, Feature::PrivateAuthority],
        http2_throughout,
    ),
    test("upload_passes_while_it_is_sent", &[Feature::StreamingUpload], upload_passes),
    test("upload_passes_from_http2_client", &[Feature::Http2, Feature::StreamingUpload], upload_from_http2),
    test("upload_passes_to_http2_upstream", &[Feature::StreamingUpload, Feature::PrivateAuthority], upload_to_http2),
    test("response_trailers_are_dropped", &[Feature::StreamingResponse], response_trailers),
    test("request_trailers_are_dropped", &[], request_trailers),
    test("client_that_reads_nothing_stops_the_upstream", &[Feature::Backpressure], slow_client),
    test("upstream_that_reads_nothing_stops_the_client", &[Feature::StreamingUpload], slow_upstream),
];

fn first_event(adapter: &dyn Adapter) {
    let (_proxy, mut client, mut upstream_conn, head) =
        forwarded(adapter, &(request("POST", "/v1/responses", "content-length: 2\r\n") + "{}"));
    assert_eq!(upstream_conn.body(&head), b"{}");

    upstream_conn.send(EVENTS);
    upstream_conn.send_chunk("data: 1\n\n");
    client.until("data: 1\n\n");
    upstream_conn.send_chunk("data: 2\n\n");
    client.until("data: 2\n\n");
    upstream_conn.send("0\r\n\r\n");
    client.until("0\r\n\r\n");
}

fn first_event_to_http2(adapter: &dyn Adapter) {
    let upstream = Upstream::start();
    let proxy = start(adapter, upstream.address(), &[]);
    let pending = http2::Client::connect(proxy.address()).send(get("/v1/responses"));
    let mut upstream_conn = upstream.accept();
    let head = upstream_conn.head();
    assert_eq!(head.word(1), "/v1/responses");
    assert_eq!(head.header("host"), Some(upstream.address().to_string().as_str()));

    upstream_conn.send(EVENTS);
    upstream_conn.send_chunk("data: 1\n\n");
    let (_, mut body) = pending.response();
    assert_eq!(body.next_data().unwrap().unwrap(), "data: 1\n\n");
    upstream_conn.send_chunk("data: 2\n\n");
    assert_eq!(body.next_data().unwrap().unwrap(), "data: 2\n\n");
    upstream_conn.send("0\r\n\r\n");
    assert!(body.next_data().is_none());
}

fn first_event_from_http2(adapter: &dyn Adapter) {
    let authority = Authority::new();
    let upstream = http2::Upstream::start(&authority.server("localhost", &["h2"]));
    let proxy = super::start_tls(adapter, &authority, upstream.address(), &[]);
    let mut client = RawConnection::connect(proxy.address());
    client.send(request("GET", "/v1/responses?a=b", ""));
    let exchange = upstream.accept();
    assert_eq!(exchange.head.uri.path_and_query().unwrap(), "/v1/responses?a=b");

    let (sender, _body) = exchange.respond(http::Response::builder());
    sender.send("data: 1\n\n");
    client.until("data: 1\n\n");
    sender.send("data: 2\n\n");
    client.until("data: 2\n\n");
    drop(sender);
    client.until("0\r\n\r\n");
}

fn http2_throughout(adapter: &dyn Adapter) {
    let authority = Authority::new();
    let upstream = http2::Upstream::start(&authority.server("localhost", &["h2"]));
    let proxy = super::start_tls(adapter, &authority, upstream.address(), &[]);
    let pending = http2::Client::connect(proxy.address()).send(get("/v1/responses"));
    let (sender, _body) = upstream.accept().respond(http::Response::builder());
    sender.send("data: 1\n\n");
    let (_, mut body) = pending.response();
    assert_eq!(body.next_data().unwrap().unwrap(), "data: 1\n\n");
    sender.send("data: 2\n\n");
    assert_eq!(body.next_data().unwrap().unwrap(), "data: 2\n\n");
    sender.trailers(http::HeaderMap::from_iter([(http::header::ETAG, http::HeaderValue::from_static("late"))]));
    drop(sender);
    assert!(body.next_data().is_none());
}

fn upload_passes(adapter: &dyn Adapter) {
    let (_proxy, mut client, mut upstream_conn, head) = upload_in_progress(adapter);
    assert!(head.is_chunked());
    client.send_chunk("two");
    upstream_conn.until("two");
    client.send("0\r\n\r\n");
    upstream_conn.until("0\r\n\r\n");
    upstream_conn.send("HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok");
    client.until("\r\n\r\nok");
}

fn upload_from_http2(adapter: &dyn Adapter) {
    let upstream = Upstream::start();
    let proxy = start(adapter, upstream.address(), &[]);
    let (sender, body) = http2::streamed_body();
    let pending = http2::Client::connect(proxy.address()).send(post("/v1/files", body));
    sender.send("one");
    let mut upstream_conn = upstream.accept();
    assert!(upstream_conn.head().is_chunked());
    upstream_conn.until("one");
    sender.send("two");
    upstream_conn.until("two");
    sender.trailers(http::HeaderMap::from_iter([(http::header::AUTHORIZATION, http::HeaderValue::from_static("x"))]));
    drop(sender);
    assert_eq!(upstream_conn.until("\r\n0\r\n\r\n"), b"\r\n0\r\n\r\n");
    upstream_conn.send("HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok");
    assert_eq!(pending.response().1.all(), b"ok");
}

fn upload_to_http2(adapter: &dyn Adapter) {
    let authority = Authority::new();
    let upstream = http2::Upstream::start(&authority.server("localhost", &["h2"]));
    let proxy = super::start_tls(adapter, &authority, upstream.address(), &[]);
    let mut client = RawConnection::connect(proxy.address());
    client.send(upload("trailer: x-late\r\n"));
    client.send_chunk("one");
    let mut exchange = upstream.accept();
    assert_eq!(exchange.body.next_data().unwrap().unwrap(), "one");
    client.send_chunk("two");
    assert_eq!(exchange.body.next_data().unwrap().unwrap(), "two");
    client.send("0\r\nx-late: yes\r\n\r\n");
    assert!(exchange.body.next_data().is_none());
    exchange.respond(http::Response::builder());
    assert_eq!(client.head().status(), 200);
}

fn response_trailers(adapter: &dyn Adapter) {
    let (_proxy, mut client, mut upstream_conn, _) =
        forwarded(adapter, &request("GET", "/v1/models", "te: trailers\r\n"));
    upstream_conn.send("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\ntrailer: x-late\r\n\r\n");
    upstream_conn.send("2\r\nok\r\n0\r\nx-late: yes\r\n\r\n");
    let head = client.head();
    assert_eq!(head.header("trailer"), None);
    assert_eq!(client.chunk(), b"ok");
    assert_eq!(client.until("\r\n\r\n"), b"0\r\n\r\n");
}

fn request_trailers(adapter: &dyn Adapter) {
    let upstream = Upstream::start();
    let proxy = start(adapter, upstream.address(), &[]);
    let mut client = RawConnection::connect(proxy.address());
    client.send(upload("trailer: authorization\r\n"));
    client.send("2\r\nok\r\n0\r\nauthorization: Bearer other\r\nx-late: yes\r\n\r\n");
    let mut upstream_conn = upstream.accept();
    let head = upstream_conn.head();
    assert_eq!(head.header("trailer"), None);
    let body = if head.is_chunked() { upstream_conn.until("0\r\n\r\n") } else { upstream_conn.body(&head) };
    let body = String::from_utf8_lossy(&body).to_lowercase();
    assert!(body.contains("ok") && !body.contains("x-late") && !body.contains("authorization"), "{body}");
    upstream_conn.send("HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n");
    assert_eq!(client.head().status(), 200);
}

/// Bytes, more than all socket buffers on the way hold.
const FLOOD: usize = 256 << 20;

fn slow_client(adapter: &dyn Adapter) {
    let (_proxy, _client, mut upstream_conn, _) = forwarded(adapter, &request("GET", "/v1/files/1/content", ""));
    upstream_conn.send(format!("HTTP/1.1 200 OK\r\ncontent-length: {FLOOD}\r\n\r\n"));
    assert_backpressure(&mut upstream_conn);
}

fn slow_upstream(adapter: &dyn Adapter) {
    let (_proxy, mut client, _serving, _) =
        forwarded(adapter, &request("POST", "/v1/files", &format!("content-length: {FLOOD}\r\n")));
    assert_backpressure(&mut client);
}

/// Sends until no more bytes are accepted for a second, which must happen long before everything is sent.
fn assert_backpressure(sender: &mut RawConnection) {
    sender.socket().set_write_timeout(Some(std::time::Duration::from_secs(1))).unwrap();
    let piece = vec![b'x'; 1 << 20];
    for _ in 0..FLOOD / piece.len() {
        if let Err(error) = sender.try_send(&piece) {
            assert!([ErrorKind::WouldBlock, ErrorKind::TimedOut].contains(&error.kind()), "{error}");
            return;
        }
    }
    panic!("everything was accepted, though the receiver reads nothing");
}
