//! HTTP/2 floods ([RFC 9113 §10.5](https://www.rfc-editor.org/rfc/rfc9113#section-10.5)): frames that are cheap for the
//! client and expensive for the server. Memory stays flat, work is bounded, and other clients are served.

use std::time::Duration;

use super::{Test, start};
use crate::{
    adapter::Running as _,
    case_files::KEY,
    http2::{
        self,
        frames::{
            Frames, Outcome, block,
            flag::{END_HEADERS, END_STREAM},
            frame,
            kind::{CONTINUATION, DATA, HEADERS, PING, PRIORITY, RST_STREAM, SETTINGS, WINDOW_UPDATE},
            no_window, string,
        },
    },
    procfs,
    raw_connection::RawConnection,
    upstream::RespondingUpstream,
    wire,
};

pub(super) const TESTS: &[Test] = &[("memory_and_upstream_requests_stay_bounded", all)];

/// A name; the bytes sent once; the bytes sent repeatedly; how often; the outcome.
type Row = (&'static str, fn() -> Vec<u8>, fn(u32) -> Vec<u8>, u32, Expected);

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Expected {
    /// The server closes the connection.
    Closed,
    /// The server applies backpressure, or reads and discards the frames.
    Tolerated,
}

use Expected::{Closed, Tolerated};

const FLOODS: &[Row] = &[
    ("rapid reset", nothing, |n| [get(n, "/v1/a"), reset(n)].concat(), 10_000, Closed),
    ("rapid reset of rejected requests", nothing, |n| [get(n, "/v1/../a"), reset(n)].concat(), 10_000, Closed),
    ("reset by a window too large", nothing, |n| [open(n), window(n, 0x7fff_ffff)].concat(), 10_000, Closed),
    ("reset by a window of nothing", nothing, |n| [open(n), window(n, 0)].concat(), 10_000, Closed),
    ("reset by data after the end", nothing, |n| [get(n, "/v1/a"), data(n, b"x")].concat(), 10_000, Closed),
    ("reset by priority to itself", nothing, |n| [open(n), priority(n)].concat(), 10_000, Closed),
    ("reset by a wrong content-length", nothing, |n| [open_short(n), data(n, b"xx")].concat(), 10_000, Closed),
    ("reset by an invalid head", nothing, |n| frame(HEADERS, END_HEADERS | END_STREAM, id(n), &[0x82]), 10_000, Closed),
    ("continuations", open_head, |_| frame(CONTINUATION, 0, 1, &block([("x", "y")])), 1_000_000, Closed),
    (
        "large continuations",
        open_head,
        |_| frame(CONTINUATION, 0, 1, &block([("x", &*"y".repeat(16_000))])),
        1000,
        Closed,
    ),
    ("empty continuations", open_head, |_| frame(CONTINUATION, 0, 1, &[]), 1_000_000, Closed),
    ("header compression bomb", nothing, bomb, 1000, Tolerated),
    ("settings", nothing, |_| frame(SETTINGS, 0, 0, &[0, 4, 0, 0, 1, 0]), 500_000, Tolerated),
    ("pings", nothing, |_| frame(PING, 0, 0, &[0; 8]), 500_000, Tolerated),
    ("priorities", nothing, |n| frame(PRIORITY, 0, id(n), &[0, 0, 0, 0, 1]), 200_000, Tolerated),
    ("windows", nothing, |_| window_of_all(1), 200_000, Tolerated),
    ("unknown frames", nothing, |_| frame(0xfa, 0, 0, &[]), 200_000, Tolerated),
    ("empty data", || open(0), |_| data(0, b""), 200_000, Closed),
    ("single bytes of data", || open(0), |_| data(0, b"x"), 200_000, Closed),
    ("streams", nothing, open, 10_000, Closed),
    ("streams without a send window", no_window, |n| get(n, "/v1/large"), 200, Tolerated),
];

fn nothing() -> Vec<u8> {
    Vec::new()
}

/// The stream id of the client's nth stream.
fn id(number: u32) -> u32 {
    number * 2 + 1
}

fn fields(method: &str, path: &str, more: &[(&str, &str)]) -> Vec<u8> {
    let key = format!("Bearer {KEY}");
    let head =
        [(":method", method), (":scheme", "http"), (":authority", "x"), (":path", path), ("authorization", &key)];
    block([&head, more].concat())
}

fn get(number: u32, path: &str) -> Vec<u8> {
    frame(HEADERS, END_HEADERS | END_STREAM, id(number), &fields("GET", path, &[]))
}

fn open(number: u32) -> Vec<u8> {
    frame(HEADERS, END_HEADERS, id(number), &fields("POST", "/v1/a", &[]))
}

fn open_short(number: u32) -> Vec<u8> {
    frame(HEADERS, END_HEADERS, id(number), &fields("POST", "/v1/a", &[("content-length", "1")]))
}

/// A head without `END_HEADERS`.
fn open_head() -> Vec<u8> {
    frame(HEADERS, END_STREAM, 1, &fields("GET", "/v1/a", &[]))
}

fn data(number: u32, bytes: &[u8]) -> Vec<u8> {
    frame(DATA, 0, id(number), bytes)
}

fn reset(number: u32) -> Vec<u8> {
    frame(RST_STREAM, 0, id(number), &[0, 0, 0, 8])
}

fn window(number: u32, more: u32) -> Vec<u8> {
    frame(WINDOW_UPDATE, 0, id(number), &more.to_be_bytes())
}

fn window_of_all(more: u32) -> Vec<u8> {
    frame(WINDOW_UPDATE, 0, 0, &more.to_be_bytes())
}

fn priority(number: u32) -> Vec<u8> {
    frame(PRIORITY, 0, id(number), &[&id(number).to_be_bytes()[..], &[1]].concat())
}

/// A field that enters the dynamic table, then 8,000 references of one byte each to it: 32 MB of fields in one frame.
fn bomb(number: u32) -> Vec<u8> {
    let indexed = [vec![0x40], string("x"), string(&"y".repeat(4000))].concat();
    // The first index after the 61 entries of the static table.
    let references = vec![0xbe; 8000];
    frame(HEADERS, END_HEADERS | END_STREAM, id(number), &[fields("GET", "/v1/a", &[]), indexed, references].concat())
}

/// Memory growth of the process over all floods, at most, in KiB.
const GROWTH: u64 = 16 << 10;
/// Requests of one flood that may reach the upstream, at most.
const MAX_PASSED: usize = 300;

fn all() {
    let response = |body: &str| format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n{body}", body.len()).into_bytes();
    let (small, large) = (response("ok"), response(&"x".repeat(1 << 20)));
    let upstream =
        RespondingUpstream::start(
            move |request| {
                if request.head.word(1) == "/v1/large" { large.clone() } else { small.clone() }
            },
        );
    // At the level `trace`, a log line per frame would dominate.
    let proxy = start(upstream.address(), &[("LOG", "info")]);
    let process = proxy.process.id();
    let mut bystander = http2::Client::connect(proxy.address());
    assert_eq!(bystander.request(wire::get("/v1/models")).0.status, 200);
    let before = procfs::resident(process);
    for row in FLOODS {
        let (name, _, _, _, end) = row;
        let mut client = Frames::client(RawConnection::connect(proxy.address()));
        flood(&mut client, row);
        let mut next = http2::Client::connect(proxy.address());
        assert_eq!(next.request(wire::get("/v1/models")).0.status, 200, "a new client, after {name}");
        if *end == Closed {
            let outcome = client.outcome(NO_STREAM);
            assert!(matches!(outcome, Outcome::Goaway(_) | Outcome::Closed), "{name}: {outcome:?}");
        }
        let passed = upstream.take().len();
        assert!(passed < MAX_PASSED, "{name}: {passed} requests reached the upstream");
        let grown = procfs::resident_peak(process).saturating_sub(before);
        assert!(grown < GROWTH, "{name}: memory grew by {grown} KiB");
    }
    assert_eq!(bystander.request(wire::get("/v1/models")).0.status, 200, "a client connected before the floods");
    println!("{} floods handled", FLOODS.len());
}

/// A stream id that the client never uses.
const NO_STREAM: u32 = u32::MAX;

/// Sends as much as the server accepts, and reads nothing.
fn flood(client: &mut Frames, (_, opening, piece, count, _): &Row) {
    let socket = client.connection().socket();
    socket.set_write_timeout(Some(Duration::from_secs(1))).expect("set the socket timeout");
    let mut bytes = opening();
    for number in 0..*count {
        bytes.extend(piece(number));
        if bytes.len() >= 1 << 16 {
            if client.send(&bytes).is_err() {
                return;
            }
            bytes.clear();
        }
    }
    let _ = client.send(bytes);
}
