//! Uploads: early responses, rejections, `100 Continue`, and flat memory.

use std::thread;

use super::{Test, error_code, forwarded, get, request, start, test, upload, upload_in_progress};
use crate::{
    adapter::{Adapter, Feature, Running},
    http2, procfs,
    raw_connection::RawConnection,
    upstream::Upstream,
};

pub(super) const TESTS: &[Test] = &[
    test("early_response_is_delivered", &[Feature::StreamingUpload], early_response),
    test("invalid_chunk_is_the_clients_error", &[Feature::StreamingUpload, Feature::ConnectErrors], invalid),
    test("rejection_is_delivered_during_the_upload", &[Feature::StreamingUpload], rejected),
    test("interrupted_upload_closes_the_upstream_connection", &[Feature::StreamingUpload, Feature::Pool], interrupted),
    test("upload_continues_while_the_response_is_unread", &[Feature::StreamingUpload, Feature::Pool], unread_response),
    test("proxy_sends_100_continue", &[Feature::Continue], expect_continue),
    test("no_100_continue_without_a_valid_key", &[Feature::Continue], expect_rejected),
    test("post_without_body_has_a_length", &[Feature::Pool, Feature::Http2], without_body),
    test("gigabyte_upload_uses_flat_memory", &[Feature::Unbounded], gigabyte_up),
    test("gigabyte_download_uses_flat_memory", &[Feature::Unbounded], gigabyte_down),
];

fn early_response(adapter: &dyn Adapter) {
    let (_proxy, mut client, mut upstream_conn, _) = upload_in_progress(adapter);
    upstream_conn.send("HTTP/1.1 413 Content Too Large\r\nconnection: close\r\ncontent-length: 5\r\n\r\nlarge");
    drop(upstream_conn);
    let head = client.head();
    assert_eq!(head.status(), 413);
    assert_eq!(client.body(&head), b"large");
}

/// Some servers answer 411 without it.
fn without_body(adapter: &dyn Adapter) {
    for method in ["POST", "PUT", "PATCH"] {
        let upstream = Upstream::start();
        let proxy = start(adapter, upstream.address(), &[]);
        let mut client = RawConnection::connect(proxy.address());
        client.send(request(method, "/v1/responses/r/cancel", ""));
        let mut upstream_conn = upstream.accept();
        assert_eq!(upstream_conn.head().header("content-length"), Some("0"));
        upstream_conn.send("HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n");
        assert_eq!(client.head().status(), 200);
        let proxy = start(adapter, upstream.address(), &[]);
        let mut client = http2::Client::connect(proxy.address());
        let mut request = get("/v1/responses/r/cancel");
        *request.method_mut() = method.parse().unwrap();
        let _pending = client.send(request);
        assert_eq!(upstream.accept().head().header("content-length"), Some("0"));
    }
}

/// The client is at fault, not the upstream.
fn invalid(adapter: &dyn Adapter) {
    for body in ["3\r\noneX", "x\r\n"] {
        let upstream = Upstream::start();
        let proxy = start(adapter, upstream.address(), &[]);
        let mut client = RawConnection::connect(proxy.address());
        client.send(upload("") + body);
        let head = client.head();
        assert_eq!((head.status(), head.header("x-should-retry")), (400, Some("false")));
        assert_eq!(error_code(&client.body(&head)), "invalid_body");
    }
}

fn rejected(adapter: &dyn Adapter) {
    let upstream = Upstream::start();
    let proxy = start(adapter, upstream.address(), &[]);
    let mut client = RawConnection::connect(proxy.address());
    client.send("POST /v1/files HTTP/1.1\r\nhost: x\r\ncontent-length: 10485760\r\n\r\n");
    // More than the socket buffers hold: a reset would discard the response while bytes are in flight.
    let mut sender = RawConnection::over(client.socket().try_clone().unwrap());
    let sending = thread::spawn(move || sender.try_send(vec![b'x'; 10_485_760]));
    let head = client.head();
    assert_eq!(head.status(), 401);
    assert_eq!(head.header("x-should-retry"), Some("false"));
    let body = client.body(&head);
    assert!(body.starts_with(b"{\"error\":") && body.ends_with(b"}}\n"));
    let _ = sending.join().unwrap();
    assert!(upstream.is_untouched());
}

fn interrupted(adapter: &dyn Adapter) {
    let upstream = Upstream::start();
    let proxy = start(adapter, upstream.address(), &[]);
    let mut client = RawConnection::connect(proxy.address());
    client.send(upload("") + "3\r\none\r\n");
    let mut upstream_conn = upstream.accept();
    upstream_conn.until("one");
    upstream_conn.send("HTTP/1.1 413 Content Too Large\r\ncontent-length: 5\r\n\r\nlarge");
    let head = client.head();
    assert_eq!((head.status(), client.body(&head)), (413, b"large".to_vec()));
    assert!(!upstream_conn.rest().0.ends_with(b"0\r\n\r\n"), "a partial upload must not look complete");
    let mut client = RawConnection::connect(proxy.address());
    client.send(request("GET", "/v1/models", ""));
    let mut upstream_conn = upstream.accept();
    upstream_conn.head();
    upstream_conn.send("HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n");
    assert_eq!(client.head().status(), 200);
}

/// Both directions carry more than the socket buffers hold, in pieces.
fn unread_response(adapter: &dyn Adapter) {
    const DOWN: usize = 64;
    const UP: usize = 256;
    let (_proxy, mut client, mut upstream_conn, _) = upload_in_progress(adapter);
    let mut responding = RawConnection::over(upstream_conn.socket().try_clone().unwrap());
    responding.send(format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n", DOWN * PIECE));
    let head = client.head();
    let responding = thread::spawn(move || (0..DOWN).for_each(|_| responding.send(vec![b'd'; PIECE])));
    let mut uploading = RawConnection::over(client.socket().try_clone().unwrap());
    let uploading = thread::spawn(move || {
        (0..UP).for_each(|_| uploading.send_chunk(vec![b'u'; PIECE]));
        uploading.send("0\r\n\r\n");
    });
    let mut uploaded = 0;
    upstream_conn.until("\r\n");
    loop {
        match upstream_conn.chunk().len() {
            0 => break,
            length => uploaded += length,
        }
    }
    assert_eq!(uploaded, UP * PIECE);
    uploading.join().unwrap();
    assert!(client.body(&head).iter().all(|byte| *byte == b'd'));
    responding.join().unwrap();
}

fn expect_continue(adapter: &dyn Adapter) {
    let (_proxy, mut client, mut upstream_conn, upstream_head) =
        forwarded(adapter, &request("POST", "/v1/files", "expect: 100-continue\r\ncontent-length: 4\r\n"));
    assert_eq!(upstream_head.header("expect"), None);
    assert_eq!(client.head().status(), 100);
    client.send("body");
    assert_eq!(upstream_conn.body(&upstream_head), b"body");
    upstream_conn.send("HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n");
    assert_eq!(client.head().status(), 200);
}

fn expect_rejected(adapter: &dyn Adapter) {
    let upstream = Upstream::start();
    let proxy = start(adapter, upstream.address(), &[]);
    let mut client = RawConnection::connect(proxy.address());
    client.send("POST /v1/files HTTP/1.1\r\nhost: x\r\nexpect: 100-continue\r\ncontent-length: 4\r\n\r\n");
    assert_eq!(client.head().status(), 401);
    assert!(upstream.is_untouched());
}

/// Bytes of the large bodies, and of each piece.
const GIGABYTE: usize = 1 << 30;
const PIECE: usize = 1 << 20;
/// Memory growth of the process, at most, in KiB.
const GROWTH: u64 = 32 << 10;

/// Distinct pieces, so that a lost, repeated or swapped piece is detected.
fn piece(number: usize) -> Vec<u8> {
    let mut piece = vec![u8::try_from(number % 251).unwrap(); PIECE];
    piece[..8].copy_from_slice(&(number as u64).to_le_bytes());
    piece
}

fn gigabyte_up(adapter: &dyn Adapter) {
    let upstream = Upstream::start();
    let proxy = start(adapter, upstream.address(), &[]);
    let mut client = RawConnection::connect(proxy.address());
    client.send(request("POST", "/v1/files", &format!("content-length: {GIGABYTE}\r\n")));
    let mut upstream_conn = upstream.accept();
    assert_eq!(upstream_conn.head().content_length(), Some(GIGABYTE));
    let before = procfs::resident(process(&*proxy));
    let sending = thread::spawn(move || {
        (0..GIGABYTE / PIECE).for_each(|number| client.send(piece(number)));
        client
    });
    for number in 0..GIGABYTE / PIECE {
        assert!(upstream_conn.bytes(PIECE) == piece(number), "piece {number} passes unchanged");
    }
    let mut client = sending.join().unwrap();
    upstream_conn.send("HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n");
    assert_eq!(client.head().status(), 200);
    flat(&*proxy, before);
}

fn gigabyte_down(adapter: &dyn Adapter) {
    let (proxy, mut client, mut upstream_conn, _) = forwarded(adapter, &request("GET", "/v1/files/1/content", ""));
    let before = procfs::resident(process(&*proxy));
    let sending = thread::spawn(move || {
        upstream_conn.send(format!("HTTP/1.1 200 OK\r\ncontent-length: {GIGABYTE}\r\n\r\n"));
        (0..GIGABYTE / PIECE).for_each(|number| upstream_conn.send(piece(number)));
        upstream_conn
    });
    assert_eq!(client.head().content_length(), Some(GIGABYTE));
    for number in 0..GIGABYTE / PIECE {
        assert!(client.bytes(PIECE) == piece(number), "piece {number} passes unchanged");
    }
    drop(sending.join().unwrap());
    flat(&*proxy, before);
}

fn flat(proxy: &dyn Running, before: u64) {
    let peak = procfs::resident_peak(process(proxy));
    assert!(peak < before + GROWTH, "from {before} KiB to {peak} KiB");
}

fn process(proxy: &dyn Running) -> u32 {
    proxy.process().expect("the adapter has a process id")
}
