//! Memory of idle connections.

use std::{
    path::Path,
    sync::{Mutex, PoisonError},
};

use super::{each, healthy, raise_descriptor_limit, start};
use crate::{
    adapter::Running as _,
    http2::frames::{
        Frames, Outcome, block,
        flag::{END_HEADERS, END_STREAM},
        frame,
        kind::HEADERS,
    },
    procfs,
    raw_connection::{RawConnection, wait_until},
    server::RunningServer,
    upstream::Upstream,
    wire,
};

/// Memory per connection, at most, in KiB. HTTP/2 adds header tables and buffers.
const EACH: f64 = 20.0;
const EACH_HTTP2: f64 = 32.0;
/// Timeouts in seconds, long enough that no connection is closed during the test.
const LONG_TIMEOUTS: &[(&str, &str)] = &[("IDLE_TIMEOUT", "3000"), ("HEADER_TIMEOUT", "3000")];

/// Connections that have sent nothing yet.
pub fn silent(binary: &Path, count: usize) {
    measure(binary, count, ("silent", EACH), |_, client| client);
}

/// Connections after their first response.
pub fn idle_http1(binary: &Path, count: usize) {
    measure(binary, count, ("idle HTTP/1.1", EACH), |_, mut client| {
        healthy(&mut client);
        client
    });
}

/// HTTP/2 connections after their first response.
pub fn idle_http2(binary: &Path, count: usize) {
    measure(binary, count, ("idle HTTP/2", EACH_HTTP2), |_, client| {
        let mut client = Frames::client(client);
        let head = block([(":method", "GET"), (":scheme", "http"), (":authority", "x"), (":path", "/healthz")]);
        client.send(frame(HEADERS, END_HEADERS | END_STREAM, 1, &head)).expect("the server reads the request");
        assert_eq!(client.outcome(1), Outcome::Status(200));
        client
    });
}

/// Runs one of these tests at a time: together they need more descriptors than most machines allow.
static EXCLUSIVE: Mutex<()> = Mutex::new(());

fn measure<C>(
    binary: &Path,
    count: usize,
    (what, most): (&str, f64),
    prepare: impl Fn(&RunningServer, RawConnection) -> C,
) {
    let _alone = EXCLUSIVE.lock().unwrap_or_else(PoisonError::into_inner);
    raise_descriptor_limit(count as u64 + 1000);
    let upstream = Upstream::start();
    let proxy = start(binary, upstream.address(), LONG_TIMEOUTS);
    let process = proxy.process.id();
    let open = || prepare(&proxy, RawConnection::connect(proxy.address()));
    // The first connections allocate what all share.
    let mut clients: Vec<_> = (0..count / 100).map(|_| open()).collect();
    served(&proxy, &upstream);
    let before = procfs::proportional(process);
    let more = count - clients.len();
    clients.extend((0..more).map(|_| open()));
    wait_until("all connections are accepted", || procfs::descriptors(process) > count);
    served(&proxy, &upstream);
    let each = each(before, procfs::proportional(process), more);
    println!("{count} {what} connections: {each:.1} KiB each (PSS)");
    assert!(each < most, "{each:.1} KiB for each of {what} connections");
    drop(clients);
    wait_until("all connections are closed", || procfs::descriptors(process) < count / 10);
    served(&proxy, &upstream);
}

/// Checks that a new client is served.
fn served(proxy: &RunningServer, upstream: &Upstream) {
    let mut client = RawConnection::connect(proxy.address());
    client.send(wire::request("GET", "/v1/models", "connection: close\r\n"));
    let mut upstream_conn = upstream.accept();
    upstream_conn.head();
    upstream_conn.send("HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length: 2\r\n\r\nok");
    assert_eq!(client.head().status(), 200);
    assert_eq!(client.rest().0, b"ok");
}
