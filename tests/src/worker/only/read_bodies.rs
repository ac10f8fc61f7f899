//! Bodies that are read: those of requests whose models are limited, and lists of models.

use std::net::SocketAddr;

use super::{
    RunningWorker, read_response,
    users::{OK, TOM},
};
use crate::{
    adapter::Running as _,
    raw_connection::{RawConnection, wait_until},
    upstream::{RespondingUpstream, Upstream},
    wire::{self, assert_rejected, request},
    worker::{Worker, compiled},
};

/// Bytes of all bodies in memory.
const MEMORY: usize = 32 << 20;
/// Milliseconds after which a body counts no longer.
const EXPIRY: u64 = 150_000;
/// Bytes of a list of models.
const LIST: usize = 8 << 20;

fn start(worker: &Worker, upstream: SocketAddr) -> RunningWorker {
    worker.serve(&wire::settings(&format!("http://{upstream}"), &[("USERS", &compiled(TOM))]), "")
}

fn head(framing: &str) -> String {
    request("POST", "/v1/responses", &format!("content-type: application/json\r\n{framing}\r\n"))
}

/// A body of this length that names a model.
fn json(length: usize) -> String {
    let (start, end) = (r#"{"model":"gpt-5","input":""#, r#""}"#);
    let text = length - start.len() - end.len();
    format!("{start}{}{}{end}", "é".repeat(text / 2), "x".repeat(text % 2))
}

pub(super) fn passes(worker: &Worker) {
    let upstream = RespondingUpstream::start(|_| OK.to_vec());
    let proxy = start(worker, upstream.address());
    let mut client = RawConnection::connect(proxy.address());
    let body = json(5 << 20);
    client.send(head(&format!("content-length: {}", body.len())));
    client.send(&body);
    assert_eq!(read_response(&mut client).0.status(), 200);
    client.send(head("transfer-encoding: chunked"));
    client.send(format!("7\r\n{}\r\n{:x}\r\n{}\r\n0\r\n\r\n", &body[..7], body.len() - 7, &body[7..]));
    assert_eq!(read_response(&mut client).0.status(), 200);
    for received in upstream.take() {
        assert_eq!(received.head.header("content-length"), Some(&*body.len().to_string()));
        assert_eq!(received.head.header("content-type"), Some("application/json"));
        assert!(received.body == body.as_bytes());
    }
}

pub(super) fn memory(worker: &Worker) {
    let upstream = RespondingUpstream::start(|_| OK.to_vec());
    let proxy = start(worker, upstream.address());
    for _ in 0..3 {
        let mut client = RawConnection::connect(proxy.address());
        client.send(head(&format!("content-length: {}", MEMORY + 1)));
        let _ = client.try_send(json(MEMORY + 1));
        assert_rejected(&mut client, 413, "request_too_large");
    }
    let mut client = RawConnection::connect(proxy.address());
    let body = json(MEMORY);
    client.send(head(&format!("content-length: {}", body.len())));
    client.send(&body);
    assert_eq!(read_response(&mut client).0.status(), 200, "the memory is free again");
    assert_eq!(upstream.take().len(), 1);
    let (_, size) = proxy.tally();
    println!("memory of the wasm: {} MiB", size >> 20);
    assert!(size < 80 << 20);
}

pub(super) fn slow_body(worker: &Worker) {
    let upstream = RespondingUpstream::start(|_| OK.to_vec());
    let proxy = start(worker, upstream.address());
    // The limit of 120 s is 1.2 s then.
    proxy.set_speed(100);
    let mut client = RawConnection::connect(proxy.address());
    client.send(head("content-length: 100"));
    client.send("{");
    assert_rejected(&mut client, 408, "request_timeout");
    assert!(upstream.take().is_empty());
}

/// An upload that ends early, by a reset or not, is not logged as an uncaught exception.
pub(super) fn reset_upload(worker: &Worker) {
    let upstream = RespondingUpstream::start(|_| OK.to_vec());
    let proxy = start(worker, upstream.address());
    let body = json(MEMORY);
    for end in [RawConnection::reset, RawConnection::close] {
        let mut client = RawConnection::connect(proxy.address());
        client.send(head(&format!("content-length: {}", body.len())));
        client.send(&body[..body.len() - 1]);
        wait_until("the memory is full", || post(&proxy, &json(100)) == 503);
        end(client);
        wait_until("some memory is free", || post(&proxy, &json(100)) == 200);
        assert_eq!(post(&proxy, &body), 200, "all memory is free");
    }
    assert!(!proxy.process.output().contains("uncaught"), "{}", proxy.process.output());
}

/// The runtime neither resumes nor drops the future of a request whose client resets while the upstream's response is
/// awaited.
pub(super) fn reset_sent(worker: &Worker) {
    let upstream = Upstream::start();
    let proxy = start(worker, upstream.address());
    let body = json(MEMORY);
    let client = upload(&proxy, &body);
    let mut upstream_conn = upstream.accept();
    let received = upstream_conn.head();
    assert!(upstream_conn.body(&received) == body.as_bytes());
    assert_eq!(post(&proxy, &json(100)), 503, "the memory is full");
    client.reset();
    assert!(upstream_conn.rest().0.is_empty(), "the upstream request is cancelled");
    proxy.set_ahead(EXPIRY);
    let mut client = upload(&proxy, &json(100));
    let mut upstream_conn = upstream.accept();
    upstream_conn.head();
    upstream_conn.send(OK);
    assert_eq!(client.head().status(), 200);
}

fn post(proxy: &RunningWorker, body: &str) -> u16 {
    read_response(&mut upload(proxy, body)).0.status()
}

fn upload(proxy: &RunningWorker, body: &str) -> RawConnection {
    let mut client = RawConnection::connect(proxy.address());
    client.send(head(&format!("content-length: {}", body.len())) + body);
    client
}

/// What the head says of a body is enough to refuse it: none of these clients sends a byte of it.
pub(super) fn announced(worker: &Worker) {
    let upstream = RespondingUpstream::start(|_| OK.to_vec());
    let proxy = start(worker, upstream.address());
    let json = "content-type: application/json\r\n";
    for (more, status, code) in [
        (format!("{json}content-length: {}\r\n", MEMORY + 1), 413, "request_too_large"),
        (format!("{json}content-length: {}\r\n", 1_u64 << 32), 413, "request_too_large"),
        (format!("{json}content-encoding: gzip\r\ncontent-length: 9\r\n"), 415, "unsupported_encoding"),
        (format!("{json}content-encoding: gzip\r\ntransfer-encoding: chunked\r\n"), 415, "unsupported_encoding"),
        ("content-type: text/plain\r\ncontent-length: 9\r\n".to_owned(), 400, "invalid_body"),
        ("content-type: text/plain\r\ntransfer-encoding: chunked\r\n".to_owned(), 400, "invalid_body"),
    ] {
        let mut client = RawConnection::connect(proxy.address());
        client.send(request("POST", "/v1/responses", &more));
        assert_rejected(&mut client, status, code);
    }
    assert!(upstream.take().is_empty());
}

/// The runtime cannot send a GET with a body that was read.
pub(super) fn get(worker: &Worker) {
    let upstream = RespondingUpstream::start(|_| OK.to_vec());
    let proxy = start(worker, upstream.address());
    for (body, status, code) in [("{\"model\":\"o3\"}", 403, "model_not_found"), ("{}", 502, "upstream_failed")] {
        for framing in [
            format!("content-length: {}\r\n\r\n{body}", body.len()),
            format!("transfer-encoding: chunked\r\n\r\n{:x}\r\n{body}\r\n0\r\n\r\n", body.len()),
        ] {
            let head = request("GET", "/v1/realtime?model=gpt-5", "content-type: application/json\r\n");
            let mut client = RawConnection::connect(proxy.address());
            client.send(format!("{}{framing}", head.strip_suffix("\r\n").unwrap()));
            assert_rejected(&mut client, status, code);
        }
    }
    assert!(upstream.take().is_empty());
    let mut client = RawConnection::connect(proxy.address());
    client.send(request("GET", "/v1/realtime?model=gpt-5", "content-length: 0\r\n"));
    assert_eq!(read_response(&mut client).0.status(), 200);
}

pub(super) fn endless_list(worker: &Worker) {
    let upstream = Upstream::start();
    let proxy = start(worker, upstream.address());
    let (_, before) = proxy.tally();
    for status in [200, 401] {
        let mut client = RawConnection::connect(proxy.address());
        client.send(request("GET", "/v1/models", ""));
        let mut upstream_conn = upstream.accept();
        upstream_conn.head();
        upstream_conn.send(format!("HTTP/1.1 {status} x\r\ntransfer-encoding: chunked\r\n\r\n"));
        let chunk = format!("{:x}\r\n{}\r\n", 1 << 20, " ".repeat(1 << 20));
        // What the sockets hold comes on top. Of an error only the start is read.
        let sent = (1..=64).take_while(|_| upstream_conn.try_send(&chunk).is_ok()).last();
        let least = if status == 200 { 8 } else { 0 };
        assert!((least..64).contains(&sent.unwrap_or(0)), "{sent:?} MiB were sent");
        assert_rejected(&mut client, 502, if status == 200 { "answer_too_large" } else { "upstream_auth_failed" });
    }
    let (_, after) = proxy.tally();
    assert!(after - before < 1 << 20, "{} bytes of wasm memory more", after - before);
}

pub(super) fn longest_list(worker: &Worker) {
    let list = |length: usize| {
        let (start, end) = (r#"{"data":[{"id":"gpt-5"},{"id":"o3"}],"x":""#, r#""}"#);
        format!("{start}{}{end}", "x".repeat(length - start.len() - end.len()))
    };
    for (length, expected) in [(LIST, 200), (LIST + 1, 502)] {
        let body = list(length);
        let response = format!("HTTP/1.1 200 OK\r\ncontent-length: {length}\r\n\r\n{body}");
        let upstream = RespondingUpstream::start(move |_| response.clone().into());
        let proxy = start(worker, upstream.address());
        let mut client = RawConnection::connect(proxy.address());
        client.send(request("GET", "/v1/models", ""));
        let (head, received) = read_response(&mut client);
        assert_eq!(head.status(), expected);
        if expected == 200 {
            assert!(received == body.replace(r#",{"id":"o3"}"#, "").as_bytes());
        }
    }
}
