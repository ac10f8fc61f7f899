//! The compiled users, from a text binding and from a KV namespace.

use std::{
    net::SocketAddr,
    sync::{Arc, Mutex},
};

use super::{RunningWorker, read_response};
use crate::{
    adapter::Running as _,
    case_files::{KEY, digest},
    raw_connection::{RawConnection, wait_until},
    upstream::{RespondingUpstream, Upstream, with_accept_key},
    wire::{self, request},
    worker::{Worker, compiled},
};

pub(super) const OK: &[u8] = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok";
pub(super) const TOM: &str = "[users.Tom]\nmodels = [\"gpt-5*\"]";

/// In milliseconds.
const CENTURY: u64 = 100 * 366 * 24 * 3_600_000;

pub(super) fn invalid(worker: &Worker) {
    let with_key = |field: &str| {
        format!(
            r#"{{"version":1,"timezone":{{"name":"UTC","offset":0,"transitions":[]}},"users":[{{"name":"Tom",{field}}}]}}"#
        )
    };
    let file = with_key(r#""openai_api_key":"file:tom.key""#);
    for (users, problem) in [
        (TOM.to_owned(), "USERS"),
        (
            with_key(r#""requests_per_minute":60"#),
            "USERS users.Tom.requests_per_minute is not enforced without a ledger: build with --features limits and bind",
        ),
        (with_key(r#""concurrent_requests":1"#), "USERS users.Tom.concurrent_requests is not enforced"),
        (with_key(r#""anything":1"#), "USERS another field of user 1"),
        (with_key(r#""routes":["everything"]"#), "USERS users.Tom.routes"),
        (
            with_key(r#""openai_api_key":"env:NOT_SET""#),
            "USERS users.Tom.openai_api_key names the variable NOT_SET, which is not set",
        ),
        (with_key(r#""disabled":true"#).replace("Tom", "Eve"), "USERS users.Eve has no key"),
        (file, "USERS users.Tom.openai_api_key names a file, and this platform has none; use env:VARIABLE"),
    ] {
        let settings = wire::settings("http://127.0.0.1:1", &[("USERS", &users)]);
        assert_unknown_users(&worker.serve(&settings, ""), problem);
    }
    let settings = wire::settings("http://127.0.0.1:1", &[("USERS", &compiled(TOM))]);
    let kv = worker.serve(&settings, r#"(name = "USERS_KV", json = "{}")"#);
    assert_unknown_users(&kv, "USERS and USERS_KV are both set; keep one");
}

/// Requests with a key are refused until there is a valid value; others get what they always get.
#[track_caller]
fn assert_unknown_users(proxy: &RunningWorker, problem: &str) {
    assert_get(proxy, 503, "misconfigured");
    proxy.process.wait_for(|line| line.contains(&format!("invalid settings: {problem}")).then_some(()));
    let mut client = RawConnection::connect(proxy.address());
    client.send("GET /v1/models HTTP/1.1\r\nhost: x\r\n\r\n");
    assert_eq!(read_response(&mut client).0.status(), 401, "without a key");
    client.send("GET /healthz HTTP/1.1\r\nhost: x\r\n\r\n");
    assert_eq!(read_response(&mut client).0.status(), 200);
}

/// Sends a request; `code` is empty if it must reach the upstream.
#[track_caller]
fn assert_get(proxy: &RunningWorker, status: u16, code: &str) {
    assert_get_with(KEY, proxy, status, code);
}

#[track_caller]
fn assert_get_with(key: &str, proxy: &RunningWorker, status: u16, code: &str) {
    let mut client = RawConnection::connect(proxy.address());
    client.send(request("GET", "/v1/models/gpt-5", "").replace(KEY, key));
    let (head, body) = read_response(&mut client);
    let got = if body == b"ok" { String::new() } else { wire::error_code(&body) };
    assert_eq!((head.status(), got.as_str()), (status, code));
}

/// A KV namespace with one value, or none.
struct Namespace {
    /// Locked, it delays a read.
    value: Arc<Mutex<Option<String>>>,
    server: RespondingUpstream,
}

impl Namespace {
    fn start(users: Option<&str>) -> Self {
        let value = Arc::new(Mutex::new(users.map(compiled)));
        let stored = Arc::clone(&value);
        let server = RespondingUpstream::start(move |received| {
            assert!(received.head.word(1).starts_with("/users?"), "the key");
            match &*stored.lock().unwrap() {
                Some(value) => format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n{value}", value.len()).into(),
                None => b"HTTP/1.1 404 Not Found\r\ncontent-length: 0\r\n\r\n".to_vec(),
            }
        });
        Self { value, server }
    }

    fn set(&self, value: Option<String>) {
        *self.value.lock().unwrap() = value;
    }

    fn serve(&self, worker: &Worker, upstream: SocketAddr) -> RunningWorker {
        let settings = wire::settings(&format!("http://{upstream}"), &[]);
        worker.serve_with_kv(&settings, "USERS_KV", self.server.address())
    }

    fn reads(&self) -> usize {
        self.server.take().len()
    }
}

pub(super) fn kv(worker: &Worker) {
    let upstream = RespondingUpstream::start(|_| OK.to_vec());
    let namespace = Namespace::start(Some(TOM));
    let proxy = namespace.serve(worker, upstream.address());
    assert_get(&proxy, 200, "");
    namespace.set(Some(compiled("[users.Tom]\ndisabled = true")));
    assert_get(&proxy, 200, "");
    proxy.set_ahead(29_000);
    assert_get(&proxy, 200, "");
    assert_eq!(namespace.reads(), 1, "the value is used for 30 s");

    proxy.set_ahead(31_000);
    assert_get(&proxy, 401, "invalid_api_key");
    assert_get(&proxy, 401, "invalid_api_key");
    assert_eq!(namespace.reads(), 1);

    // The last valid value stays.
    namespace.set(Some("{".to_owned()));
    proxy.set_ahead(62_000);
    assert_get(&proxy, 401, "invalid_api_key");
    proxy.process.wait_for(|line| line.contains("invalid settings: USERS").then_some(()));
    namespace.set(None);
    proxy.set_ahead(93_000);
    assert_get(&proxy, 401, "invalid_api_key");
    proxy.process.wait_for(|line| line.contains("USERS_KV returns no value of the key users").then_some(()));
    assert_get(&proxy, 401, "invalid_api_key");
    assert_eq!(namespace.reads(), 2, "a failure is remembered for 30 s too");

    namespace.set(Some(compiled(TOM)));
    proxy.set_ahead(124_000);
    assert_get(&proxy, 200, "");
}

/// A key can be taken away while the Worker runs, but a user without a key may be a mistake in its name.
pub(super) fn kv_last_key(worker: &Worker) {
    let upstream = RespondingUpstream::start(|_| OK.to_vec());
    let bob = "sk-Bob-abcdefgh12345678";
    let namespace = Namespace::start(Some(&format!("[users.Bob]\nkeys = [\"{}\"]", digest(bob))));
    let proxy = namespace.serve(worker, upstream.address());
    assert_get_with(bob, &proxy, 200, "");
    namespace.set(Some(compiled("[users.Bob]")));
    proxy.set_ahead(31_000);
    assert_get_with(bob, &proxy, 401, "invalid_api_key");
    assert_get(&proxy, 200, "");
    proxy.process.wait_for(|line| line.contains("USERS user Bob has no key").then_some(()));
}

/// A client that leaves while its request reads the users does not stop the read: with such clients, a removed key would
/// stay valid.
pub(super) fn kv_client_leaves(worker: &Worker) {
    let upstream = RespondingUpstream::start(|_| OK.to_vec());
    let namespace = Namespace::start(Some(TOM));
    let proxy = namespace.serve(worker, upstream.address());
    assert_get(&proxy, 200, "");
    assert_eq!(namespace.reads(), 1);
    proxy.set_ahead(31_000);
    let mut value = namespace.value.lock().unwrap();
    let mut client = RawConnection::connect(proxy.address());
    client.send(request("GET", "/v1/models/gpt-5", ""));
    wait_until("the users are read", || namespace.reads() == 1);
    client.reset();
    // Other requests are served meanwhile.
    assert_get(&proxy, 200, "");
    *value = Some(compiled("[users.Tom]\ndisabled = true"));
    drop(value);
    wait_until("the new users are in force", || {
        let mut client = RawConnection::connect(proxy.address());
        client.send(request("GET", "/v1/models/gpt-5", ""));
        read_response(&mut client).0.status() == 401
    });
    assert_eq!(namespace.reads(), 0);
}

pub(super) fn kv_without_value(worker: &Worker) {
    let upstream = RespondingUpstream::start(|_| OK.to_vec());
    let namespace = Namespace::start(None);
    let proxy = namespace.serve(worker, upstream.address());
    assert_unknown_users(&proxy, "USERS_KV returns no value of the key users");
    namespace.set(Some(compiled(TOM)));
    proxy.set_ahead(4_000);
    assert_get(&proxy, 503, "misconfigured");
    assert_eq!(namespace.reads(), 1, "a failure is remembered");
    proxy.set_ahead(6_000);
    assert_get(&proxy, 200, "");
    assert_eq!(upstream.take().len(), 1);
}

/// Settings that are invalid from the start are not read again at once.
pub(super) fn kv_invalid_settings(worker: &Worker) {
    let namespace = Namespace::start(Some(TOM));
    let settings = wire::settings("ftp://127.0.0.1", &[]);
    let proxy = worker.serve_with_kv(&settings, "USERS_KV", namespace.server.address());
    assert_get(&proxy, 500, "misconfigured");
    assert_get(&proxy, 500, "misconfigured");
    proxy.set_ahead(4_000);
    assert_get(&proxy, 500, "misconfigured");
    assert_eq!(namespace.reads(), 1, "a failure is remembered for 5 s");
    proxy.set_ahead(6_000);
    assert_get(&proxy, 500, "misconfigured");
    assert_eq!(namespace.reads(), 1, "and then they are read again");
}

/// Nothing of the Worker runs while a WebSocket is open, so that it cannot close it.
pub(super) fn websocket(worker: &Worker) {
    let upstream = Upstream::start();
    let users = [("USERS", &*compiled("[users.Tom]\nexpires = 2100-01-01"))];
    let proxy = worker.serve(&wire::settings(&format!("http://{}", upstream.address()), &users), "");
    let mut client = RawConnection::connect(proxy.address());
    let opening = "connection: upgrade\r\nupgrade: websocket\r\nsec-websocket-version: 13\r\n\
                   sec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\r\n";
    client.send(request("GET", "/v1/realtime?model=gpt-realtime", opening));
    let mut upstream_conn = upstream.accept();
    let head = upstream_conn.head();
    let opened = "HTTP/1.1 101 Switching Protocols\r\nconnection: upgrade\r\nupgrade: websocket\r\n\
                  sec-websocket-accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n";
    upstream_conn.send(with_accept_key(opened.into(), &head));
    assert_eq!(client.head().status(), 101);

    proxy.set_ahead(CENTURY);
    assert_get(&proxy, 401, "expired_api_key");
    let message = b"\x81\x05still";
    upstream_conn.send(message);
    assert_eq!(client.bytes(message.len()), message);
}
