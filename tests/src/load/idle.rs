//! Connections that wait.

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

/// What a connection may add to the server's memory, in KiB. One of HTTP/2 has the tables of its headers, and buffers.
const EACH: f64 = 20.0;
const EACH_HTTP2: f64 = 32.0;
/// Neither between requests nor before the first is a connection given up meanwhile.
const PATIENT: &[(&str, &str)] = &[("IDLE_TIMEOUT", "3000"), ("HEADER_TIMEOUT", "3000")];

/// Connections that have output nothing yet.
pub fn silent(binary: &Path, count: usize) {
    held(binary, count, ("silent", EACH), |_, client| client);
}

/// Connections that had an answer, and may ask again.
pub fn idle_http1(binary: &Path, count: usize) {
    held(binary, count, ("idle HTTP/1.1", EACH), |_, mut client| {
        healthy(&mut client);
        client
    });
}

/// The same in HTTP/2.
pub fn idle_http2(binary: &Path, count: usize) {
    held(binary, count, ("idle HTTP/2", EACH_HTTP2), |_, client| {
        let mut client = Frames::client(client);
        let head = block([(":method", "GET"), (":scheme", "http"), (":authority", "x"), (":path", "/healthz")]);
        client.send(frame(HEADERS, END_HEADERS | END_STREAM, 1, &head)).expect("the server takes a request");
        assert_eq!(client.outcome(1), Outcome::Status(200));
        client
    });
}

/// One crowd at a time: together they would be more than the descriptors of most machines.
static CROWD: Mutex<()> = Mutex::new(());

fn held<C>(
    binary: &Path,
    count: usize,
    (what, most): (&str, f64),
    prepare: impl Fn(&RunningServer, RawConnection) -> C,
) {
    let _alone = CROWD.lock().unwrap_or_else(PoisonError::into_inner);
    raise_descriptor_limit(count as u64 + 1000);
    let upstream = Upstream::start();
    let proxy = start(binary, upstream.address(), PATIENT);
    let process = proxy.process.id();
    let open = || prepare(&proxy, RawConnection::connect(proxy.address()));
    // What the first ones need is there for all.
    let mut clients: Vec<_> = (0..count / 100).map(|_| open()).collect();
    served(&proxy, &upstream);
    let before = procfs::proportional(process);
    let more = count - clients.len();
    clients.extend((0..more).map(|_| open()));
    wait_until("all are taken", || procfs::descriptors(process) > count);
    served(&proxy, &upstream);
    let each = each(before, procfs::proportional(process), more);
    println!("{count} {what} connections: {each:.1} KiB each (PSS)");
    assert!(each < most, "{each:.1} KiB for each of {what} connections");
    drop(clients);
    wait_until("all are let go", || procfs::descriptors(process) < count / 10);
    served(&proxy, &upstream);
}

/// A stranger is served as ever.
fn served(proxy: &RunningServer, upstream: &Upstream) {
    let mut client = RawConnection::connect(proxy.address());
    client.send(wire::request("GET", "/v1/models", "connection: close\r\n"));
    let mut upstream_conn = upstream.accept();
    upstream_conn.head();
    upstream_conn.send("HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length: 2\r\n\r\nok");
    assert_eq!(client.head().status(), 200);
    assert_eq!(client.rest().0, b"ok");
}
