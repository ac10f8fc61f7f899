//! The places of connections: which connection makes room when all are taken.

use std::{process::Command, thread, time::Duration};

use super::{Test, forwarded, get, settings_for, start};
use crate::{
    adapter::Running as _,
    case_files::KEY,
    http2::frames::{
        Frames, Outcome, block,
        flag::{END_HEADERS, END_STREAM},
        frame,
        kind::{HEADERS, RST_STREAM},
        no_window,
    },
    process::Process,
    procfs,
    raw_connection::RawConnection,
    server::{RunningServer, binary},
    upstream::{RespondingUpstream, Upstream},
    wire,
};

pub(super) const TESTS: &[Test] = &[
    ("longest_idle_connection_without_a_key_makes_room", keyless_first),
    ("longest_idle_connection_makes_room", idle_with_key),
    ("half_a_head_makes_room", half_a_head),
    ("blocked_rejection_makes_room", blocked_rejection),
    ("open_requests_keep_their_places", open_requests),
    ("places_are_lowered_to_the_descriptor_limit", descriptor_limit),
    ("oldest_unfinished_heads_are_closed", unfinished_heads),
    ("unfinished_http2_heads_are_closed", unfinished_http2_heads),
    ("requests_without_a_key_are_limited_per_connection", keyless_streams),
    ("requests_without_a_key_use_little_memory", keyless_memory),
    ("incomplete_preface_costs_no_cpu", incomplete_preface),
    ("preface_in_pieces_is_http2", split_preface),
];

const HEALTH: &str = "GET /healthz HTTP/1.1\r\nhost: x\r\n\r\n";

/// A connection whose request was served, and which stays open.
fn served(proxy: &RunningServer, request: &str, end: &str) -> RawConnection {
    let mut client = RawConnection::connect(proxy.address());
    client.send(request);
    client.until(end);
    client
}

fn upstream() -> RespondingUpstream {
    RespondingUpstream::start(|_| "HTTP/1.1 200 OK\r\ncontent-length: 8\r\n\r\nupstream".into())
}

fn is_served(client: &mut RawConnection) {
    client.send(HEALTH);
    client.until("ok\n");
}

fn keyless_first() {
    let upstream = upstream();
    let proxy = start(upstream.address(), &[("MAX_CONNECTIONS", "3")]);
    let mut with_key = served(&proxy, &get("/v1/models"), "upstream");
    let mut first = served(&proxy, HEALTH, "ok\n");
    let mut second = served(&proxy, HEALTH, "ok\n");
    is_served(&mut RawConnection::connect(proxy.address()));
    assert!(first.rest().0.is_empty());
    is_served(&mut second);
    is_served(&mut with_key);
    proxy.process.wait_for(|line| line.contains("MAX_CONNECTIONS is reached").then_some(()));
}

fn idle_with_key() {
    let upstream = upstream();
    let proxy = start(upstream.address(), &[("MAX_CONNECTIONS", "2")]);
    let mut first = served(&proxy, &get("/v1/models"), "upstream");
    let mut second = served(&proxy, &get("/v1/models"), "upstream");
    is_served(&mut RawConnection::connect(proxy.address()));
    assert!(first.rest().0.is_empty());
    is_served(&mut second);
}

fn half_a_head() {
    let proxy = start(Upstream::start().address(), &[("MAX_CONNECTIONS", "1"), ("HEADER_TIMEOUT", "600")]);
    let mut first = RawConnection::connect(proxy.address());
    first.send("GET /healthz HTTP/1.1\r\nhost: ");
    // Served first, so that the server has the first connection.
    is_served(&mut RawConnection::connect(proxy.address()));
    first.rest();
}

fn blocked_rejection() {
    let proxy = start(Upstream::start().address(), &[("MAX_CONNECTIONS", "1")]);
    let mut client = Frames::client(RawConnection::connect(proxy.address()));
    client.send([no_window(), rejected(1)].concat()).unwrap();
    assert_eq!(client.outcome(1), Outcome::Status(401));
    is_served(&mut RawConnection::connect(proxy.address()));
    while client.receive().is_some() {}
}

fn open_requests() {
    let (proxy, mut client, mut upstream_conn) = forwarded(&[("MAX_CONNECTIONS", "1")], &get("/v1/models"));
    let mut next = RawConnection::connect(proxy.address());
    next.send("GET /healthz HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n");
    proxy.process.wait_for(|line| line.contains("new connections wait").then_some(()));
    upstream_conn.send("HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok");
    client.until("\r\n\r\nok");
    // The connection is idle now, and makes room.
    assert_eq!(next.head().status(), 200);
    assert!(client.rest().0.is_empty());
}

fn descriptor_limit() {
    let upstream = upstream();
    let settings = settings_for(&format!("http://{}", upstream.address()), &[("LISTEN", "127.0.0.1:0")]);
    let script = "ulimit -n 128 && exec \"$0\"";
    let server = Process::start(Command::new("/bin/sh").args(["-c", script]).arg(binary()), &settings);
    let address = server.wait_for(crate::server::listening_on);
    server.wait_for(|line| line.contains("MAX_CONNECTIONS is 48 instead of 10000").then_some(()));
    let clients: Vec<_> = (0..100).map(|_| RawConnection::connect(address)).collect();
    let mut last = RawConnection::connect(address);
    last.send(get("/v1/models"));
    assert_eq!(last.head().status(), 200, "a descriptor is left for the upstream");
    assert!(!server.output().contains("cannot accept"), "{}", server.output());
    drop(clients);
}

fn unfinished_heads() {
    let settings = [("MAX_UNFINISHED_HEADS", "65536"), ("HEADER_TIMEOUT", "600")];
    let upstream = upstream();
    let proxy = start(upstream.address(), &settings);
    let open = || {
        let mut client = RawConnection::connect(proxy.address());
        client.send(format!("GET /v1/models HTTP/1.1\r\nx: {}", "x".repeat(6000)));
        client
    };
    let mut first = open();
    let more: Vec<_> = (0..40).map(|_| open()).collect();
    first.rest();
    let line = proxy.process.wait_for(|line| line.contains("MAX_UNFINISHED_HEADS is reached").then(|| line.to_owned()));
    assert!(line.contains("WARN"), "{line}");
    served(&proxy, &get("/v1/models"), "upstream");
    drop(more);
}

fn unfinished_http2_heads() {
    let proxy = start(Upstream::start().address(), &[("MAX_UNFINISHED_HEADS", "65536"), ("HEADER_TIMEOUT", "600")]);
    let open = || {
        let mut client = Frames::client(RawConnection::connect(proxy.address()));
        let fields = block([(":method", "GET"), ("x", &*"x".repeat(6000))]);
        // CONTINUATION never follows.
        client.send(frame(HEADERS, END_STREAM, 1, &fields)).unwrap();
        client
    };
    let mut first = open();
    let more: Vec<_> = (0..40).map(|_| open()).collect();
    while first.receive().is_some() {}
    drop(more);
}

/// A request without a key, which gets status 401.
fn rejected(stream: u32) -> Vec<u8> {
    let fields = [(":method", "GET"), (":scheme", "http"), (":authority", "x"), (":path", "/v1/models")];
    frame(HEADERS, END_HEADERS | END_STREAM, stream, &block(fields))
}

/// Streams that a connection without a key may have open.
const KEYLESS_STREAMS: u32 = 16;
const REFUSED_STREAM: u32 = 7;

fn keyless_streams() {
    let upstream = upstream();
    let proxy = start(upstream.address(), &[]);
    let mut client = Frames::client(RawConnection::connect(proxy.address()));
    let stream = |number: u32| 2 * number + 1;
    let streams = (0..=KEYLESS_STREAMS).map(|number| rejected(stream(number)));
    client.send([vec![no_window()], streams.collect()].concat().concat()).unwrap();
    assert_eq!(client.outcome(stream(KEYLESS_STREAMS)), Outcome::Reset(REFUSED_STREAM));

    // A valid key lifts the limit.
    let authorization = format!("Bearer {KEY}");
    let fields = [(":method", "GET"), (":scheme", "http"), (":authority", "x"), (":path", "/v1/models")];
    let fields = block(fields.into_iter().chain([("authorization", &*authorization)]));
    let with_key = frame(HEADERS, END_HEADERS | END_STREAM, stream(KEYLESS_STREAMS + 1), &fields);
    client.send(with_key).unwrap();
    assert_eq!(client.outcome(stream(KEYLESS_STREAMS + 1)), Outcome::Status(200));
    client.send(rejected(stream(KEYLESS_STREAMS + 2))).unwrap();
    assert_eq!(client.outcome(stream(KEYLESS_STREAMS + 2)), Outcome::Status(401));
    client.send(frame(RST_STREAM, 0, 1, &[0, 0, 0, 8])).unwrap();
}

/// Connections without a key, the requests on each, and the memory for all, at most, in KiB.
const FLOOD: (usize, u32) = (50, 200);
const FLOOD_MEMORY: u64 = 16 << 10;

fn keyless_memory() {
    let proxy = start(Upstream::start().address(), &[("LOG", "info")]);
    let process = proxy.process.id();
    // The longest host that the front page shows, and a head that is close to the limit.
    let (host, padding) = ("h".repeat(261), "x".repeat(10_000));
    let fields = [(":method", "GET"), (":scheme", "http"), (":authority", &*host), (":path", "/"), ("x", &*padding)];
    let request = |number: u32| frame(HEADERS, END_HEADERS | END_STREAM, 2 * number + 1, &block(fields));
    let before = procfs::resident(process);
    let clients: Vec<_> = (0..FLOOD.0)
        .map(|_| {
            let mut client = Frames::client(RawConnection::connect(proxy.address()));
            client.send(no_window()).unwrap();
            (0..FLOOD.1).for_each(|number| client.send(request(number)).unwrap());
            // The server has read the last request once it refuses it.
            assert_eq!(client.outcome(2 * FLOOD.1 - 1), Outcome::Reset(REFUSED_STREAM));
            client
        })
        .collect();
    let grown = procfs::resident_peak(process).saturating_sub(before);
    println!("{} connections with {} requests each: {grown} KiB more at most (RSS)", clients.len(), FLOOD.1);
    assert!(grown <= FLOOD_MEMORY, "{grown} KiB");
}

/// The time over which the server's CPU use is measured, and the most that it may use: ten ticks of the kernel. Polling
/// each 10 ms took 30 ticks.
const WINDOW: Duration = Duration::from_secs(2);
const CPU_MAX: Duration = Duration::from_millis(100);

fn incomplete_preface() {
    let proxy = start(Upstream::start().address(), &[("HEADER_TIMEOUT", "600"), ("LOG", "info")]);
    let clients: Vec<_> = (0..500)
        .map(|_| {
            let mut client = RawConnection::connect(proxy.address());
            client.send("PRI");
            client
        })
        .collect();
    is_served(&mut RawConnection::connect(proxy.address()));
    let before = procfs::cpu(proxy.process.id());
    thread::sleep(WINDOW);
    let used = procfs::cpu(proxy.process.id()).saturating_sub(before);
    println!("{} clients with an incomplete preface: {used:?} of CPU time in {WINDOW:?}", clients.len());
    assert!(used < CPU_MAX, "{used:?}");
}

fn split_preface() {
    let upstream = upstream();
    let proxy = start(upstream.address(), &[]);
    for split in 1..4 {
        let mut client = RawConnection::connect(proxy.address());
        let mut preface = RawConnection::over(client.socket().try_clone().unwrap());
        let start = &crate::http2::frames::PREFACE[..split];
        preface.send(start);
        // The server has seen the first piece once it has served another client.
        is_served(&mut RawConnection::connect(proxy.address()));
        let settings = frame(crate::http2::frames::kind::SETTINGS, 0, 0, &[]);
        preface.send([&crate::http2::frames::PREFACE[split..], &settings].concat());
        assert_eq!(client.bytes(4)[3], crate::http2::frames::kind::SETTINGS, "split at {split}");
    }
    // The end of the connection after a part of the preface is the end of an HTTP/1.1 connection.
    let mut client = RawConnection::connect(proxy.address());
    client.send("PR");
    client.finish();
    client.rest();
    served(&proxy, &wire::request("GET", "/v1/models", ""), "upstream");
}
