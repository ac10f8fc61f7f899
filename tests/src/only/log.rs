//! The access log: one line per request, without keys.

use super::{Test, forwarded, get, start, websocket};
use crate::{
    adapter::Running as _,
    case_files::{API_KEY, KEY},
    raw_connection::RawConnection,
    server::RunningServer,
    upstream::RespondingUpstream,
    wire,
};

pub(super) const TESTS: &[Test] = &[
    ("one_line_per_request", line),
    ("rejection_is_logged_with_its_code", rejection),
    ("client_behind_a_trusted_proxy_is_logged", forwarded_for),
    ("key_in_the_path_is_hidden", key_in_path),
    ("key_within_a_path_segment_is_hidden", key_in_segment),
    ("key_in_a_rejected_path_is_hidden", key_in_rejected_path),
    ("json_lines_parse", json),
    ("off_prints_nothing", off),
    ("client_disconnect_is_logged", client_disconnect),
    ("truncated_response_is_logged", truncated),
    ("tunnel_is_logged_at_its_end", tunnel),
];

fn ok_upstream() -> RespondingUpstream {
    RespondingUpstream::start(|_| b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok".to_vec())
}

fn exchange(proxy: &RunningServer, head: &str) {
    let mut client = RawConnection::connect(proxy.address());
    client.send(head);
    let head = client.head();
    client.body(&head);
}

fn access_line(proxy: &RunningServer) -> String {
    proxy.process.wait_for(|line| line.contains("sparekey::access").then(|| line.to_owned()))
}

fn line() {
    let upstream = ok_upstream();
    let proxy = start(upstream.address(), &[("LOG", "info")]);
    exchange(&proxy, &get("/v1/models?private=query"));
    let line = access_line(&proxy);
    for part in ["user=\"Tom\"", "method=GET", "path=\"/v1/models\"", "status=200", "bytes=2", "head_ms=", "total_ms="]
    {
        assert!(line.contains(part), "{part} is missing in {line}");
    }
    let output = proxy.process.output();
    assert!(!output.contains("private"), "{output}");
    assert_eq!(output.lines().filter(|line| line.contains("sparekey::access")).count(), 1);
    let start = format!("listening on http://{}, upstream http://{}/v1", proxy.address(), upstream.address());
    assert!(output.contains(&start), "{output}");
}

fn rejection() {
    let proxy = start(ok_upstream().address(), &[]);
    exchange(&proxy, "GET /v1/models HTTP/1.1\r\nhost: x\r\nauthorization: Bearer sk-Tom-wrongwrong\r\n\r\n");
    let line = access_line(&proxy);
    for part in ["user=\"-\"", "status=401", "code=\"invalid_api_key\""] {
        assert!(line.contains(part), "{part} is missing in {line}");
    }
    assert!(!proxy.process.output().contains("wrongwrong"));
}

fn forwarded_for() {
    let request = "GET /v1/models HTTP/1.1\r\nhost: x\r\nx-forwarded-for: 6.6.6.6, 203.0.113.7\r\n\r\n";
    for (trusted, client) in [("127.0.0.1", "client=203.0.113.7"), ("10.0.0.1", "client=127.0.0.1")] {
        let proxy = start(ok_upstream().address(), &[("TRUSTED_PROXIES", trusted)]);
        exchange(&proxy, request);
        let line = access_line(&proxy);
        assert!(line.contains(client), "{client} is missing in {line}");
    }
}

/// [`Process`](crate::process::Process) searches the log for the keys.
fn key_in_path() {
    let proxy = start(ok_upstream().address(), &[]);
    let encoded = |key: &str| key.bytes().map(|byte| format!("%{byte:02x}")).collect::<Vec<_>>().concat();
    // A distinct method for each request, because lines of several threads have no order.
    for (method, part) in [
        ("GET", KEY.to_owned()),
        ("POST", API_KEY.to_owned()),
        ("PUT", encoded(KEY)),
        ("PATCH", encoded(API_KEY)),
        ("DELETE", format!("{API_KEY}{KEY}")),
        ("HEAD", "sk-proj-anotherowners".to_owned()),
    ] {
        let mut client = RawConnection::connect(proxy.address());
        client.send(wire::request(method, &format!("/v1/{part}/models"), ""));
        client.head();
        let line = proxy.process.wait_for(|line| line.contains(&format!("method={method} ")).then(|| line.to_owned()));
        assert!(line.contains("hidden"), "{line}");
    }
    let output = proxy.process.output();
    for part in [encoded(KEY), encoded(API_KEY), "anotherowners".to_owned()] {
        assert!(!output.contains(&part), "{output}");
    }
}

/// A key in the path of a rejected request.
fn key_in_rejected_path() {
    let proxy = start(ok_upstream().address(), &[]);
    exchange(&proxy, &format!("GET /v1/{API_KEY} HTTP/1.1\r\nhost: x\r\n\r\n"));
    let line = access_line(&proxy);
    assert!(line.contains("hidden") && line.contains("status=400"), "{line}");
}

/// A key within a longer path segment.
fn key_in_segment() {
    for around in [("", ""), ("x", ""), ("1", "x"), ("a-", "_b"), ("%78", "")] {
        let proxy = start(ok_upstream().address(), &[]);
        exchange(&proxy, &get(&format!("/v1/{}{KEY}{}/models", around.0, around.1)));
        assert!(access_line(&proxy).contains("hidden"), "{around:?}");
    }
}

fn json() {
    let proxy = start(ok_upstream().address(), &[("LOG_FORMAT", "json"), ("LOG", "debug")]);
    exchange(&proxy, &get("/v1/models"));
    let line = access_line(&proxy);
    let output = proxy.process.output();
    for line in output.lines() {
        assert!(serde_json::from_str::<serde_json::Value>(line).is_ok(), "{line}");
    }
    let line: serde_json::Value = serde_json::from_str(&line).unwrap();
    for (field, value) in [("user", "Tom"), ("method", "GET"), ("path", "/v1/models"), ("end", "complete")] {
        assert_eq!(line[field], value, "{line}");
    }
    assert!(line["status"] == 200 && line["bytes"] == 2 && line["head_ms"].is_u64() && line["total_ms"].is_u64());
}

fn off() {
    let upstream = ok_upstream();
    // The start line is off, too, so another server provides a free port.
    let port = start(upstream.address(), &[]).address();
    let settings = wire::settings(&format!("http://{}", upstream.address()), &[("LOG", "off")]);
    let proxy = RunningServer::start_at(&settings, port);
    exchange(&proxy, &get("/v1/models"));
    assert_eq!(proxy.process.output(), "");
}

fn client_disconnect() {
    let (proxy, client, mut upstream_conn) = forwarded(&[], &get("/v1/models"));
    drop(client);
    upstream_conn.rest();
    let line = access_line(&proxy);
    assert!(line.contains("end=\"client left\"") && line.contains("user=\"Tom\""), "{line}");
}

fn truncated() {
    let (proxy, mut client, mut upstream_conn) = forwarded(&[], &get("/v1/responses"));
    upstream_conn.send("HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\nhalf");
    client.until("half");
    drop(upstream_conn);
    let line = access_line(&proxy);
    for part in ["status=200", "bytes=4", "end=\"cut\""] {
        assert!(line.contains(part), "{part} is missing in {line}");
    }
}

fn tunnel() {
    let (proxy, mut client, mut upstream_conn) = websocket(&[], "/v1/realtime?private=query");
    client.send("up");
    upstream_conn.until("up");
    upstream_conn.send("down");
    client.until("down");
    assert!(!proxy.process.output().contains("sparekey::access"), "the tunnel is still open");
    drop(client);
    upstream_conn.rest();
    drop(upstream_conn);
    let line = access_line(&proxy);
    for part in ["user=\"Tom\"", "path=\"/v1/realtime\"", "status=101", "bytes=6", "end=\"complete\""] {
        assert!(line.contains(part), "{part} is missing in {line}");
    }
}
