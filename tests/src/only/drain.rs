//! Signals: requests in flight finish, and no new connections are accepted.

use std::{net::TcpStream, thread, time::Duration};

use super::{Test, forwarded, get, start, websocket};
use crate::{
    adapter::Running as _, http2, raw_connection::RawConnection, server::RunningServer, upstream::Upstream, wire,
};

pub(super) const TESTS: &[Test] = &[
    ("open_stream_finishes_and_no_connection_is_accepted", || finishes("TERM")),
    ("sigint_drains", || finishes("INT")),
    ("http2_stream_finishes", http2_stream),
    ("idle_connection_does_not_delay_the_exit", idle),
    ("connections_without_a_forwarded_request_do_not_delay_the_exit", nothing_forwarded),
    ("slow_client_gets_the_end_of_its_response", slow_client),
    ("tunnel_stays_open", open_tunnel),
    ("finished_upload_does_not_delay_the_exit", after_upload),
    ("second_signal_exits_at_once", second_signal),
    ("drain_timeout_cuts_a_stream", timeout),
    ("drain_timeout_cuts_a_tunnel", tunnel),
    ("sighup_is_ignored", hangup),
];

const EVENTS: &str = "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n";

fn streaming(more: &[(&str, &str)]) -> (RunningServer, RawConnection, RawConnection) {
    let (proxy, mut client, mut upstream_conn) = forwarded(more, &get("/v1/responses"));
    upstream_conn.send(EVENTS);
    upstream_conn.send_chunk("data: 1\n\n");
    client.until("data: 1\n\n");
    (proxy, client, upstream_conn)
}

/// Sends the signal, and waits until no thread accepts connections any more.
pub(super) fn drain(proxy: &RunningServer, signal: &str) {
    proxy.process.signal(signal);
    proxy.process.wait_for(|line| line.contains("draining").then_some(()));
    while TcpStream::connect(proxy.address()).is_ok() {}
}

fn finishes(signal: &str) {
    let (mut proxy, mut client, mut upstream_conn) = streaming(&[]);
    drain(&proxy, signal);
    upstream_conn.send_chunk("data: 2\n\n");
    client.until("data: 2\n\n");
    upstream_conn.send("0\r\n\r\n");
    assert!(client.rest().0.ends_with(b"0\r\n\r\n"));
    assert_eq!(proxy.process.wait().0.code(), Some(0));
}

fn http2_stream() {
    let upstream = Upstream::start();
    let mut proxy = start(upstream.address(), &[]);
    let mut client = http2::Client::connect(proxy.address());
    let pending = client.send(wire::get("/v1/responses"));
    let mut upstream_conn = upstream.accept();
    upstream_conn.head();
    upstream_conn.send(EVENTS);
    let (_, mut body) = pending.response();
    drain(&proxy, "TERM");
    upstream_conn.send_chunk("data: 1\n\n");
    assert_eq!(body.next_data().unwrap().unwrap(), "data: 1\n\n");
    upstream_conn.send("0\r\n\r\n");
    assert!(body.next_data().is_none());
    client.wait_closed();
    assert_eq!(proxy.process.wait().0.code(), Some(0));
}

fn idle() {
    let upstream = Upstream::start();
    let mut proxy = start(upstream.address(), &[("DRAIN_TIMEOUT", "3000")]);
    let mut client = RawConnection::connect(proxy.address());
    client.send("GET /healthz HTTP/1.1\r\nhost: x\r\n\r\n");
    client.until("ok\n");
    proxy.process.signal("TERM");
    assert!(client.rest().0.is_empty());
    assert_eq!(proxy.process.wait().0.code(), Some(0));
}

/// What a client sends before it does nothing.
const NOTHING_FORWARDED: [&[u8]; 6] = [
    b"",
    b"PRI ",
    b"GET /v1/models HTTP/1.1\r\nhost:",
    b"GET /v1/models HTTP/1.1\r\nhost: x\r\n\r\n",
    b"POST /v1/models HTTP/1.1\r\nhost: x\r\ncontent-length: 1000000\r\n\r\n",
    // It answers no frame.
    b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0",
];

fn nothing_forwarded() {
    for bytes in NOTHING_FORWARDED {
        let upstream = Upstream::start();
        let settings = [("DRAIN_TIMEOUT", "3000"), ("HEADER_TIMEOUT", "3000"), ("IDLE_TIMEOUT", "3000")];
        let mut proxy = start(upstream.address(), &settings);
        let mut client = RawConnection::connect(proxy.address());
        client.send(bytes);
        // Once it is served, the server has read the bytes.
        let mut other = RawConnection::connect(proxy.address());
        other.send("GET /healthz HTTP/1.1\r\nhost: x\r\n\r\n");
        other.until("ok\n");
        proxy.process.signal("TERM");
        let (status, output) = proxy.process.wait();
        assert!(status.success() && !output.contains("are cut"), "{bytes:?}: {output}");
    }
}

/// The client keeps its connection open: after the end of an upload the server must not wait for more bytes.
fn after_upload() {
    let upstream = Upstream::start();
    let mut proxy = start(upstream.address(), &[("DRAIN_TIMEOUT", "5")]);
    let mut client = RawConnection::connect(proxy.address());
    client.send(wire::request("POST", "/v1/files", "transfer-encoding: chunked\r\n") + "3\r\none\r\n0\r\n\r\n");
    let mut upstream_conn = upstream.accept();
    let head = upstream_conn.head();
    assert_eq!(upstream_conn.body(&head), b"one");
    upstream_conn.send("HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok");
    client.until("\r\n\r\nok");
    proxy.process.signal("TERM");
    let (status, output) = proxy.process.wait();
    assert!(status.success() && !output.contains("open requests are cut"), "{output}");
}

/// The upstream's part is over long before.
fn slow_client() {
    const LENGTH: usize = 100_000;
    let upstream = Upstream::start();
    let mut proxy = start(upstream.address(), &[("DRAIN_TIMEOUT", "3000")]);
    let mut client = RawConnection::connect_with_buffer(proxy.address(), 8 * 1024);
    client.send(get("/v1/models"));
    let mut upstream_conn = upstream.accept();
    upstream_conn.head();
    upstream_conn.send(format!("HTTP/1.1 200 OK\r\ncontent-length: {LENGTH}\r\n\r\n"));
    upstream_conn.send(vec![b'x'; LENGTH]);
    client.head();
    proxy.process.signal("TERM");
    thread::sleep(Duration::from_secs(2));
    assert_eq!(client.bytes(LENGTH).len(), LENGTH);
    assert_eq!(proxy.process.wait().0.code(), Some(0));
}

fn second_signal() {
    let (mut proxy, _client, _serving) = streaming(&[("DRAIN_TIMEOUT", "3000")]);
    drain(&proxy, "TERM");
    proxy.process.signal("TERM");
    assert_eq!(proxy.process.wait().0.code(), Some(1));
}

fn timeout() {
    let (mut proxy, mut client, _serving) = streaming(&[("DRAIN_TIMEOUT", "0.5")]);
    proxy.process.signal("TERM");
    let (status, output) = proxy.process.wait();
    assert!(status.success() && output.contains("open requests are cut"), "{output}");
    assert!(!client.rest().0.ends_with(b"0\r\n\r\n"), "a truncated body must not look complete");
}

fn open_tunnel() {
    let (mut proxy, mut client, mut upstream_conn) = websocket(&[("DRAIN_TIMEOUT", "3000")], "/v1/realtime");
    drain(&proxy, "TERM");
    client.send("up");
    upstream_conn.until("up");
    upstream_conn.send("down");
    client.until("down");
    drop(client);
    upstream_conn.rest();
    drop(upstream_conn);
    let (status, output) = proxy.process.wait();
    assert!(status.success() && !output.contains("are cut"), "{output}");
}

fn tunnel() {
    let (mut proxy, mut client, mut upstream_conn) = websocket(&[("DRAIN_TIMEOUT", "0.5")], "/v1/realtime");
    drain(&proxy, "TERM");
    let (status, output) = proxy.process.wait();
    assert!(status.success() && output.contains("open requests are cut"), "{output}");
    client.rest();
    upstream_conn.rest();
}

fn hangup() {
    let (mut proxy, mut client, mut upstream_conn) = streaming(&[("DRAIN_TIMEOUT", "3000")]);
    proxy.process.signal("HUP");
    // If SIGHUP had started a drain, SIGTERM would be the second signal and exit at once.
    drain(&proxy, "TERM");
    upstream_conn.send_chunk("data: 2\n\n");
    client.until("data: 2\n\n");
    upstream_conn.send("0\r\n\r\n");
    assert!(client.rest().0.ends_with(b"0\r\n\r\n"));
    assert_eq!(proxy.process.wait().0.code(), Some(0));
}
