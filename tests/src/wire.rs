//! Tests that need sockets, one file per topic; every adapter passes those whose features it supports.

mod cancel;
mod owner_quota;
mod reuse;
mod streaming;
mod truncation;
mod upload;
mod websocket;

use std::{net::SocketAddr, sync::Arc};

use http::Request;
use libtest_mimic::Trial;

use crate::{
    adapter::{Adapter, Feature, Running, Settings},
    case_files::{API_KEY, KEY},
    http2::{self, StreamedBody},
    raw_connection::{Head, RawConnection},
    tls::Authority,
    upstream::Upstream,
};

const TOPICS: [(&str, &[Test]); 7] = [
    ("cancel", cancel::TESTS),
    ("owner_quota", owner_quota::TESTS),
    ("truncation", truncation::TESTS),
    ("reuse", reuse::TESTS),
    ("streaming", streaming::TESTS),
    ("upload", upload::TESTS),
    ("websocket", websocket::TESTS),
];

/// The response head of an event stream.
pub(crate) const EVENTS: &str =
    "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n";

/// A test of an adapter: its name, the features it needs, and its code. It fails by a panic.
pub struct Test {
    name: &'static str,
    needs: &'static [Feature],
    run: fn(&dyn Adapter),
}

const fn test(name: &'static str, needs: &'static [Feature], run: fn(&dyn Adapter)) -> Test {
    Test { name, needs, run }
}

/// One trial per test that the adapter supports.
#[must_use]
pub fn trials(adapter: &Arc<dyn Adapter>) -> Vec<Trial> {
    let tests = TOPICS.into_iter().flat_map(|(topic, tests)| tests.iter().map(move |test| (topic, test)));
    let supported = tests.filter(|(_, test)| test.needs.iter().all(|feature| adapter.supports(*feature)));
    let trial = |(topic, test): (&str, &'static Test)| {
        let adapter = Arc::clone(adapter);
        Trial::test(format!("{}::{topic}::{}", adapter.name(), test.name), move || {
            (test.run)(&*adapter);
            Ok(())
        })
    };
    supported.map(trial).collect()
}

/// Starts the proxy with Tom's key in front of this upstream; `more` settings are added.
pub(crate) fn start(adapter: &dyn Adapter, upstream: SocketAddr, more: &[(&str, &str)]) -> Box<dyn Running> {
    adapter.start(&settings(&format!("http://{upstream}"), more))
}

/// Sends a request and waits for its head at the upstream: the proxy, both connections, and the upstream request head.
fn forwarded(adapter: &dyn Adapter, request: &str) -> (Box<dyn Running>, RawConnection, RawConnection, Head) {
    let upstream = Upstream::start();
    let proxy = start(adapter, upstream.address(), &[]);
    let mut client = RawConnection::connect(proxy.address());
    client.send(request);
    let mut upstream_conn = upstream.accept();
    let head = upstream_conn.head();
    (proxy, client, upstream_conn, head)
}

/// An upload whose first chunk has reached the upstream.
fn upload_in_progress(adapter: &dyn Adapter) -> (Box<dyn Running>, RawConnection, RawConnection, Head) {
    let (proxy, client, mut upstream_conn, head) = forwarded(adapter, &(upload("") + "3\r\none\r\n"));
    upstream_conn.until("one");
    (proxy, client, upstream_conn, head)
}

/// [`forwarded`] for a client over HTTP/2.
fn forwarded_http2(
    adapter: &dyn Adapter,
) -> (Box<dyn Running>, http2::Client, http2::PendingResponse, RawConnection, Head) {
    let upstream = Upstream::start();
    let proxy = start(adapter, upstream.address(), &[]);
    let mut client = http2::Client::connect(proxy.address());
    let pending = client.send(get("/v1/responses"));
    let mut upstream_conn = upstream.accept();
    let head = upstream_conn.head();
    (proxy, client, pending, upstream_conn, head)
}

/// Starts the proxy with Tom's key in front of an upstream on `localhost` with a certificate of this authority.
pub(crate) fn start_tls(
    adapter: &dyn Adapter,
    authority: &Authority,
    upstream: SocketAddr,
    more: &[(&str, &str)],
) -> Box<dyn Running> {
    let file = authority.file();
    let more = [&[("SSL_CERT_FILE", file.as_str())], more].concat();
    adapter.start(&settings(&format!("https://localhost:{}", upstream.port()), &more))
}

pub(crate) fn settings(api_base: &str, more: &[(&str, &str)]) -> Settings {
    let shared = [("ACCESS_KEYS", KEY), ("OPENAI_API_KEY", API_KEY), ("API_BASE", api_base), ("ROUTES", "all")];
    shared.iter().chain(more).map(|&(name, value)| (name.to_owned(), value.to_owned())).collect()
}

/// A request head with Tom's key; each of the `more` header lines ends with CRLF.
pub(crate) fn request(method: &str, target: &str, more: &str) -> String {
    format!("{method} {target} HTTP/1.1\r\nhost: proxy\r\nauthorization: Bearer {KEY}\r\n{more}\r\n")
}

/// The head of a chunked upload.
fn upload(more: &str) -> String {
    request("POST", "/v1/files", &format!("transfer-encoding: chunked\r\n{more}"))
}

/// A request over HTTP/2 with Tom's key.
pub(crate) fn get(target: &str) -> Request<StreamedBody> {
    let request = Request::get(format!("http://proxy{target}")).header("authorization", format!("Bearer {KEY}"));
    request.body(http2::empty()).expect("a valid request")
}

/// An upload over HTTP/2 with Tom's key.
fn post(target: &str, body: StreamedBody) -> Request<StreamedBody> {
    let request = Request::post(format!("http://proxy{target}")).header("authorization", format!("Bearer {KEY}"));
    request.body(body).expect("a valid request")
}

/// Asserts that the proxy rejects the request with this status and code.
#[track_caller]
pub(crate) fn assert_rejected(client: &mut RawConnection, status: u16, code: &str) {
    let head = client.head();
    assert_eq!((head.status(), error_code(&client.body(&head)).as_str()), (status, code));
}

/// `error.code` of an error envelope.
pub(crate) fn error_code(body: &[u8]) -> String {
    let envelope: serde_json::Value = serde_json::from_slice(body).expect("an envelope is JSON");
    envelope["error"]["code"].as_str().expect("the envelope has a code").to_owned()
}
