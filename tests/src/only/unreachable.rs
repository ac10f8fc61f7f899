//! Upstreams that are unreachable, untrusted or too slow: the client receives an error in time, and no request is sent
//! twice.

use std::{
    collections::BTreeSet,
    io::Write as _,
    net::{SocketAddr, TcpListener, TcpStream},
    sync::Arc,
    thread,
    time::Duration,
};

use rustls::ServerConfig;
use socket2::{Domain, Socket, Type};

use super::{Test, start};
use crate::{
    adapter::Running as _,
    raw_connection::RawConnection,
    server::Server,
    tls::{self, Authority},
    upstream::{OWN_ADDRESS, RespondingUpstream, Upstream},
    wire::{self, assert_rejected, error_code},
};

pub(super) const TESTS: &[Test] = &[
    ("invalid_certificates_receive_no_request", certificates),
    ("non_tls_upstream_receives_no_request", no_tls),
    ("incomplete_response_head_is_a_504", incomplete_heads),
    ("stalled_connects_and_handshakes_time_out", stalled),
    ("restarts_under_load_lose_and_repeat_nothing", restarts),
];

fn certificates() {
    let (trusted, other) = (Authority::new(), Authority::new());
    let http1 = &["http/1.1"];
    let rows: [(&str, Arc<ServerConfig>); 6] = [
        ("unknown authority", other.server("localhost", http1)),
        ("self-signed", Authority::self_signed("localhost", http1)),
        ("another host", trusted.server("example.com", http1)),
        ("subdomain", trusted.server("a.localhost", http1)),
        ("expired", trusted.server_in("localhost", http1, (1990, 2000))),
        ("not yet valid", trusted.server_in("localhost", http1, (3000, 3001))),
    ];
    let upstream = Upstream::start();
    let proxy = wire::start_tls(&Server, &trusted, upstream.address(), &[]);
    let forwarded = || {
        let mut client = RawConnection::connect(proxy.address());
        client.send(wire::request("POST", "/v1/responses", "content-length: 2\r\n") + "{}");
        let socket = upstream.accept().socket().try_clone().expect("clone the socket");
        (client, socket)
    };
    for (what, config) in &rows {
        let (mut client, socket) = forwarded();
        assert!(tls::accept(socket, config).is_err(), "the handshake fails: {what}");
        assert_rejected(&mut client, 502, "upstream_unreachable");
        assert!(upstream.is_untouched(), "the request is not retried: {what}");
    }
    let (mut client, socket) = forwarded();
    let mut upstream_conn = tls::accept(socket, &trusted.server("localhost", http1)).expect("a valid certificate");
    upstream_conn.head();
    upstream_conn.send("HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n");
    assert_eq!(client.head().status(), 200);
    println!("{} certificates rejected", rows.len());
}

/// Bytes that the upstream sends instead of a `ServerHello`.
const NO_TLS: &[&[u8]] = &[
    b"HTTP/1.1 400 Bad Request\r\ncontent-length: 0\r\n\r\n",
    b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok",
    b"SSH-2.0-OpenSSH_9.2\r\n",
    b"",
    // Alerts: handshake_failure, and close_notify.
    b"\x15\x03\x03\x00\x02\x02\x28",
    b"\x15\x03\x03\x00\x02\x01\x00",
    // A record that is too long, and a partial record.
    b"\x16\x03\x03\xff\xff",
    b"\x16\x03\x03\x00\x40\x02",
    // Data before the handshake, and an old protocol.
    b"\x17\x03\x03\x00\x02ok",
    b"\x16\x03\x00\x00\x04\x0e\x00\x00\x00",
];

fn no_tls() {
    let authority = Authority::new();
    let upstream = Upstream::start();
    let proxy = wire::start_tls(&Server, &authority, upstream.address(), &[]);
    for bytes in NO_TLS {
        let mut client = RawConnection::connect(proxy.address());
        client.send(wire::request("POST", "/v1/responses", "content-length: 2\r\n") + "{}");
        let mut upstream_conn = upstream.accept();
        // The start of the `ClientHello`.
        upstream_conn.bytes(5);
        let _ = upstream_conn.try_send(bytes);
        upstream_conn.finish();
        assert_rejected(&mut client, 502, "upstream_unreachable");
        let received = upstream_conn.rest().0;
        assert!(!received.windows(4).any(|part| part == b"POST"), "nothing is sent unencrypted: {bytes:?}");
        assert!(upstream.is_untouched(), "the request is not retried: {bytes:?}");
    }
    println!("{} handshakes rejected", NO_TLS.len());
}

fn incomplete_heads() {
    let upstream = Upstream::start();
    let proxy = start(upstream.address(), &[("UPSTREAM_TIMEOUT", "0.5")]);
    for prefix in
        ["HTTP/1.1 ", "HTTP/1.1 200 OK\r\ncontent-le", "HTTP/1.1 100 Continue\r\n\r\n", "HTTP/1.1 200 OK\r\na: b"]
    {
        let mut client = RawConnection::connect(proxy.address());
        client.send(wire::request("POST", "/v1/responses", "content-length: 2\r\n") + "{}");
        let mut upstream_conn = upstream.accept();
        let head = upstream_conn.head();
        assert_eq!(upstream_conn.body(&head), b"{}");
        upstream_conn.send(prefix);
        // Single bytes must not extend the timeout of the head.
        let mut dripping = upstream_conn.socket().try_clone().expect("clone the socket");
        thread::spawn(move || {
            while prefix.ends_with('b') && dripping.write_all(b"b").is_ok() {
                thread::sleep(Duration::from_millis(20));
            }
        });
        assert_rejected(&mut client, 504, "upstream_timeout");
        assert!(upstream_conn.rest().0.is_empty(), "the upstream request is cancelled");
        assert!(upstream.is_untouched(), "the request is not retried");
    }
}

fn stalled() {
    // The accept queue is full, so the kernel drops new connections.
    let full = Socket::new(Domain::IPV4, Type::STREAM, None).expect("a socket");
    full.bind(&SocketAddr::from(([127, 0, 0, 1], 0)).into()).expect("bind a free port");
    full.listen(0).expect("listen");
    let address = full.local_addr().ok().and_then(|address| address.as_socket()).expect("an address");
    let mut queued = Vec::new();
    while let Ok(stream) = TcpStream::connect_timeout(&address, Duration::from_millis(300)) {
        queued.push(stream);
    }
    let connect_stalled = start(address, &[]);
    // The kernel accepts, but the upstream ignores the `ClientHello`.
    let authority = Authority::new();
    let silent = TcpListener::bind(("127.0.0.1", 0)).expect("bind a free port");
    let handshake_stalled = wire::start_tls(&Server, &authority, silent.local_addr().expect("an address"), &[]);
    let clients = [connect_stalled.address(), handshake_stalled.address()].map(|proxy| {
        let mut client = RawConnection::connect(proxy);
        client.send(wire::request("POST", "/v1/responses", "content-length: 2\r\n") + "{}");
        client
    });
    for mut client in clients {
        assert_rejected(&mut client, 502, "upstream_unreachable");
    }
}

/// Clients that send requests all the time, and restarts of the upstream.
const CLIENTS: usize = 4;
const RESTARTS: usize = 20;
/// Consecutive good responses after which the new upstream counts as reached.
const GOOD_IN_A_ROW: usize = 25;

fn restarts() {
    let response = |_: &_| b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok".to_vec();
    let mut upstream = RespondingUpstream::start_at(OWN_ADDRESS, response);
    let address = upstream.address();
    let proxy = start(address, &[("LOG", "info")]);
    let post = |client: &mut RawConnection, target: &str| {
        client.send(wire::request("POST", target, "content-length: 2\r\n") + "{}");
        let head = client.head();
        let body = client.body(&head);
        match head.status() {
            200 => assert_eq!(body, b"ok"),
            502 => assert!(["upstream_unreachable", "upstream_failed"].contains(&&*error_code(&body))),
            other => panic!("{other}"),
        }
        head.status() == 200
    };
    let mut delivered = Vec::new();
    let (mut good, mut bad) = (BTreeSet::new(), 0);
    thread::scope(|scope| {
        // Clients stop when this is dropped, by a panic, too.
        let running = Arc::new(());
        let clients: Vec<_> = (0..CLIENTS)
            .map(|client| {
                let (proxy, running) = (&proxy, Arc::downgrade(&running));
                scope.spawn(move || {
                    let mut connection = RawConnection::connect(proxy.address());
                    let targets = (0..).map(|number| format!("/v1/responses?{client}={number}"));
                    targets
                        .take_while(|_| running.strong_count() > 0)
                        .map(|target| (post(&mut connection, &target), target))
                        .collect::<Vec<_>>()
                })
            })
            .collect();
        let mut probe = RawConnection::connect(proxy.address());
        for _ in 0..RESTARTS {
            delivered.extend(upstream.stop());
            while post(&mut probe, "/v1/probe") {}
            upstream = RespondingUpstream::start_at(address, response);
            let mut row = 0;
            while row < GOOD_IN_A_ROW {
                row = if post(&mut probe, "/v1/probe") { row + 1 } else { 0 };
            }
        }
        drop(running);
        for (was_good, target) in clients.into_iter().flat_map(|client| client.join().expect("no wrong response")) {
            if was_good {
                good.insert(target);
            } else {
                bad += 1;
            }
        }
    });
    delivered.extend(upstream.stop());
    let targets: Vec<_> =
        delivered.iter().map(|request| request.head.word(1)).filter(|target| target.contains('=')).collect();
    let once: BTreeSet<_> = targets.iter().map(|target| (*target).to_owned()).collect();
    assert_eq!(once.len(), targets.len(), "nothing is delivered twice");
    assert!(good.is_subset(&once), "every request with a response was delivered");
    println!("{RESTARTS} restarts: {} responses, {bad} times 502, nothing delivered twice", good.len());
}
