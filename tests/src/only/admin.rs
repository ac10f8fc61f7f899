//! The admin listener: metrics, liveness, readiness.

use std::{
    env, fs,
    net::{SocketAddr, TcpStream},
    path::Path,
    process::{self, Command},
    time::Instant,
};

use super::{Test, drain::drain, forwarded, get, start};
use crate::{
    adapter::Running as _,
    case_files::{API_KEY, KEY},
    clients::succeed,
    http2,
    programs::ProgramTest,
    raw_connection::{RawConnection, STEP_TIMEOUT},
    server::RunningServer,
    tls::Authority,
    upstream::{RespondingUpstream, Upstream},
    wire,
};

pub(super) const TESTS: &[Test] = &[
    ("requests_bytes_and_rejections_are_counted", counted),
    ("open_stream_is_counted_as_open", open),
    ("client_disconnect_is_counted", client_disconnect),
    ("readyz_is_503_while_draining", readiness),
    ("off_by_default", off),
    ("format_is_the_one_that_the_client_accepts", formats),
];

pub(super) const PROGRAM_TESTS: &[ProgramTest] = &[("promtool_accepts_the_metrics", "promtool", promtool)];

/// Starts the admin listener.
pub(super) const METRICS: (&str, &str) = ("METRICS_LISTEN", "127.0.0.1:0");
const OK: &str = "HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nhello";

/// The address of the admin listener.
pub(super) fn address(proxy: &RunningServer) -> SocketAddr {
    proxy.process.wait_for(listening_on)
}

/// The address in the log line of the start.
pub(super) fn listening_on(line: &str) -> Option<SocketAddr> {
    let (_, rest) = line.split_once("metrics on http://")?;
    rest.strip_suffix("/metrics")?.parse().ok()
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
        "sparekey_rejections_total{user=\"\",code=\"invalid_api_key\"} 1",
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

fn formats() {
    let upstream = Upstream::start();
    let proxy = start(upstream.address(), &[METRICS]);
    for (accept, content_type, is_open_metrics) in [
        // As Prometheus sends it.
        (
            "application/openmetrics-text;version=1.0.0,text/plain;version=0.0.4;q=0.3",
            "application/openmetrics-text",
            true,
        ),
        ("*/*", "text/plain", false),
    ] {
        let mut connection = RawConnection::connect(address(&proxy));
        connection.send(format!("GET /metrics HTTP/1.1\r\nhost: x\r\naccept: {accept}\r\n\r\n"));
        let head = connection.head();
        assert!(head.header("content-type").is_some_and(|value| value.starts_with(content_type)));
        let text = String::from_utf8(connection.body(&head)).expect("UTF-8 text");
        assert_eq!(text.ends_with("# EOF\n"), is_open_metrics, "{text}");
        assert_eq!(text.contains("# TYPE sparekey_received_bytes counter\n"), is_open_metrics, "{text}");
    }
}

/// All metrics, each with a value.
fn promtool(promtool: &Path) {
    let authority = Authority::new();
    let (cert, key) = authority.files("localhost");
    let upstream = RespondingUpstream::start(|_| OK.into());
    let proxy = start(upstream.address(), &[METRICS, ("TLS_CERT", &cert), ("TLS_KEY", &key)]);
    let mut client = http2::Client::connect_tls(proxy.address(), &authority.client(&["h2"]));
    assert_eq!(client.request(wire::get("/v1/models")).1.all(), b"hello");
    let text = wait_for(address(&proxy), "sparekey_requests_total{user=\"Tom\",class=\"2xx\"} 1");
    assert!(text.contains("\nsparekey_certificate_expiry_timestamp_seconds "), "{text}");
    let file = env::temp_dir().join(format!("sparekey-metrics-{}", process::id()));
    fs::write(&file, text).expect("write a file");
    let input = fs::File::open(&file).expect("open the file");
    fs::remove_file(&file).expect("remove the file");
    let checked = succeed(Command::new(promtool).args(["check", "metrics"]).stdin(input));
    checked.unwrap_or_else(|error| panic!("{}", error.message().unwrap_or_default()));
}
