//! One line a request, and never a key.

use super::{Test, get, start};
use crate::{
    adapter::Running as _,
    case_files::{API_KEY, KEY},
    raw_connection::RawConnection,
    server::RunningServer,
    upstream::{RespondingUpstream, Upstream},
    wire,
};

pub(super) const TESTS: &[Test] = &[
    ("a_line_a_request", line),
    ("a_rejection_is_told_by_its_code", rejection),
    ("a_key_in_the_path_is_hidden", key_in_path),
    ("a_key_within_a_word_of_the_path_is_hidden", key_in_word),
    ("a_key_in_a_refused_path_is_hidden", key_in_refused_path),
    ("json_lines_parse", json),
    ("off_is_silent", off),
    ("a_client_that_left_is_told", left),
    ("an_answer_that_was_cut_is_told", cut),
    ("a_tunnel_is_a_line_at_its_end", tunnel),
];

fn answering() -> RespondingUpstream {
    RespondingUpstream::start(|_| b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok".to_vec())
}

fn ask(proxy: &RunningServer, head: &str) {
    let mut client = RawConnection::connect(proxy.address());
    client.send(head);
    let head = client.head();
    client.body(&head);
}

fn access_line(proxy: &RunningServer) -> String {
    proxy.process.wait_for(|line| line.contains("sparekey::access").then(|| line.to_owned()))
}

fn line() {
    let upstream = answering();
    let proxy = start(upstream.address(), &[("LOG", "info")]);
    ask(&proxy, &get("/v1/models?private=query"));
    let line = access_line(&proxy);
    for part in ["user=\"Tom\"", "method=GET", "path=\"/v1/models\"", "status=200", "bytes=2", "head_ms=", "total_ms="]
    {
        assert!(line.contains(part), "{part} stands in {line}");
    }
    let output = proxy.process.output();
    assert!(!output.contains("private"), "{output}");
    assert_eq!(output.lines().filter(|line| line.contains("sparekey::access")).count(), 1);
    let start = format!("listening on http://{}, upstream http://{}/v1", proxy.address(), upstream.address());
    assert!(output.contains(&start), "{output}");
}

fn rejection() {
    let proxy = start(answering().address(), &[]);
    ask(&proxy, "GET /v1/models HTTP/1.1\r\nhost: x\r\nauthorization: Bearer sk-Tom-wrongwrong\r\n\r\n");
    let line = access_line(&proxy);
    for part in ["user=\"-\"", "status=401", "code=\"invalid_api_key\""] {
        assert!(line.contains(part), "{part} stands in {line}");
    }
    assert!(!proxy.process.output().contains("wrongwrong"));
}

/// The log is searched for the keys when the server ends.
fn key_in_path() {
    let proxy = start(answering().address(), &[]);
    let encoded = |key: &str| key.bytes().map(|byte| format!("%{byte:02x}")).collect::<Vec<_>>().concat();
    // Each has a method of its own: lines of several threads have no order.
    for (method, part) in [
        ("GET", KEY.to_owned()),
        ("POST", API_KEY.to_owned()),
        ("PUT", encoded(KEY)),
        ("PATCH", encoded(API_KEY)),
        ("DELETE", format!("{API_KEY}{KEY}")),
        ("HEAD", "sk-proj-somebodyelses".to_owned()),
    ] {
        let mut client = RawConnection::connect(proxy.address());
        client.send(wire::request(method, &format!("/v1/{part}/models"), ""));
        client.head();
        let line = proxy.process.wait_for(|line| line.contains(&format!("method={method} ")).then(|| line.to_owned()));
        assert!(line.contains("hidden") && line.contains("user=\"Tom\""), "{line}");
    }
    let output = proxy.process.output();
    for part in [encoded(KEY), encoded(API_KEY), "somebodyelses".to_owned()] {
        assert!(!output.contains(&part), "{output}");
    }
}

/// So is it where the request is refused.
fn key_in_refused_path() {
    let proxy = start(answering().address(), &[]);
    ask(&proxy, &format!("GET /v1/{API_KEY} HTTP/1.1\r\nhost: x\r\n\r\n"));
    let line = access_line(&proxy);
    assert!(line.contains("hidden") && line.contains("status=401"), "{line}");
}

/// So is it within a longer word.
fn key_in_word() {
    for around in [("", ""), ("x", ""), ("1", "x"), ("a-", "_b"), ("%78", "")] {
        let proxy = start(answering().address(), &[]);
        ask(&proxy, &get(&format!("/v1/{}{KEY}{}/models", around.0, around.1)));
        assert!(access_line(&proxy).contains("hidden"), "{around:?}");
    }
}

fn json() {
    let proxy = start(answering().address(), &[("LOG_FORMAT", "json"), ("LOG", "debug")]);
    ask(&proxy, &get("/v1/models"));
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
    let upstream = answering();
    // The start line is off, too: another server's line tells a free port.
    let port = start(upstream.address(), &[]).address();
    let settings = wire::settings(&format!("http://{}", upstream.address()), &[("LOG", "off")]);
    let proxy = RunningServer::start_at(&settings, port);
    ask(&proxy, &get("/v1/models"));
    assert_eq!(proxy.process.output(), "");
}

fn left() {
    let upstream = Upstream::start();
    let proxy = start(upstream.address(), &[]);
    let mut client = RawConnection::connect(proxy.address());
    client.send(get("/v1/models"));
    let mut upstream_conn = upstream.accept();
    upstream_conn.head();
    drop(client);
    upstream_conn.rest();
    let line = access_line(&proxy);
    assert!(line.contains("end=\"client left\"") && line.contains("user=\"Tom\""), "{line}");
}

fn cut() {
    let upstream = Upstream::start();
    let proxy = start(upstream.address(), &[]);
    let mut client = RawConnection::connect(proxy.address());
    client.send(get("/v1/responses"));
    let mut upstream_conn = upstream.accept();
    upstream_conn.head();
    upstream_conn.send("HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\nhalf");
    client.until("half");
    drop(upstream_conn);
    let line = access_line(&proxy);
    for part in ["status=200", "bytes=4", "end=\"cut\""] {
        assert!(line.contains(part), "{part} stands in {line}");
    }
}

fn tunnel() {
    let upstream = Upstream::start();
    let proxy = start(upstream.address(), &[]);
    let mut client = RawConnection::connect(proxy.address());
    let opening = "connection: upgrade\r\nupgrade: websocket\r\nsec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\r\n";
    client.send(wire::request("GET", "/v1/realtime?private=query", opening));
    let mut upstream_conn = upstream.accept();
    upstream_conn.head();
    upstream_conn.send("HTTP/1.1 101 Switching Protocols\r\nconnection: upgrade\r\nupgrade: websocket\r\n\r\n");
    client.head();
    client.send("up");
    upstream_conn.until("up");
    upstream_conn.send("down");
    client.until("down");
    assert!(!proxy.process.output().contains("sparekey::access"), "it is not over yet");
    drop(client);
    upstream_conn.rest();
    drop(upstream_conn);
    let line = access_line(&proxy);
    for part in ["user=\"Tom\"", "path=\"/v1/realtime\"", "status=101", "bytes=6", "end=\"complete\""] {
        assert!(line.contains(part), "{part} stands in {line}");
    }
}
