//! Limits on clients: head size and timeouts.

use super::{Test, get, start};
use crate::{
    adapter::Running as _,
    http2,
    raw_connection::RawConnection,
    tls::{self, Authority},
    upstream::Upstream,
    wire,
};

pub(super) const TESTS: &[Test] = &[
    ("oversized_head_is_rejected", large_head),
    ("oversized_head_is_rejected_over_http2", large_head_http2),
    ("ten_thousand_headers_are_rejected", many_headers),
    ("rejected_upload_is_drained", rejected_upload),
    ("incomplete_head_times_out", incomplete_head),
    ("silent_connection_times_out", silent),
    ("incomplete_tls_handshake_times_out", tls_silent),
    ("endless_client_hello_is_refused", endless_client_hello),
    ("idle_connection_is_closed_but_busy_one_is_not", idle),
    ("idle_http2_connection_is_closed_but_busy_one_is_not", idle_http2),
    ("silent_http2_connection_times_out", silent_http2),
];

fn large_head() {
    let upstream = Upstream::start();
    let proxy = start(upstream.address(), &[("MAX_HEAD", "8192")]);
    let mut client = RawConnection::connect(proxy.address());
    // More than the socket buffers hold: a reset would discard the response.
    let mut sender = RawConnection::over(client.socket().try_clone().unwrap());
    let head = wire::request("GET", "/v1/models", &format!("x-large: {}\r\n", "x".repeat(10_000_000)));
    let sending = std::thread::spawn(move || sender.try_send(head));
    assert_eq!(client.head().status(), 431);
    sending.join().unwrap().expect("a client that sends before it reads is not reset");
    assert!(upstream.is_untouched());
}

fn large_head_http2() {
    let upstream = Upstream::start();
    let proxy = start(upstream.address(), &[("MAX_HEAD", "8192")]);
    let mut client = http2::Client::connect(proxy.address());
    let mut request = wire::get("/v1/models");
    request.headers_mut().insert("x-large", "x".repeat(10_000).parse().unwrap());
    assert_eq!(client.request(request).0.status, 431);
    assert_eq!(client.request(wire::get("/healthz")).0.status, 200, "other streams of the connection continue");
    assert!(upstream.is_untouched());
}

fn many_headers() {
    let upstream = Upstream::start();
    // Each header is within the limit of the size, and so is the whole head.
    let proxy = start(upstream.address(), &[("MAX_HEAD", "1000000")]);
    let names = || (0..10_000).map(|number| format!("x-{number}"));
    let mut client = RawConnection::connect(proxy.address());
    let lines: String = names().map(|name| name + ": x\r\n").collect();
    client.send(wire::request("GET", "/v1/models", &lines));
    assert_eq!(client.head().status(), 431);
    let mut client = http2::Client::connect(proxy.address());
    let mut request = wire::get("/v1/models");
    for name in names() {
        request.headers_mut().insert(http::HeaderName::try_from(name).unwrap(), http::HeaderValue::from_static("x"));
    }
    assert_eq!(client.request(request).0.status, 431);
    assert_eq!(client.request(wire::get("/healthz")).0.status, 200, "other streams of the connection continue");
    assert!(upstream.is_untouched());
}

fn rejected_upload() {
    let upstream = Upstream::start();
    let proxy = start(upstream.address(), &[]);
    let mut client = RawConnection::connect(proxy.address());
    client.send("POST /v1/files HTTP/1.1\r\nhost: x\r\ncontent-length: 10000000\r\n\r\n");
    client.try_send(vec![b'x'; 10_000_000]).expect("a client that sends before it reads is not reset");
    assert_eq!(client.head().status(), 401);
    assert!(upstream.is_untouched());
}

fn incomplete_head() {
    let upstream = Upstream::start();
    let proxy = start(upstream.address(), &[("HEADER_TIMEOUT", "0.5")]);
    let mut client = RawConnection::connect(proxy.address());
    client.send("GET /v1/models HTTP/1.1\r\nhost: x\r\nx-never: ");
    client.rest();

    // The same after a complete request.
    let mut client = RawConnection::connect(proxy.address());
    client.send("GET /healthz HTTP/1.1\r\nhost: x\r\n\r\n");
    client.until("ok\n");
    client.send("GET /healthz HT");
    client.rest();
    assert!(upstream.is_untouched());
}

fn silent() {
    let upstream = Upstream::start();
    let proxy = start(upstream.address(), &[("HEADER_TIMEOUT", "0.5")]);
    assert!(RawConnection::connect(proxy.address()).rest().0.is_empty());
}

fn tls_silent() {
    let authority = Authority::new();
    let (cert, key) = authority.files("localhost");
    let upstream = Upstream::start();
    let more = [("HEADER_TIMEOUT", "0.5"), ("TLS_CERT", cert.as_str()), ("TLS_KEY", key.as_str())];
    let proxy = start(upstream.address(), &more);
    let mut client = RawConnection::connect(proxy.address());
    client.send([0x16, 0x03, 0x01]);
    assert!(client.rest().0.is_empty());
}

/// The last byte of 60,000 never comes, and no timeout of the test ends the handshake.
fn endless_client_hello() {
    let authority = Authority::new();
    let (cert, key) = authority.files("localhost");
    let settings = [("TLS_CERT", &*cert), ("TLS_KEY", &*key), ("HEADER_TIMEOUT", "3000")];
    let proxy = start(Upstream::start().address(), &settings);
    let mut client = RawConnection::connect(proxy.address());
    // https://www.rfc-editor.org/rfc/rfc8446#section-4 and #section-5.1
    let message = [&[1, 0, 0xEA, 0x60][..], &vec![0; 59_999]].concat();
    for part in message.chunks(16_000) {
        let length = u16::try_from(part.len()).expect("a record's length").to_be_bytes();
        // The server may have closed the connection.
        let _ = client.try_send([&[0x16, 3, 1][..], &length, part].concat());
    }
    client.rest();
    // Longer handshakes than usual pass: this one has 8 KB.
    let protocols: Vec<_> = (0..40).map(|number| format!("{number:0200}")).chain(["http/1.1".to_owned()]).collect();
    let protocols: Vec<_> = protocols.iter().map(String::as_str).collect();
    let socket = http2::socket(proxy.address());
    let mut client = tls::connect(socket, &authority.client(&protocols)).expect("the TLS handshake succeeds");
    client.send("GET /healthz HTTP/1.1\r\nhost: x\r\n\r\n");
    assert_eq!(client.head().status(), 200);
}

fn idle() {
    let upstream = Upstream::start();
    let proxy = start(upstream.address(), &[("HEADER_TIMEOUT", "0.5"), ("IDLE_TIMEOUT", "0.5")]);
    let mut busy = RawConnection::connect(proxy.address());
    busy.send(get("/v1/models"));
    let mut upstream_conn = upstream.accept();
    upstream_conn.head();
    // One after the other, so that the busy connection stays open four times the idle timeout.
    for _ in 0..4 {
        let mut idle = RawConnection::connect(proxy.address());
        idle.send("GET /healthz HTTP/1.1\r\nhost: x\r\n\r\n");
        idle.until("ok\n");
        assert!(idle.rest().0.is_empty());
    }
    upstream_conn.send("HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok");
    busy.until("\r\n\r\nok");
}

fn idle_http2() {
    let upstream = Upstream::start();
    let proxy = start(upstream.address(), &[("HEADER_TIMEOUT", "0.5"), ("IDLE_TIMEOUT", "0.5")]);
    let mut busy = http2::Client::connect(proxy.address());
    let pending = busy.send(wire::get("/v1/models"));
    let mut upstream_conn = upstream.accept();
    upstream_conn.head();
    for _ in 0..4 {
        let mut idle = http2::Client::connect(proxy.address());
        let (head, body) = idle.request(wire::get("/healthz"));
        assert_eq!((head.status.as_u16(), body.all()), (200, b"ok\n".to_vec()));
        idle.wait_closed();
    }
    assert!(!busy.is_closed());
    upstream_conn.send("HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok");
    assert_eq!(pending.response().1.all(), b"ok");
    busy.wait_closed();
}

fn silent_http2() {
    let upstream = Upstream::start();
    let proxy = start(upstream.address(), &[("HEADER_TIMEOUT", "0.5")]);
    http2::Client::connect(proxy.address()).wait_closed();
}
