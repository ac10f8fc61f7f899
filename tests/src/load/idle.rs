//! Memory of idle connections, without and with TLS.

use std::{
    path::Path,
    sync::{Mutex, PoisonError},
};

use super::{each, healthy, raise_descriptor_limit, start};
use crate::{
    adapter::Running as _,
    http2::{
        self,
        frames::{
            Frames, Outcome, block,
            flag::{END_HEADERS, END_STREAM},
            frame,
            kind::HEADERS,
        },
    },
    procfs,
    raw_connection::{RawConnection, wait_until},
    tls::{self, Authority},
    upstream::Upstream,
    wire,
};

/// Memory per connection, at most, in KiB. HTTP/2 adds header tables and buffers, TLS a buffer, keys and its state.
const EACH: f64 = 20.0;
const EACH_HTTP2: f64 = 32.0;
const TLS: f64 = 12.0;
/// Timeouts in seconds, long enough that no connection is closed during the test.
const LONG_TIMEOUTS: &[(&str, &str)] = &[("IDLE_TIMEOUT", "3000"), ("HEADER_TIMEOUT", "3000")];

/// Connections that have sent nothing yet.
pub fn silent(binary: &Path, count: usize) {
    check(binary, count, ("silent", EACH), None, |client| client);
}

/// HTTP/1.1 connections after their first response. Returns the KiB of each.
pub fn idle_http1(binary: &Path, count: usize) -> f64 {
    check(binary, count, ("idle HTTP/1.1", EACH), None, after_http1_response)
}

/// HTTP/2 connections after their first response. Returns the KiB of each.
pub fn idle_http2(binary: &Path, count: usize) -> f64 {
    check(binary, count, ("idle HTTP/2", EACH_HTTP2), None, after_http2_response)
}

/// [`idle_http1`] over TLS.
pub fn idle_tls_http1(binary: &Path, count: usize) -> f64 {
    check(binary, count, ("idle HTTP/1.1 over TLS", EACH + TLS), Some("http/1.1"), after_http1_response)
}

/// [`idle_http2`] over TLS.
pub fn idle_tls_http2(binary: &Path, count: usize) -> f64 {
    check(binary, count, ("idle HTTP/2 over TLS", EACH_HTTP2 + TLS), Some("h2"), after_http2_response)
}

fn after_http1_response(mut client: RawConnection) -> RawConnection {
    healthy(&mut client);
    client
}

fn after_http2_response(client: RawConnection) -> Frames {
    let mut client = Frames::client(client);
    let head = block([(":method", "GET"), (":scheme", "http"), (":authority", "x"), (":path", "/healthz")]);
    client.send(frame(HEADERS, END_HEADERS | END_STREAM, 1, &head)).expect("the server reads the request");
    assert_eq!(client.outcome(1), Outcome::Status(200));
    client
}

/// Runs one of these tests at a time: together they need more descriptors than most machines allow.
static EXCLUSIVE: Mutex<()> = Mutex::new(());

fn check<C>(
    binary: &Path,
    count: usize,
    (what, most): (&str, f64),
    alpn: Option<&str>,
    prepare: impl Fn(RawConnection) -> C,
) -> f64 {
    let _alone = EXCLUSIVE.lock().unwrap_or_else(PoisonError::into_inner);
    raise_descriptor_limit(count as u64 + 1000);
    let upstream = Upstream::start();
    let authority = alpn.map(|_| Authority::new());
    let files = authority.as_ref().map(|authority| authority.files("localhost"));
    let tls = files.iter().flat_map(|(certificate, key)| [("TLS_CERT", certificate.as_str()), ("TLS_KEY", key)]);
    let proxy = start(binary, upstream.address(), &LONG_TIMEOUTS.iter().copied().chain(tls).collect::<Vec<_>>());
    let process = proxy.process.id();
    let connect = |alpn: Option<&str>| match (&authority, alpn) {
        (Some(authority), Some(alpn)) => {
            tls::connect(http2::socket(proxy.address()), &authority.client(&[alpn])).expect("a TLS handshake")
        }
        _ => RawConnection::connect(proxy.address()),
    };
    let open = || prepare(connect(alpn));
    let served = || served(connect(alpn.map(|_| "http/1.1")), &upstream);
    // The first connections allocate what all share.
    let mut clients: Vec<_> = (0..count / 100).map(|_| open()).collect();
    served();
    let before = procfs::proportional(process);
    let more = count - clients.len();
    clients.extend((0..more).map(|_| open()));
    wait_until("all connections are accepted", || procfs::descriptors(process) > count);
    served();
    let each = each(before, procfs::proportional(process), more);
    println!("{count} {what} connections: {each:.1} KiB each (PSS)");
    assert!(each < most, "{each:.1} KiB for each of {what} connections");
    drop(clients);
    wait_until("all connections are closed", || procfs::descriptors(process) < count / 10);
    served();
    each
}

/// Checks that a new client is served.
fn served(mut client: RawConnection, upstream: &Upstream) {
    client.send(wire::request("GET", "/v1/models", "connection: close\r\n"));
    let mut upstream_conn = upstream.accept();
    upstream_conn.head();
    upstream_conn.send("HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length: 2\r\n\r\nok");
    assert_eq!(client.head().status(), 200);
    assert_eq!(client.rest().0, b"ok");
}
