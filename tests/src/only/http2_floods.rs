//! HTTP/2 without end: frames that cost the client little and the server much. The server's memory stays flat, its
//! work bounded, and others are served meanwhile and afterwards.

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
            string,
        },
    },
    procfs,
    raw_connection::RawConnection,
    upstream::RespondingUpstream,
    wire,
};

pub(super) const TESTS: &[Test] = &[("they_cost_the_server_little", all)];

/// A name; what is sent once; what is sent again and again; how often; how it ends.
type Row = (&'static str, fn() -> Vec<u8>, fn(u32) -> Vec<u8>, u32, End);

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum End {
    /// The connection is ended.
    Over,
    /// The client is held back, or what it sends is read and forgotten.
    Borne,
}

use End::{Borne, Over};

const FLOODS: &[Row] = &[
    ("rapid reset", nothing, |n| [ask(n, "/v1/a"), reset(n)].concat(), 10_000, Over),
    ("rapid reset of refused requests", nothing, |n| [ask(n, "/v1/../a"), reset(n)].concat(), 10_000, Over),
    ("reset by a window too large", nothing, |n| [open(n), window(n, 0x7fff_ffff)].concat(), 10_000, Over),
    ("reset by a window of nothing", nothing, |n| [open(n), window(n, 0)].concat(), 10_000, Over),
    ("reset by data after the end", nothing, |n| [ask(n, "/v1/a"), data(n, b"x")].concat(), 10_000, Over),
    ("reset by priority to itself", nothing, |n| [open(n), priority(n)].concat(), 10_000, Over),
    ("reset by a length", nothing, |n| [open_short(n), data(n, b"xx")].concat(), 10_000, Over),
    ("reset by a head", nothing, |n| frame(HEADERS, END_HEADERS | END_STREAM, id(n), &[0x82]), 10_000, Over),
    ("continuations", begin, |_| frame(CONTINUATION, 0, 1, &block([("x", "y")])), 1_000_000, Over),
    ("large continuations", begin, |_| frame(CONTINUATION, 0, 1, &block([("x", &*"y".repeat(16_000))])), 1000, Over),
    ("empty continuations", begin, |_| frame(CONTINUATION, 0, 1, &[]), 1_000_000, Over),
    ("fields that grow", nothing, bomb, 1000, Borne),
    ("settings", nothing, |_| frame(SETTINGS, 0, 0, &[0, 4, 0, 0, 1, 0]), 500_000, Borne),
    ("pings", nothing, |_| frame(PING, 0, 0, &[0; 8]), 500_000, Borne),
    ("priorities", nothing, |n| frame(PRIORITY, 0, id(n), &[0, 0, 0, 0, 1]), 200_000, Borne),
    ("windows", nothing, |_| window_of_all(1), 200_000, Borne),
    ("unknown frames", nothing, |_| frame(0xfa, 0, 0, &[]), 200_000, Borne),
    ("empty data", || open(0), |_| data(0, b""), 200_000, Over),
    ("single bytes of data", || open(0), |_| data(0, b"x"), 200_000, Over),
    ("streams", nothing, open, 10_000, Over),
    ("streams that may send nothing", no_window, |n| ask(n, "/v1/large"), 200, Borne),
];

fn nothing() -> Vec<u8> {
    Vec::new()
}

/// A client's stream by its number.
fn id(number: u32) -> u32 {
    number * 2 + 1
}

fn fields(method: &str, path: &str, more: &[(&str, &str)]) -> Vec<u8> {
    let key = format!("Bearer {KEY}");
    let head =
        [(":method", method), (":scheme", "http"), (":authority", "x"), (":path", path), ("authorization", &key)];
    block([&head, more].concat())
}

fn ask(number: u32, path: &str) -> Vec<u8> {
    frame(HEADERS, END_HEADERS | END_STREAM, id(number), &fields("GET", path, &[]))
}

fn open(number: u32) -> Vec<u8> {
    frame(HEADERS, END_HEADERS, id(number), &fields("POST", "/v1/a", &[]))
}

fn open_short(number: u32) -> Vec<u8> {
    frame(HEADERS, END_HEADERS, id(number), &fields("POST", "/v1/a", &[("content-length", "1")]))
}

/// A head without an end.
fn begin() -> Vec<u8> {
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

/// `SETTINGS_INITIAL_WINDOW_SIZE` of 0.
fn no_window() -> Vec<u8> {
    frame(SETTINGS, 0, 0, &[0, 4, 0, 0, 0, 0])
}

/// A field that the server is to remember, and then itself in single bytes: 32 MB of fields in a frame.
fn bomb(number: u32) -> Vec<u8> {
    let remembered = [vec![0x40], string("x"), string(&"y".repeat(4000))].concat();
    // The first place behind the 61 of the static table.
    let again = vec![0xbe; 8000];
    frame(HEADERS, END_HEADERS | END_STREAM, id(number), &[fields("GET", "/v1/a", &[]), remembered, again].concat())
}

/// What all of them may add to the process, in KiB.
const GROWTH: u64 = 16 << 10;
/// How many requests of one flood may reach the upstream.
const PASSED: usize = 300;

fn all() {
    let answer = |body: &str| format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n{body}", body.len()).into_bytes();
    let (small, large) = (answer("ok"), answer(&"x".repeat(1 << 20)));
    let upstream =
        RespondingUpstream::start(
            move |request| {
                if request.head.word(1) == "/v1/large" { large.clone() } else { small.clone() }
            },
        );
    // A line for each frame would be most of the work.
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
        assert_eq!(next.request(wire::get("/v1/models")).0.status, 200, "a stranger, after {name}");
        if *end == Over {
            let outcome = client.outcome(NO_STREAM);
            assert!(matches!(outcome, Outcome::Goaway(_) | Outcome::Closed), "{name}: {outcome:?}");
        }
        let passed = upstream.take().len();
        assert!(passed < PASSED, "{name}: {passed} requests reached the upstream");
        let grown = procfs::resident_peak(process).saturating_sub(before);
        assert!(grown < GROWTH, "{name}: memory grew by {grown} KiB");
    }
    assert_eq!(bystander.request(wire::get("/v1/models")).0.status, 200, "who was there before");
    println!("{} floods survived", FLOODS.len());
}

/// None of a client's.
const NO_STREAM: u32 = u32::MAX;

/// Sends as much as the server takes, and reads nothing.
fn flood(client: &mut Frames, (_, opening, piece, count, _): &Row) {
    let socket = client.connection().socket();
    socket.set_write_timeout(Some(Duration::from_secs(1))).expect("a socket takes a timeout");
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
