//! Clients that take no data: `SEND_TIMEOUT`.

use std::{
    io::{self, Read as _},
    thread,
    time::Duration,
};

use super::{Test, forwarded, get, start, websocket};
use crate::{
    adapter::Running as _,
    http2::{
        self,
        frames::{
            Frames, block,
            flag::{END_HEADERS, END_STREAM},
            frame,
            kind::HEADERS,
            no_window,
        },
    },
    raw_connection::RawConnection,
    server::RunningServer,
    upstream::Upstream,
    wire,
};

pub(super) const TESTS: &[Test] = &[
    ("unread_download_is_cut", unread_download),
    ("unread_websocket_is_cut", unread_websocket),
    ("blocked_http2_stream_is_cut_and_others_continue", blocked_stream),
    ("blocked_http2_rejection_closes_the_connection", blocked_rejection),
    ("unread_rejections_close_the_connection", unread_rejections),
    ("waiting_for_the_upstream_does_not_count", slow_upstream),
    ("slow_reader_stays", slow_reader),
];

/// Seconds.
const SEND_TIMEOUT: (&str, &str) = ("SEND_TIMEOUT", "1");

/// More than all socket buffers on the way hold.
const LARGE: usize = 64 * 1024 * 1024;

/// A response whose client has not read its body.
fn large_download(target: &str) -> (RunningServer, RawConnection, RawConnection) {
    let (proxy, client, mut upstream_conn) = forwarded(&[SEND_TIMEOUT], &get(target));
    upstream_conn.send(format!("HTTP/1.1 200 OK\r\ncontent-length: {LARGE}\r\n\r\n"));
    (proxy, client, upstream_conn)
}

fn unread_download() {
    let (proxy, client, mut upstream_conn) = large_download("/v1/files/f/content");
    assert_cut(&proxy, &mut upstream_conn);
    drop(client);
}

/// The request ends although neither the client nor the upstream closes its connection.
fn assert_cut(proxy: &RunningServer, upstream_conn: &mut RawConnection) {
    upstream_conn.try_send(vec![0; LARGE]).expect_err("the proxy does not read all");
    let line = proxy.process.wait_for(|line| line.contains("sparekey::access").then(|| line.to_owned()));
    assert!(line.contains("end=\"cut\""), "{line}");
}

fn unread_websocket() {
    let (proxy, client, mut upstream_conn) = websocket(&[SEND_TIMEOUT], "/v1/realtime");
    assert_cut(&proxy, &mut upstream_conn);
    drop(client);
}

fn blocked_stream() {
    let upstream = Upstream::start();
    let proxy = start(upstream.address(), &[SEND_TIMEOUT]);
    let mut client = http2::Client::connect(proxy.address());
    let pending = client.send(wire::get("/v1/files/f/content"));
    let mut upstream_conn = upstream.accept();
    upstream_conn.head();
    upstream_conn.send(format!("HTTP/1.1 200 OK\r\ncontent-length: {LARGE}\r\n\r\n"));
    // The body is not read, so its window stays closed.
    let (head, body) = pending.response();
    assert_eq!(head.status, 200);
    assert_cut(&proxy, &mut upstream_conn);
    assert_eq!(client.request(wire::get("/healthz")).0.status, 200, "other streams of the connection continue");
    drop(body);
}

fn blocked_rejection() {
    let proxy = start(Upstream::start().address(), &[SEND_TIMEOUT, ("IDLE_TIMEOUT", "1"), ("HEADER_TIMEOUT", "1")]);
    let mut client = Frames::client(RawConnection::connect(proxy.address()));
    let fields = [(":method", "GET"), (":scheme", "http"), (":authority", "x"), (":path", "/v1/models")];
    let request = frame(HEADERS, END_HEADERS | END_STREAM, 1, &block(fields));
    client.send([no_window(), request].concat()).unwrap();
    while client.receive().is_some() {}
}

fn slow_upstream() {
    let (_proxy, mut client, mut upstream_conn) = large_download("/v1/models");
    client.head();
    thread::sleep(Duration::from_secs(3));
    upstream_conn.send("late");
    assert_eq!(client.bytes(4), b"late");
}

/// The client reads 4 KiB at a time: less than a socket's buffer, and more than the server waits for.
fn slow_reader() {
    const TIMEOUT: Duration = Duration::from_secs(5);
    let upstream = Upstream::start();
    let proxy = start(upstream.address(), &[("SEND_TIMEOUT", "5")]);
    let mut client = RawConnection::connect_with_buffer(proxy.address(), 8 * 1024);
    client.send(get("/v1/models"));
    let mut upstream_conn = upstream.accept();
    upstream_conn.head();
    upstream_conn.send(format!("HTTP/1.1 200 OK\r\ncontent-length: {LARGE}\r\n\r\n"));
    let sending = thread::spawn(move || upstream_conn.try_send(vec![0; LARGE]));
    client.head();
    let mut socket = client.socket();
    for _ in 0..20 {
        thread::sleep(TIMEOUT / 10);
        socket.read_exact(&mut [0; 4096]).expect("the connection is open");
    }
    let mut rest = client.socket().try_clone().unwrap();
    let reading = thread::spawn(move || io::copy(&mut rest, &mut io::sink()));
    sending.join().unwrap().expect("the client reads all");
    client.close();
    let _ = reading.join().unwrap();
}

/// Although the timeout for the upstream's responses is longer than the test.
fn unread_rejections() {
    let proxy = start(Upstream::start().address(), &[("SEND_TIMEOUT", "3000"), ("IDLE_TIMEOUT", "3000")]);
    let mut client = RawConnection::connect(proxy.address());
    let request = "GET /v1/models HTTP/1.1\r\nhost: x\r\n\r\n";
    client.try_send(request.repeat(LARGE / request.len())).expect_err("the server reads no further requests");
}
