//! Timeouts of the upstream.

use super::{Test, forwarded, get, start};
use crate::{
    adapter::Running as _,
    http2,
    raw_connection::RawConnection,
    server::{RunningServer, Server},
    tls::Authority,
    upstream::Upstream,
    wire::{self, error_code},
};

pub(super) const TESTS: &[Test] = &[
    ("response_head_timeout_is_a_504", no_head),
    ("idle_body_is_cut", idle_body),
    ("idle_body_resets_the_http2_stream", idle_body_http2),
    ("active_stream_is_not_cut", active_stream),
    ("active_upload_is_not_cancelled", active_upload),
    ("stalled_upload_is_a_504", stalled_upload),
    ("response_head_timeout_resets_one_http2_upstream_stream", no_head_http2),
];

fn no_head() {
    let (_proxy, mut client, mut upstream_conn) = forwarded(&[("UPSTREAM_TIMEOUT", "0.5")], &get("/v1/models"));
    let head = client.head();
    assert_eq!(head.status(), 504);
    assert_eq!(error_code(&client.body(&head)), "upstream_timeout");
    assert!(upstream_conn.rest().0.is_empty(), "the upstream request is cancelled");
}

fn idle_body() {
    let (_proxy, mut client, mut upstream_conn) = forwarded(&[("UPSTREAM_IDLE_TIMEOUT", "0.5")], &get("/v1/responses"));
    upstream_conn.send("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n");
    upstream_conn.send_chunk("data: 1\n\n");
    client.until("data: 1\n\n");
    assert!(!client.rest().0.ends_with(b"0\r\n\r\n"), "a truncated body must not look complete");
    upstream_conn.rest();
}

fn idle_body_http2() {
    let upstream = Upstream::start();
    let proxy = start(upstream.address(), &[("UPSTREAM_IDLE_TIMEOUT", "0.5")]);
    let mut client = http2::Client::connect(proxy.address());
    let pending = client.send(wire::get("/v1/responses"));
    let mut upstream_conn = upstream.accept();
    upstream_conn.head();
    upstream_conn.send(wire::EVENTS);
    upstream_conn.send_chunk("data: 1\n\n");
    let (_, mut body) = pending.response();
    assert_eq!(body.next_data().unwrap().unwrap(), "data: 1\n\n");
    assert!(body.next_data().unwrap().is_err(), "a truncated body must not look complete");
    assert_eq!(client.request(wire::get("/healthz")).0.status, 200, "other streams of the connection continue");
    upstream_conn.rest();
}

/// A server whose timeout serves as a clock: one tick is a second, and seven ticks exceed the other server's timeouts.
struct Clock {
    server: RunningServer,
    _upstream: Upstream,
}

const TIMEOUTS_BELOW_SEVEN_TICKS: &[(&str, &str)] = &[("UPSTREAM_TIMEOUT", "5"), ("UPSTREAM_IDLE_TIMEOUT", "5")];

impl Clock {
    fn start() -> Self {
        let upstream = Upstream::start();
        Self { server: start(upstream.address(), &[("UPSTREAM_TIMEOUT", "1")]), _upstream: upstream }
    }

    fn tick(&self) {
        let mut client = RawConnection::connect(self.server.address());
        client.send(get("/v1/models"));
        assert_eq!(client.head().status(), 504);
    }
}

fn active_stream() {
    let (_proxy, mut client, mut upstream_conn) = forwarded(TIMEOUTS_BELOW_SEVEN_TICKS, &get("/v1/responses"));
    upstream_conn.send(wire::EVENTS);
    let clock = Clock::start();
    for _ in 0..7 {
        upstream_conn.send_chunk("data: 1\n\n");
        client.until("data: 1\n\n");
        clock.tick();
    }
    upstream_conn.send("0\r\n\r\n");
    client.until("0\r\n\r\n");
}

fn active_upload() {
    let (_proxy, mut client, mut upstream_conn) =
        forwarded(TIMEOUTS_BELOW_SEVEN_TICKS, &wire::request("POST", "/v1/files", "transfer-encoding: chunked\r\n"));
    let clock = Clock::start();
    for _ in 0..7 {
        client.send_chunk("piece");
        upstream_conn.until("piece");
        clock.tick();
    }
    client.send("0\r\n\r\n");
    upstream_conn.until("0\r\n\r\n");
    upstream_conn.send("HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok");
    assert_eq!(client.head().status(), 200);
}

fn stalled_upload() {
    let upstream = Upstream::start();
    let proxy = start(upstream.address(), &[("UPSTREAM_TIMEOUT", "0.5")]);
    let mut client = RawConnection::connect(proxy.address());
    client.send(wire::request("POST", "/v1/files", "transfer-encoding: chunked\r\n"));
    client.send_chunk("piece");
    let mut upstream_conn = upstream.accept();
    upstream_conn.head();
    upstream_conn.until("piece");
    let head = client.head();
    assert_eq!(head.status(), 504);
    assert_eq!(error_code(&client.body(&head)), "upstream_timeout");
    assert!(!upstream_conn.rest().0.ends_with(b"0\r\n\r\n"), "a partial upload must not look complete");
}

fn no_head_http2() {
    let authority = Authority::new();
    let upstream = http2::Upstream::start(&authority.server("localhost", &["h2"]));
    let proxy = wire::start_tls(&Server, &authority, upstream.address(), &[("UPSTREAM_TIMEOUT", "0.5")]);
    let mut client = RawConnection::connect(proxy.address());
    client.send(get("/v1/models"));
    let exchange = upstream.accept();
    let head = client.head();
    assert_eq!(head.status(), 504);
    assert_eq!(error_code(&client.body(&head)), "upstream_timeout");
    exchange.wait_cancelled();
    client.send(get("/v1/models"));
    let (sender, _) = upstream.accept().respond(http::Response::builder().header("content-length", "2"));
    sender.send("ok");
    client.until("\r\n\r\nok");
    assert_eq!(upstream.connections(), 1);
}
