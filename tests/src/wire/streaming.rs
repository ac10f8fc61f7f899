//! Pieces leave the moment they arrive, both ways, and no faster than they are taken.

use std::io::ErrorKind;

use super::{EVENTS, Test, ask, get, post, request, start, test, upload, upload_begun};
use crate::{
    adapter::{Adapter, Feature},
    http2,
    peer::Peer,
    tls::Authority,
    upstream::Upstream,
};

pub(super) const TESTS: &[Test] = &[
    test("the_first_event_passes_while_the_second_is_held_back", &[Feature::StreamingAnswer], first_event),
    test("the_first_event_passes_to_http2", &[Feature::Http2], first_event_to_http2),
    test(
        "the_first_event_passes_from_http2",
        &[Feature::StreamingAnswer, Feature::PrivateAuthority],
        first_event_from_http2,
    ),
    test("the_first_event_passes_from_http2_to_http2", &[Feature::Http2, Feature::PrivateAuthority], http2_throughout),
    test("an_upload_passes_while_it_is_being_sent", &[Feature::StreamingUpload], upload_passes),
    test("an_upload_passes_from_http2", &[Feature::Http2, Feature::StreamingUpload], upload_from_http2),
    test("an_upload_passes_to_http2", &[Feature::StreamingUpload, Feature::PrivateAuthority], upload_to_http2),
    test("trailers_of_an_answer_are_dropped", &[Feature::StreamingAnswer], answer_trailers),
    test("trailers_of_a_request_are_dropped", &[], request_trailers),
    test("a_client_that_reads_nothing_holds_the_upstream_back", &[Feature::Backpressure], slow_client),
    test("an_upstream_that_reads_nothing_holds_the_client_back", &[Feature::StreamingUpload], slow_upstream),
];

fn first_event(adapter: &dyn Adapter) {
    let (_proxy, mut client, mut serving, head) =
        ask(adapter, &(request("POST", "/v1/responses", "content-length: 2\r\n") + "{}"));
    assert_eq!(serving.body(&head), b"{}");

    serving.send(EVENTS);
    serving.send_chunk("data: 1\n\n");
    client.until("data: 1\n\n");
    serving.send_chunk("data: 2\n\n");
    client.until("data: 2\n\n");
    serving.send("0\r\n\r\n");
    client.until("0\r\n\r\n");
}

fn first_event_to_http2(adapter: &dyn Adapter) {
    let upstream = Upstream::start();
    let proxy = start(adapter, upstream.address(), &[]);
    let waiting = http2::Client::connect(proxy.address()).send(get("/v1/responses"));
    let mut serving = upstream.accept();
    let head = serving.head();
    assert_eq!(head.word(1), "/v1/responses");
    assert_eq!(head.header("host"), Some(upstream.address().to_string().as_str()));

    serving.send(EVENTS);
    serving.send_chunk("data: 1\n\n");
    let (_, mut body) = waiting.answer();
    assert_eq!(body.piece().unwrap().unwrap(), "data: 1\n\n");
    serving.send_chunk("data: 2\n\n");
    assert_eq!(body.piece().unwrap().unwrap(), "data: 2\n\n");
    serving.send("0\r\n\r\n");
    assert!(body.piece().is_none());
}

fn first_event_from_http2(adapter: &dyn Adapter) {
    let authority = Authority::new();
    let upstream = http2::Upstream::start(&authority.server("localhost", &["h2"]));
    let proxy = super::start_tls(adapter, &authority, upstream.address(), &[]);
    let mut client = Peer::connect(proxy.address());
    client.send(request("GET", "/v1/responses?a=b", ""));
    let exchange = upstream.accept();
    assert_eq!(exchange.head.uri.path_and_query().unwrap(), "/v1/responses?a=b");

    let (sender, _body) = exchange.answer(http::Response::builder());
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
    let waiting = http2::Client::connect(proxy.address()).send(get("/v1/responses"));
    let (sender, _body) = upstream.accept().answer(http::Response::builder());
    sender.send("data: 1\n\n");
    let (_, mut body) = waiting.answer();
    assert_eq!(body.piece().unwrap().unwrap(), "data: 1\n\n");
    sender.send("data: 2\n\n");
    assert_eq!(body.piece().unwrap().unwrap(), "data: 2\n\n");
    sender.trailers(http::HeaderMap::from_iter([(http::header::ETAG, http::HeaderValue::from_static("late"))]));
    drop(sender);
    assert!(body.piece().is_none());
}

fn upload_passes(adapter: &dyn Adapter) {
    let (_proxy, mut client, mut serving, head) = upload_begun(adapter);
    assert!(head.is_chunked());
    client.send_chunk("two");
    serving.until("two");
    client.send("0\r\n\r\n");
    serving.until("0\r\n\r\n");
    serving.send("HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok");
    client.until("\r\n\r\nok");
}

fn upload_from_http2(adapter: &dyn Adapter) {
    let upstream = Upstream::start();
    let proxy = start(adapter, upstream.address(), &[]);
    let (sender, body) = http2::pieces();
    let waiting = http2::Client::connect(proxy.address()).send(post("/v1/files", body));
    sender.send("one");
    let mut serving = upstream.accept();
    assert!(serving.head().is_chunked());
    serving.until("one");
    sender.send("two");
    serving.until("two");
    sender.trailers(http::HeaderMap::from_iter([(http::header::AUTHORIZATION, http::HeaderValue::from_static("x"))]));
    drop(sender);
    assert_eq!(serving.until("\r\n0\r\n\r\n"), b"\r\n0\r\n\r\n");
    serving.send("HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok");
    assert_eq!(waiting.answer().1.all(), b"ok");
}

fn upload_to_http2(adapter: &dyn Adapter) {
    let authority = Authority::new();
    let upstream = http2::Upstream::start(&authority.server("localhost", &["h2"]));
    let proxy = super::start_tls(adapter, &authority, upstream.address(), &[]);
    let mut client = Peer::connect(proxy.address());
    client.send(upload("trailer: x-late\r\n"));
    client.send_chunk("one");
    let mut exchange = upstream.accept();
    assert_eq!(exchange.body.piece().unwrap().unwrap(), "one");
    client.send_chunk("two");
    assert_eq!(exchange.body.piece().unwrap().unwrap(), "two");
    client.send("0\r\nx-late: yes\r\n\r\n");
    assert!(exchange.body.piece().is_none());
    exchange.answer(http::Response::builder());
    assert_eq!(client.head().status(), 200);
}

fn answer_trailers(adapter: &dyn Adapter) {
    let (_proxy, mut client, mut serving, _) = ask(adapter, &request("GET", "/v1/models", "te: trailers\r\n"));
    serving.send("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\ntrailer: x-late\r\n\r\n");
    serving.send("2\r\nok\r\n0\r\nx-late: yes\r\n\r\n");
    let head = client.head();
    assert_eq!(head.header("trailer"), None);
    assert_eq!(client.chunk(), b"ok");
    assert_eq!(client.until("\r\n\r\n"), b"0\r\n\r\n");
}

fn request_trailers(adapter: &dyn Adapter) {
    let upstream = Upstream::start();
    let proxy = start(adapter, upstream.address(), &[]);
    let mut client = Peer::connect(proxy.address());
    client.send(upload("trailer: authorization\r\n"));
    client.send("2\r\nok\r\n0\r\nauthorization: Bearer other\r\nx-late: yes\r\n\r\n");
    let mut serving = upstream.accept();
    let head = serving.head();
    assert_eq!(head.header("trailer"), None);
    let body = if head.is_chunked() { serving.until("0\r\n\r\n") } else { serving.body(&head) };
    let body = String::from_utf8_lossy(&body).to_lowercase();
    assert!(body.contains("ok") && !body.contains("x-late") && !body.contains("authorization"), "{body}");
    serving.send("HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n");
    assert_eq!(client.head().status(), 200);
}

/// More than all buffers between two sockets hold.
const FLOOD: usize = 256 << 20;

fn slow_client(adapter: &dyn Adapter) {
    let (_proxy, _client, mut serving, _) = ask(adapter, &request("GET", "/v1/files/1/content", ""));
    serving.send(format!("HTTP/1.1 200 OK\r\ncontent-length: {FLOOD}\r\n\r\n"));
    held_back(&mut serving);
}

fn slow_upstream(adapter: &dyn Adapter) {
    let (_proxy, mut client, _serving, _) =
        ask(adapter, &request("POST", "/v1/files", &format!("content-length: {FLOOD}\r\n")));
    held_back(&mut client);
}

/// Sends until nothing more is taken for a while, which must come long before all is sent.
fn held_back(sender: &mut Peer) {
    sender.socket().set_write_timeout(Some(std::time::Duration::from_secs(1))).unwrap();
    let piece = vec![b'x'; 1 << 20];
    for _ in 0..FLOOD / piece.len() {
        if let Err(error) = sender.try_send(&piece) {
            assert!([ErrorKind::WouldBlock, ErrorKind::TimedOut].contains(&error.kind()), "{error}");
            return;
        }
    }
    panic!("all of it was taken, though nobody reads");
}
