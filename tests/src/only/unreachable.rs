//! Upstreams that are not there, that are somebody else, or that keep everybody pending: the client gets an error in
//! time, and nothing that was sent is sent again.

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
    upstream::{RespondingUpstream, Upstream},
    wire::{self, error_code, refused},
};

pub(super) const TESTS: &[Test] = &[
    ("certificates_that_vouch_for_nothing_get_no_request", certificates),
    ("what_speaks_no_tls_gets_no_request", no_tls),
    ("a_head_that_does_not_end_is_a_504", late_heads),
    ("connections_and_handshakes_that_hang_are_given_up", hanging),
    ("restarts_under_load_lose_and_repeat_nothing", restarts),
];

fn certificates() {
    let (trusted, other) = (Authority::new(), Authority::new());
    let http1 = &["http/1.1"];
    let rows: [(&str, Arc<ServerConfig>); 6] = [
        ("an authority that nobody knows", other.server("localhost", http1)),
        ("signed by itself", Authority::self_signed("localhost", http1)),
        ("another host", trusted.server("example.com", http1)),
        ("a host below", trusted.server("a.localhost", http1)),
        ("over", trusted.server_in("localhost", http1, (1990, 2000))),
        ("not yet", trusted.server_in("localhost", http1, (3000, 3001))),
    ];
    let upstream = Upstream::start();
    let proxy = wire::start_tls(&Server, &trusted, upstream.address(), &[]);
    let ask = || {
        let mut client = RawConnection::connect(proxy.address());
        client.send(wire::request("POST", "/v1/responses", "content-length: 2\r\n") + "{}");
        let socket = upstream.accept().socket().try_clone().expect("a socket has many handles");
        (client, socket)
    };
    for (what, config) in &rows {
        let (mut client, socket) = ask();
        assert!(tls::accept(socket, config).is_err(), "the handshake ends: {what}");
        refused(&mut client, 502, "upstream_unreachable");
        assert!(upstream.is_untouched(), "it is not tried again: {what}");
    }
    let (mut client, socket) = ask();
    let mut upstream_conn = tls::accept(socket, &trusted.server("localhost", http1)).expect("a good certificate");
    upstream_conn.head();
    upstream_conn.send("HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n");
    assert_eq!(client.head().status(), 200);
    println!("{} certificates refused", rows.len());
}

/// What stands where TLS should.
const NO_TLS: &[&[u8]] = &[
    b"HTTP/1.1 400 Bad Request\r\ncontent-length: 0\r\n\r\n",
    b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok",
    b"SSH-2.0-OpenSSH_9.2\r\n",
    b"",
    // Alerts: handshake_failure, and close_notify.
    b"\x15\x03\x03\x00\x02\x02\x28",
    b"\x15\x03\x03\x00\x02\x01\x00",
    // A record that is too long, and half of one.
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
        // The client's hello.
        upstream_conn.bytes(5);
        let _ = upstream_conn.try_send(bytes);
        upstream_conn.finish();
        refused(&mut client, 502, "upstream_unreachable");
        let heard = upstream_conn.rest().0;
        assert!(!heard.windows(4).any(|part| part == b"POST"), "nothing goes out in the clear: {bytes:?}");
        assert!(upstream.is_untouched(), "it is not tried again: {bytes:?}");
    }
    println!("{} handshakes refused", NO_TLS.len());
}

fn late_heads() {
    let upstream = Upstream::start();
    let proxy = start(upstream.address(), &[("UPSTREAM_TIMEOUT", "0.5")]);
    for begin in
        ["HTTP/1.1 ", "HTTP/1.1 200 OK\r\ncontent-le", "HTTP/1.1 100 Continue\r\n\r\n", "HTTP/1.1 200 OK\r\na: b"]
    {
        let mut client = RawConnection::connect(proxy.address());
        client.send(wire::request("POST", "/v1/responses", "content-length: 2\r\n") + "{}");
        let mut upstream_conn = upstream.accept();
        let head = upstream_conn.head();
        assert_eq!(upstream_conn.body(&head), b"{}");
        upstream_conn.send(begin);
        // Bytes that come are no head that comes.
        let mut dripping = upstream_conn.socket().try_clone().expect("a socket has many handles");
        thread::spawn(move || {
            while begin.ends_with('b') && dripping.write_all(b"b").is_ok() {
                thread::sleep(Duration::from_millis(20));
            }
        });
        refused(&mut client, 504, "upstream_timeout");
        assert!(upstream_conn.rest().0.is_empty(), "the request is given up upstream, too");
        assert!(upstream.is_untouched(), "it is not tried again");
    }
}

fn hanging() {
    // Nobody accepts, and the queue is full: the kernel answers no more.
    let full = Socket::new(Domain::IPV4, Type::STREAM, None).expect("a socket");
    full.bind(&SocketAddr::from(([127, 0, 0, 1], 0)).into()).expect("a port is free");
    full.listen(0).expect("it listens");
    let address = full.local_addr().ok().and_then(|address| address.as_socket()).expect("an address");
    let mut queued = Vec::new();
    while let Ok(stream) = TcpStream::connect_timeout(&address, Duration::from_millis(300)) {
        queued.push(stream);
    }
    let unanswered = start(address, &[]);
    // Somebody accepts, and says nothing.
    let authority = Authority::new();
    let silent = TcpListener::bind(("127.0.0.1", 0)).expect("a port is free");
    let speechless = wire::start_tls(&Server, &authority, silent.local_addr().expect("an address"), &[]);
    let clients = [unanswered.address(), speechless.address()].map(|proxy| {
        let mut client = RawConnection::connect(proxy);
        client.send(wire::request("POST", "/v1/responses", "content-length: 2\r\n") + "{}");
        client
    });
    for mut client in clients {
        refused(&mut client, 502, "upstream_unreachable");
    }
}

/// Clients that ask all the time, and how often the upstream begins anew.
const CLIENTS: usize = 4;
const RESTARTS: usize = 20;
/// Good answers in a row, after which a client has seen the new upstream.
const ENOUGH: usize = 25;

fn restarts() {
    let answer = |_: &_| b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok".to_vec();
    let mut upstream = RespondingUpstream::start(answer);
    let address = upstream.address();
    let proxy = start(address, &[("LOG", "info")]);
    let ask = |client: &mut RawConnection, target: &str| {
        client.send(wire::request("POST", target, "content-length: 2\r\n") + "{}");
        let head = client.head();
        let body = client.body(&head);
        match head.status() {
            200 => assert_eq!(body, b"ok"),
            502 => assert_eq!(error_code(&body), "upstream_unreachable"),
            other => panic!("{other}"),
        }
        head.status() == 200
    };
    let mut delivered = Vec::new();
    let (mut good, mut bad) = (BTreeSet::new(), 0);
    thread::scope(|scope| {
        // Clients ask as long as somebody holds it, whatever ends that.
        let asking = Arc::new(());
        let clients: Vec<_> = (0..CLIENTS)
            .map(|client| {
                let (proxy, asking) = (&proxy, Arc::downgrade(&asking));
                scope.spawn(move || {
                    let mut connection = RawConnection::connect(proxy.address());
                    let targets = (0..).map(|number| format!("/v1/responses?{client}={number}"));
                    targets
                        .take_while(|_| asking.strong_count() > 0)
                        .map(|target| (ask(&mut connection, &target), target))
                        .collect::<Vec<_>>()
                })
            })
            .collect();
        let mut witness = RawConnection::connect(proxy.address());
        for _ in 0..RESTARTS {
            delivered.extend(upstream.stop());
            while ask(&mut witness, "/v1/witness") {}
            upstream = RespondingUpstream::start_at(address, answer);
            let mut row = 0;
            while row < ENOUGH {
                row = if ask(&mut witness, "/v1/witness") { row + 1 } else { 0 };
            }
        }
        drop(asking);
        for (was_good, target) in clients.into_iter().flat_map(|client| client.join().expect("no wrong answer")) {
            if was_good {
                good.insert(target);
            } else {
                bad += 1;
            }
        }
    });
    delivered.extend(upstream.stop());
    let targets: Vec<_> =
        delivered.iter().map(|seen| seen.head.word(1)).filter(|target| target.contains('=')).collect();
    let once: BTreeSet<_> = targets.iter().map(|target| (*target).to_owned()).collect();
    assert_eq!(once.len(), targets.len(), "nothing is delivered twice");
    assert!(good.is_subset(&once), "who got an answer was delivered");
    println!("{RESTARTS} restarts: {} answers, {bad} times 502, nothing delivered twice", good.len());
}
