//! The places of connections: which connection makes room when all are taken.

use std::{collections::VecDeque, process::Command, thread, time::Duration};

use super::{
    Test,
    admin::{self, METRICS},
    forwarded, get, settings_for, start, websocket,
};
use crate::{
    adapter::Running as _,
    case_files::KEY,
    http2::frames::{
        Frames, Outcome, block,
        flag::{END_HEADERS, END_STREAM},
        frame,
        kind::{GOAWAY, HEADERS, RST_STREAM},
        no_window,
    },
    process::Process,
    procfs,
    raw_connection::{RawConnection, wait_until},
    server::{RunningServer, binary},
    upstream::{RespondingUpstream, Upstream},
    wire,
};

pub(super) const TESTS: &[Test] = &[
    ("connection_without_a_key_makes_room_first", keyless_first),
    ("idle_connection_makes_room", idle_with_key),
    ("half_a_head_makes_room", half_a_head),
    ("blocked_rejection_makes_room", blocked_rejection),
    ("open_requests_keep_their_places", open_requests),
    ("places_are_lowered_to_the_descriptor_limit", descriptor_limit),
    ("oldest_unfinished_heads_are_closed", unfinished_heads),
    ("unfinished_http2_heads_are_closed", unfinished_http2_heads),
    ("unfinished_http2_heads_are_closed_after_a_request_with_a_key", unfinished_http2_heads_with_key),
    ("requests_without_a_key_are_limited_per_connection", keyless_streams),
    ("requests_without_a_key_use_little_memory", keyless_memory),
    ("bytes_of_a_websocket_are_no_head", websocket_bytes),
    ("client_that_answers_no_ping_does_not_stay", no_ping),
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
    let proxy = start(upstream.address(), &[("MAX_CONNECTIONS", "2")]);
    let mut with_key = served(&proxy, &get("/v1/models"), "upstream");
    let mut without_key = served(&proxy, HEALTH, "ok\n");
    is_served(&mut RawConnection::connect(proxy.address()));
    assert!(without_key.rest().0.is_empty());
    is_served(&mut with_key);
    proxy.process.wait_for(|line| line.contains("MAX_CONNECTIONS is reached").then_some(()));
}

fn idle_with_key() {
    let upstream = upstream();
    let proxy = start(upstream.address(), &[("MAX_CONNECTIONS", "1")]);
    let mut client = served(&proxy, &get("/v1/models"), "upstream");
    is_served(&mut RawConnection::connect(proxy.address()));
    assert!(client.rest().0.is_empty());
}

/// Connects, and returns once the connection has a place: the server accepts on several threads, in no order.
fn connect_first(proxy: &RunningServer) -> RawConnection {
    let client = RawConnection::connect(proxy.address());
    admin::wait_for(admin::address(proxy), "sparekey_connections_open 1");
    client
}

fn half_a_head() {
    let settings = [("MAX_CONNECTIONS", "1"), ("HEADER_TIMEOUT", "600"), METRICS];
    let proxy = start(Upstream::start().address(), &settings);
    let mut first = connect_first(&proxy);
    first.send("GET /healthz HTTP/1.1\r\nhost: ");
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

const FEW_UNFINISHED_HEADS: [(&str, &str); 4] =
    [("MAX_HEAD", "16384"), ("MAX_UNFINISHED_HEADS", "65536"), ("HEADER_TIMEOUT", "600"), METRICS];

fn unfinished_heads() {
    let upstream = upstream();
    let proxy = start(upstream.address(), &FEW_UNFINISHED_HEADS);
    let send = |mut client: RawConnection| {
        client.send(format!("GET /v1/models HTTP/1.1\r\nx: {}", "x".repeat(6000)));
        client
    };
    let mut first = send(connect_first(&proxy));
    let more = open_until(|| drop(first.rest()), || send(RawConnection::connect(proxy.address())));
    let line = proxy.process.wait_for(|line| line.contains("MAX_UNFINISHED_HEADS is reached").then(|| line.to_owned()));
    assert!(line.contains("WARN"), "{line}");
    served(&proxy, &get("/v1/models"), "upstream");
    drop(more);
}

fn unfinished_http2_heads() {
    unfinished_http2_heads_after(|_| {});
}

fn unfinished_http2_heads_with_key() {
    unfinished_http2_heads_after(|client| {
        client.send(accepted(1)).unwrap();
        assert_eq!(client.outcome(1), Outcome::Status(200));
    });
}

fn unfinished_http2_heads_after(first_request: fn(&mut Frames)) {
    let upstream = upstream();
    let proxy = start(upstream.address(), &FEW_UNFINISHED_HEADS);
    let send = |client| {
        let mut client = Frames::client(client);
        first_request(&mut client);
        let fields = block([(":method", "GET"), ("x", &*"x".repeat(6000))]);
        // CONTINUATION never follows.
        client.send(frame(HEADERS, END_STREAM, 3, &fields)).unwrap();
        client
    };
    let mut first = send(connect_first(&proxy));
    let closed = || while first.receive().is_some() {};
    drop(open_until(closed, || send(RawConnection::connect(proxy.address()))));
    proxy.process.wait_for(|line| line.contains("MAX_UNFINISHED_HEADS is reached").then_some(()));
}

/// Opens connections until the first one is closed, which `closed` waits for: its head may be read after those of many others.
fn open_until<T: Send>(closed: impl FnOnce() + Send, open: impl Fn() -> T) -> VecDeque<T> {
    const OPEN: usize = 40;
    let mut more = VecDeque::new();
    thread::scope(|scope| {
        let first = scope.spawn(closed);
        wait_until("the first connection is closed", || {
            more.push_back(open());
            if more.len() > OPEN {
                more.pop_front();
            }
            first.is_finished()
        });
    });
    more
}

/// A request without a key, which gets status 401.
fn rejected(stream: u32) -> Vec<u8> {
    let fields = [(":method", "GET"), (":scheme", "http"), (":authority", "x"), (":path", "/v1/models")];
    frame(HEADERS, END_HEADERS | END_STREAM, stream, &block(fields))
}

/// A request with a key.
fn accepted(stream: u32) -> Vec<u8> {
    let authorization = format!("Bearer {KEY}");
    let fields = [(":method", "GET"), (":scheme", "http"), (":authority", "x"), (":path", "/v1/models")];
    let fields = block(fields.into_iter().chain([("authorization", &*authorization)]));
    frame(HEADERS, END_HEADERS | END_STREAM, stream, &fields)
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
    client.send(accepted(stream(KEYLESS_STREAMS + 1))).unwrap();
    assert_eq!(client.outcome(stream(KEYLESS_STREAMS + 1)), Outcome::Status(200));
    client.send(rejected(stream(KEYLESS_STREAMS + 2))).unwrap();
    assert_eq!(client.outcome(stream(KEYLESS_STREAMS + 2)), Outcome::Status(401));
    client.send(frame(RST_STREAM, 0, 1, &[0, 0, 0, 8])).unwrap();
}

/// Connections without a key, the requests on each, and the memory for all, at most, in KiB.
const FLOOD: (usize, u32) = (50, 200);
const FLOOD_MEMORY: u64 = 16 << 10;

fn keyless_memory() {
    // The longest host that the front page shows, in both of its forms, and a head that is close to the limit.
    let (host, padding) = ("h".repeat(261), "x".repeat(10_000));
    for accept in ["*/*", "text/html"] {
        let fields = [(":method", "GET"), (":scheme", "http"), (":authority", &*host), (":path", "/")];
        let more = [("accept", accept), ("x", &*padding)];
        keyless_flood(&block(fields.into_iter().chain(more)), accept);
    }
}

fn keyless_flood(fields: &[u8], what: &str) {
    let proxy = start(Upstream::start().address(), &[("LOG", "info")]);
    let process = proxy.process.id();
    let request = |number: u32| frame(HEADERS, END_HEADERS | END_STREAM, 2 * number + 1, fields);
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
    println!("{what}: {} connections with {} requests each: {grown} KiB more at most (RSS)", clients.len(), FLOOD.1);
    assert!(grown <= FLOOD_MEMORY, "{what}: {grown} KiB");
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

fn websocket_bytes() {
    const SENT: usize = 32 * 1024 * 1024;
    let settings = [("MAX_HEAD", "16384"), ("MAX_UNFINISHED_HEADS", "65536"), ("HEADER_TIMEOUT", "600")];
    let (proxy, mut client, mut upstream_conn) = websocket(&settings, "/v1/realtime");
    let mut other = RawConnection::connect(proxy.address());
    other.send("GET /healthz HTTP/1.1\r\n");
    let process = proxy.process.id();
    let before = procfs::resident(process);
    let sending = thread::spawn(move || {
        client.send(vec![0; SENT]);
        client
    });
    upstream_conn.bytes(SENT);
    let growth = procfs::resident(process).saturating_sub(before);
    assert!(growth < 8 * 1024, "{growth} KiB");
    other.send("host: x\r\n\r\n");
    assert_eq!(other.head().status(), 200);
    drop(sending.join().unwrap());
}

/// It sends a request without a key now and then, also after the server wanted to close the connection.
fn no_ping() {
    let settings = [("HEADER_TIMEOUT", "1"), ("IDLE_TIMEOUT", "1")];
    let proxy = start(Upstream::start().address(), &settings);
    let mut client = Frames::client(RawConnection::connect(proxy.address()));
    client.send(no_window()).unwrap();
    while client.receive().is_some_and(|frame| frame.kind != GOAWAY) {}
    let fields = [(":method", "GET"), (":scheme", "http"), (":authority", "x"), (":path", "/")];
    let block = block(fields);
    let sending = (1..).step_by(2).take_while(|stream| {
        thread::sleep(Duration::from_millis(100));
        client.send(frame(HEADERS, END_HEADERS | END_STREAM, *stream, &block)).is_ok()
    });
    // A reset takes two sends to be seen.
    assert!(sending.count() < 100, "the connection stays");
}
