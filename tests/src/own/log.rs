//! One line a request, and never a key.

use super::{Test, get, start};
use crate::{
    adapter::Running as _,
    peer::Peer,
    server::Serving,
    table::KEY,
    upstream::{Answering, Upstream},
};

pub(super) const TESTS: &[Test] = &[
    ("a_line_a_request", line),
    ("a_rejection_is_told_by_its_code", rejection),
    ("a_key_in_the_path_is_hidden", key_in_path),
    ("json_lines_parse", json),
    ("off_is_silent", off),
    ("a_client_that_left_is_told", left),
];

fn answering() -> Answering {
    Answering::start(|_| b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok".to_vec())
}

fn ask(proxy: &Serving, head: &str) {
    let mut client = Peer::connect(proxy.address());
    client.send(head);
    let head = client.head();
    client.body(&head);
}

fn access_line(proxy: &Serving) -> String {
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
    let said = proxy.process.said();
    assert!(!said.contains("private"), "{said}");
    assert_eq!(said.lines().filter(|line| line.contains("sparekey::access")).count(), 1);
    let start = format!("listening on http://{}, upstream http://{}/v1", proxy.address(), upstream.address());
    assert!(said.contains(&start), "{said}");
}

fn rejection() {
    let proxy = start(answering().address(), &[]);
    ask(&proxy, "GET /v1/models HTTP/1.1\r\nhost: x\r\nauthorization: Bearer sk-Tom-wrongwrong\r\n\r\n");
    let line = access_line(&proxy);
    for part in ["user=\"-\"", "status=401", "code=\"invalid_api_key\""] {
        assert!(line.contains(part), "{part} stands in {line}");
    }
    assert!(!proxy.process.said().contains("wrongwrong"));
}

/// The log is searched for the keys when the server ends.
fn key_in_path() {
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
    let said = proxy.process.said();
    for line in said.lines() {
        assert!(serde_json::from_str::<serde_json::Value>(line).is_ok(), "{line}");
    }
    let line: serde_json::Value = serde_json::from_str(&line).unwrap();
    assert_eq!((&line["user"], &line["status"], &line["path"]), (&"Tom".into(), &200.into(), &"/v1/models".into()));
}

fn off() {
    let upstream = answering();
    // The start line is off, too: another server's line tells a free port.
    let port = start(upstream.address(), &[]).address();
    let settings = crate::wire::settings(&format!("http://{}", upstream.address()), &[("LOG", "off")]);
    let proxy = Serving::start_at(&settings, port);
    ask(&proxy, &get("/v1/models"));
    assert_eq!(proxy.process.said(), "");
}

fn left() {
    let upstream = Upstream::start();
    let proxy = start(upstream.address(), &[]);
    let mut client = Peer::connect(proxy.address());
    client.send(get("/v1/models"));
    let mut serving = upstream.accept();
    serving.head();
    drop(client);
    serving.rest();
    let line = access_line(&proxy);
    assert!(line.contains("end=\"client left\"") && line.contains("user=\"Tom\""), "{line}");
}
