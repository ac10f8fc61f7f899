//! The admin listener: metrics, liveness, readiness.

use std::{
    net::{SocketAddr, TcpStream},
    time::Instant,
};

use super::{Test, drain::drain, forwarded, get, start};
use crate::{
    adapter::Running as _,
    case_files::{API_KEY, KEY},
    raw_connection::{RawConnection, STEP_TIMEOUT},
    server::RunningServer,
    upstream::{RespondingUpstream, Upstream},
    wire,
};

pub(super) const TESTS: &[Test] = &[
    ("requests_bytes_and_rejections_are_counted", counted),
    ("open_stream_is_counted_as_open", open),
    ("client_disconnect_is_counted", client_disconnect),
    ("readyz_is_503_while_draining", readiness),
    ("off_by_default", off),
];

const METRICS: (&str, &str) = ("METRICS_LISTEN", "127.0.0.1:0");
const OK: &str = "HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nhello";

/// The address of the admin listener.
pub(super) fn address(proxy: &RunningServer) -> SocketAddr {
    proxy.process.wait_for(|line| {
        let (_, rest) = line.split_once("metrics on http://")?;
        rest.strip_suffix("/metrics")?.parse().ok()
    })
}

fn fetch(at: SocketAddr, path: &str) -> (u16, String) {
    let mut connection = RawConnection::connect(at);
    connection.send(format!("GET {path} HTTP/1.1\r\nhost: x\r\n\r\n"));
    let head = connection.head();
    let body = connection.body(&head);
    (head.status(), String::from_utf8(body).expect("UTF-8 text"))
}

/// Waits until the metrics contain this line: the server may finish a request after its client.
pub(super) fn wait_for(at: SocketAddr, line: &str) -> String {
    let start_time = Instant::now();
    loop {
        let (status, text) = fetch(at, "/metrics");
        assert_eq!(status, 200);
        assert!(text.ends_with("# EOF\n"), "{text}");
        if text.lines().any(|found| found == line) {
            return text;
        }
        assert!(start_time.elapsed() < STEP_TIMEOUT, "{line} does not appear\n{text}");
    }
}

fn counted() {
    let upstream = RespondingUpstream::start(|_| OK.into());
    let proxy = start(upstream.address(), &[METRICS]);
    let at = address(&proxy);
    let mut client = RawConnection::connect(proxy.address());
    client.send(wire::request("POST", "/v1/responses", "content-length: 3\r\n") + "abc");
    client.send(get("/v1/models"));
    client.send("GET /v1/models HTTP/1.1\r\nhost: x\r\nauthorization: Bearer sk-Tom-wrong-wrong-wrong\r\n\r\n");
    for status in [200, 200, 401] {
        let head = client.head();
        client.body(&head);
        assert_eq!(head.status(), status);
    }
    let text = wait_for(at, "sparekey_requests_total{user=\"\",class=\"4xx\"} 1");
    for line in [
        "sparekey_requests_total{user=\"Tom\",class=\"2xx\"} 2",
        "sparekey_sent_bytes_total{user=\"Tom\"} 10",
        "sparekey_received_bytes_total 3",
        "sparekey_rejections_total{code=\"invalid_api_key\"} 1",
        "sparekey_upstream_head_seconds_count 2",
        "sparekey_requests_open 0",
    ] {
        assert!(text.lines().any(|found| found == line), "{line}\n{text}");
    }
    assert!(![KEY, API_KEY, "wrong"].iter().any(|secret| text.contains(secret)), "{text}");
}

fn open() {
    let (proxy, mut client, mut upstream_conn) = forwarded(&[METRICS], &get("/v1/responses"));
    wait_for(address(&proxy), "sparekey_requests_open 1");
    upstream_conn.send(OK);
    client.until("hello");
    wait_for(address(&proxy), "sparekey_requests_open 0");
}

fn client_disconnect() {
    let (proxy, client, _upstream_conn) = forwarded(&[METRICS], &get("/v1/responses"));
    drop(client);
    wait_for(address(&proxy), "sparekey_requests_total{user=\"Tom\",class=\"none\"} 1");
}

fn readiness() {
    let upstream = Upstream::start();
    let mut proxy = start(upstream.address(), &[METRICS]);
    let at = address(&proxy);
    assert_eq!(fetch(at, "/readyz"), (200, "ready\n".to_owned()));
    let mut client = RawConnection::connect(proxy.address());
    client.send(get("/v1/responses"));
    let mut upstream_conn = upstream.accept();
    upstream_conn.head();
    drain(&proxy, "TERM");
    assert_eq!(fetch(at, "/readyz"), (503, "draining\n".to_owned()));
    assert_eq!(fetch(at, "/healthz"), (200, "ok\n".to_owned()));
    assert_eq!(fetch(at, "/v1/models").0, 404);
    upstream_conn.send(OK);
    client.until("hello");
    assert_eq!(proxy.process.wait().0.code(), Some(0));
    assert!(TcpStream::connect(at).is_err());
}

fn off() {
    let upstream = RespondingUpstream::start(|_| OK.into());
    let proxy = start(upstream.address(), &[]);
    let mut client = RawConnection::connect(proxy.address());
    for path in ["/metrics", "/readyz"] {
        client.send(format!("GET {path} HTTP/1.1\r\nhost: x\r\n\r\n"));
        let head = client.head();
        client.body(&head);
        assert_eq!(head.status(), 401, "{path} is an ordinary path");
    }
    assert!(!proxy.process.output().contains("metrics on"));
}
