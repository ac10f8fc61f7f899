//! Heads, silence and numbers are bounded.

use super::{Test, get, start};
use crate::{adapter::Running as _, http2, raw_connection::RawConnection, tls::Authority, upstream::Upstream, wire};

pub(super) const TESTS: &[Test] = &[
    ("a_head_too_large_is_refused", large_head),
    ("a_head_too_large_is_refused_over_http2", large_head_http2),
    ("ten_thousand_headers_are_refused", many_headers),
    ("a_refused_upload_is_read_on", refused_upload),
    ("a_head_that_never_ends_is_given_up", endless_head),
    ("a_connection_that_says_nothing_is_given_up", silence),
    ("a_tls_handshake_that_never_ends_is_given_up", tls_silence),
    ("an_idle_connection_is_closed_and_a_busy_one_is_not", idle),
    ("an_idle_http2_connection_is_closed_and_a_busy_one_is_not", idle_http2),
    ("an_http2_connection_that_asks_nothing_is_given_up", silence_http2),
    ("connections_beyond_the_maximum_wait", maximum),
];

fn large_head() {
    let upstream = Upstream::start();
    let proxy = start(upstream.address(), &[("MAX_HEAD", "8192")]);
    let mut client = RawConnection::connect(proxy.address());
    // More than the sockets between hold: a reset would take the answer along.
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
    assert_eq!(client.request(wire::get("/healthz")).0.status, 200, "the connection's other requests go on");
    assert!(upstream.is_untouched());
}

fn many_headers() {
    let upstream = Upstream::start();
    // Each is in bounds, and so are all together.
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
    assert_eq!(client.request(wire::get("/healthz")).0.status, 200, "the connection's other requests go on");
    assert!(upstream.is_untouched());
}

fn refused_upload() {
    let upstream = Upstream::start();
    let proxy = start(upstream.address(), &[]);
    let mut client = RawConnection::connect(proxy.address());
    client.send("POST /v1/files HTTP/1.1\r\nhost: x\r\ncontent-length: 10000000\r\n\r\n");
    client.try_send(vec![b'x'; 10_000_000]).expect("a client that sends before it reads is not reset");
    assert_eq!(client.head().status(), 401);
    assert!(upstream.is_untouched());
}

fn endless_head() {
    let upstream = Upstream::start();
    let proxy = start(upstream.address(), &[("HEADER_TIMEOUT", "0.5")]);
    let mut client = RawConnection::connect(proxy.address());
    client.send("GET /v1/models HTTP/1.1\r\nhost: x\r\nx-never: ");
    client.rest();

    // After a request that was fine, too.
    let mut client = RawConnection::connect(proxy.address());
    client.send("GET /healthz HTTP/1.1\r\nhost: x\r\n\r\n");
    client.until("ok\n");
    client.send("GET /healthz HT");
    client.rest();
    assert!(upstream.is_untouched());
}

fn silence() {
    let upstream = Upstream::start();
    let proxy = start(upstream.address(), &[("HEADER_TIMEOUT", "0.5")]);
    assert!(RawConnection::connect(proxy.address()).rest().0.is_empty());
}

fn tls_silence() {
    let authority = Authority::new();
    let (cert, key) = authority.files("localhost");
    let upstream = Upstream::start();
    let more = [("HEADER_TIMEOUT", "0.5"), ("TLS_CERT", cert.as_str()), ("TLS_KEY", key.as_str())];
    let proxy = start(upstream.address(), &more);
    let mut client = RawConnection::connect(proxy.address());
    client.send([0x16, 0x03, 0x01]);
    assert!(client.rest().0.is_empty());
}

fn idle() {
    let upstream = Upstream::start();
    let proxy = start(upstream.address(), &[("HEADER_TIMEOUT", "0.5"), ("IDLE_TIMEOUT", "0.5")]);
    let mut busy = RawConnection::connect(proxy.address());
    busy.send(get("/v1/models"));
    let mut upstream_conn = upstream.accept();
    upstream_conn.head();
    // Each in turn has as long a time; together they have a second more for a farewell.
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

fn silence_http2() {
    let upstream = Upstream::start();
    let proxy = start(upstream.address(), &[("HEADER_TIMEOUT", "0.5")]);
    http2::Client::connect(proxy.address()).wait_closed();
}

fn maximum() {
    let upstream = Upstream::start();
    let proxy = start(upstream.address(), &[("MAX_CONNECTIONS", "1")]);
    let mut first = RawConnection::connect(proxy.address());
    first.send(get("/v1/models"));
    let mut upstream_conn = upstream.accept();
    upstream_conn.head();
    let mut second = RawConnection::connect(proxy.address());
    second.send("GET /healthz HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n");
    upstream_conn.send("HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok");
    first.until("\r\n\r\nok");
    // Each is a time in which the second one would have been answered, had it a place.
    for _ in 0..100 {
        first.send("GET /healthz HTTP/1.1\r\nhost: x\r\n\r\n");
        first.until("ok\n");
    }
    assert!(!second.has_unread(), "it waits for a place");
    drop(first);
    assert_eq!(second.head().status(), 200);
}
