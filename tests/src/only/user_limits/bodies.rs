//! The bodies that limits need.

use std::net::SocketAddr;

use super::{MODELS, QUIET, ok_upstream, post, send};
use crate::{
    adapter::Running as _,
    case_files::KEY,
    only::{Test, start},
    raw_connection::{RawConnection, wait_until},
    server::RunningServer,
    upstream::Upstream,
    wire::{self, assert_rejected},
};

pub(crate) const TESTS: &[Test] = &[
    ("long_body_is_rejected", long_body),
    ("memory_is_bounded", body_memory),
    ("memory_counts_until_the_body_is_sent", sent_body),
    ("broken_body_is_the_clients_error", broken_body),
    ("refused_before_it_is_read", unread_body),
];

const ANN: &str = "sk-Ann-abcdefgh12345678";

fn long_body() {
    let upstream = ok_upstream();
    let keys = format!("{KEY},{ANN}");
    let users = [("USERS", "[users.Tom]\nmodels = [\"gpt-5\"]"), ("MAX_METERED_BODY", "1000"), ("ACCESS_KEYS", &*keys)];
    let proxy = start(upstream.address(), &users);
    let body = format!("{{\"model\":\"gpt-5\",\"input\":\"{}\"}}", "x".repeat(2000));
    let (head, response) = send(&proxy, &post(&body));
    assert_eq!((head.status(), &*wire::error_code(&response)), (413, "request_too_large"));
    assert!(upstream.take().is_empty());
    let (head, _) = send(&proxy, &post(&body).replace(KEY, ANN));
    assert_eq!(head.status(), 200, "a user without models has no such bound");
    let (head, _) = send(&proxy, &post(r#"{"model":"gpt-5"}"#));
    assert_eq!(head.status(), 200);
}

/// Bytes of all bodies, of one that takes most of it, and of another that does not fit beside it. The kernel holds less than
/// 10 MB of what was sent.
const MEMORY: (usize, usize, usize) = (40_000_000, 35_000_000, 20_000_000);

/// The server with little memory for bodies, for the users of [`MODELS`].
fn with_memory(upstream: SocketAddr) -> RunningServer {
    let keys = format!("{KEY},{ANN}");
    let memory = MEMORY.0.to_string();
    let bounds = [("MAX_METERED_BODY", &*memory), ("MAX_METERED_MEMORY", &*memory)];
    start(upstream, &[&[("USERS", MODELS), ("ACCESS_KEYS", &*keys), QUIET], &bounds[..]].concat())
}

/// A request with an input of this length.
fn long_request(length: usize) -> String {
    post(&format!("{{\"model\":\"gpt-5\",\"input\":\"{}\"}}", "x".repeat(length)))
}

fn body_memory() {
    let upstream = ok_upstream();
    let proxy = with_memory(upstream.address());
    let (_, most, more) = MEMORY;
    let request = long_request(most);
    let (start, end) = request.split_at(request.len() - 1);
    let mut first = RawConnection::connect(proxy.address());
    // Once this is sent, the server has read at least 25 MB.
    first.send(start);
    let other = || {
        let mut client = RawConnection::connect(proxy.address());
        // The response arrives before all is sent.
        let _ = client.try_send(long_request(more).replace(KEY, ANN));
        client.head()
    };
    let head = other();
    assert_eq!((head.status(), head.header("retry-after")), (503, Some("1")));
    first.send(end);
    assert_eq!(first.head().status(), 200);
    wait_until("the memory is free", || other().status() == 200);
}

fn sent_body() {
    let upstream = Upstream::start();
    let proxy = with_memory(upstream.address());
    let (_, most, more) = MEMORY;
    let mut first = RawConnection::connect(proxy.address());
    first.send(long_request(most));
    // The whole body has arrived, and its upstream does not read it.
    let stalled = upstream.accept();
    let mut other = RawConnection::connect(proxy.address());
    let _ = other.try_send(long_request(more).replace(KEY, ANN));
    assert_eq!(other.head().status(), 503);
    drop((first, stalled));
}

fn broken_body() {
    let upstream = ok_upstream();
    let proxy = start(upstream.address(), &[("USERS", MODELS), ("ACCESS_KEYS", &format!("{KEY},{ANN}"))]);
    let mut client = RawConnection::connect(proxy.address());
    client.send(
        wire::request("POST", "/v1/responses", "content-type: application/json\r\ncontent-length: 9\r\n") + "abc",
    );
    client.finish();
    assert_rejected(&mut client, 400, "invalid_body");
    let mut client = RawConnection::connect(proxy.address());
    client.send(
        wire::request("POST", "/v1/responses", "content-type: application/json\r\ntransfer-encoding: chunked\r\n")
            + "zz\r\n",
    );
    assert_rejected(&mut client, 400, "invalid_body");
    assert!(upstream.take().is_empty());
}

/// By what its head says, and by the user's rate.
fn unread_body() {
    let upstream = ok_upstream();
    let users = "[users.Tom]\nmodels = [\"gpt-5\"]\nrequests_per_minute = 3";
    let proxy = start(upstream.address(), &[("USERS", users)]);
    let unfinished = |fields: &str, status: u16, code: &str| {
        let mut client = RawConnection::connect(proxy.address());
        client.send(wire::request("POST", "/v1/responses", fields));
        assert_rejected(&mut client, status, code);
    };
    let json = "content-type: application/json\r\n";
    unfinished(&format!("{json}content-encoding: gzip\r\ncontent-length: 99\r\n"), 415, "unsupported_encoding");
    unfinished(&format!("{json}content-length: 99999999999\r\n"), 413, "request_too_large");
    unfinished("content-type: text/plain\r\ncontent-length: 99\r\n", 400, "invalid_body");
    unfinished(&format!("{json}content-length: 99\r\n"), 429, "rate_limit_exceeded");
    assert!(upstream.take().is_empty());
}
