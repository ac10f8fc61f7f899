//! Attacks in raw HTTP/2 frames ([RFC 9113 §10](https://www.rfc-editor.org/rfc/rfc9113#section-10)): the stream or the
//! connection is rejected, nothing ambiguous reaches the HTTP/1.1 upstream, and other clients are served.

use std::sync::Arc;

use super::{Test, smuggling::summary, start};
use crate::{
    adapter::Running as _,
    case_files::KEY,
    http2::{
        self,
        frames::{
            Frames, Outcome, block,
            flag::{ACK, END_HEADERS, END_STREAM, PADDED},
            frame,
            kind::{
                CONTINUATION, DATA, GOAWAY, HEADERS, PING, PRIORITY, PUSH_PROMISE, RST_STREAM, SETTINGS, WINDOW_UPDATE,
            },
        },
    },
    raw_connection::RawConnection,
    tls::{self, Authority},
    upstream::{RespondingUpstream, Upstream},
    wire,
};

pub(super) const TESTS: &[Test] = &[
    ("ambiguous_heads_are_rejected", || all(HEADS)),
    ("heads_that_would_smuggle_over_http1_are_rejected", || all(DOWNGRADES)),
    ("body_length_must_match_content_length", || all(BODIES)),
    ("invalid_frames_are_rejected", || all(FRAMES)),
    ("reset_upload_does_not_look_complete", reset_upload),
];

/// What the client sends on its first stream; the outcome; what the upstream received.
type Row = (&'static [Step], Expected, &'static [&'static str]);

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Expected {
    /// The stream is reset, or the connection ends.
    Rejected,
    /// A response with this status.
    Status(u16),
}

#[derive(Clone, Copy, Debug)]
enum Step {
    /// A complete request without body: `GET /v1/a` with these changes.
    Get(&'static [Change]),
    /// `POST /v1/a` with these changes; a body follows.
    Post(&'static [Change]),
    /// `DATA` without `END_STREAM`.
    Piece(&'static str),
    /// `DATA` with `END_STREAM`.
    Last(&'static str),
    /// Trailers with `END_STREAM`.
    Trailers(&'static [(&'static str, &'static str)]),
    /// Type, flags, stream, payload.
    Frame(u8, u8, u32, &'static [u8]),
    /// Raw bytes.
    Raw(&'static [u8]),
}

#[derive(Clone, Copy, Debug)]
enum Change {
    /// A field after the others.
    Add(&'static str, &'static str),
    /// A field before the others.
    First(&'static str, &'static str),
    /// Another value.
    Set(&'static str, &'static str),
    Drop(&'static str),
}

use Change::{Add, Drop, First, Set};
use Expected::{Rejected, Status};
use Step::{Frame, Get, Last, Piece, Post, Raw, Trailers};

const HEADS: &[Row] = &[
    (&[Get(&[])], Status(200), &["GET /v1/a "]),
    (&[Get(&[Drop(":method")])], Rejected, &[]),
    (&[Get(&[Drop(":path")])], Rejected, &[]),
    (&[Get(&[Drop(":scheme")])], Rejected, &[]),
    (&[Get(&[Add(":path", "/v1/b")])], Rejected, &[]),
    (&[Get(&[First(":path", "/v1/b")])], Rejected, &[]),
    (&[Get(&[First(":method", "POST")])], Rejected, &[]),
    (&[Get(&[First(":authority", "y")])], Rejected, &[]),
    (&[Get(&[First(":scheme", "https")])], Rejected, &[]),
    (&[Get(&[First(":status", "200")])], Rejected, &[]),
    (&[Get(&[First(":odd", "x")])], Rejected, &[]),
    (&[Get(&[First(":protocol", "websocket")])], Rejected, &[]),
    (&[Get(&[First("x", "y")])], Rejected, &[]),
    (&[Get(&[Add(":authority", "y")])], Rejected, &[]),
    (&[Get(&[Set(":path", "")])], Rejected, &[]),
    (&[Get(&[Set(":path", "v1/a")])], Rejected, &[]),
    (&[Get(&[Set(":path", "*")])], Status(400), &[]),
    (&[Get(&[Set(":method", "")])], Rejected, &[]),
    (&[Get(&[Set(":scheme", "a b")])], Rejected, &[]),
    (&[Get(&[Set(":authority", "a@b")])], Status(200), &["GET /v1/a "]),
    (&[Get(&[Set(":authority", "a b")])], Rejected, &[]),
    (&[Get(&[Set(":authority", "a/b")])], Rejected, &[]),
    (&[Get(&[Set(":method", "CONNECT")])], Rejected, &[]),
    (&[Get(&[Set(":method", "CONNECT"), Drop(":path"), Drop(":scheme")])], Status(405), &[]),
    (&[Get(&[Set(":method", "TRACE")])], Status(405), &[]),
    (&[Get(&[Set(":path", "/v1/../admin")])], Status(400), &[]),
    (&[Get(&[Set(":path", "/v1/%2e%2e/admin")])], Status(400), &[]),
    (&[Get(&[Set(":path", "/v1/a\\..\\b")])], Status(400), &[]),
    (&[Get(&[Set(":path", "//evil/v1/a")])], Status(200), &["GET /v1//evil/v1/a "]),
    (&[Get(&[Set(":path", "http://evil/v1/a")])], Rejected, &[]),
    (&[Get(&[Add("host", "evil")])], Status(200), &["GET /v1/a "]),
    (&[Get(&[Add("authorization", "Bearer sk-Ann-abcdefgh")])], Status(400), &[]),
    (&[Get(&[Drop("authorization")])], Status(401), &[]),
];

/// Fields that would inject lines or framing into HTTP/1.1 ([RFC 9113
/// §10.3](https://www.rfc-editor.org/rfc/rfc9113#section-10.3)).
const DOWNGRADES: &[Row] = &[
    (&[Get(&[Add("x", "y\r\nauthorization: Bearer other")])], Rejected, &[]),
    (&[Get(&[Add("x", "y\ntransfer-encoding: chunked")])], Rejected, &[]),
    (&[Get(&[Add("x", "y\rz")])], Rejected, &[]),
    (&[Get(&[Add("x", "y\0z")])], Rejected, &[]),
    (&[Get(&[Add("x", "\r\n\r\nGET /v1/evil HTTP/1.1\r\n\r\n")])], Rejected, &[]),
    (&[Get(&[Add("x\r\ny", "z")])], Rejected, &[]),
    (&[Get(&[Add("x: y\r\nz", "z")])], Rejected, &[]),
    (&[Get(&[Add("x y", "z")])], Rejected, &[]),
    (&[Get(&[Add("x:", "z")])], Rejected, &[]),
    (&[Get(&[Add("", "z")])], Rejected, &[]),
    (&[Get(&[Add("X", "z")])], Rejected, &[]),
    (&[Get(&[Add("x\0", "z")])], Rejected, &[]),
    (&[Get(&[Add("x\u{e9}", "z")])], Rejected, &[]),
    (&[Get(&[Set(":path", "/v1/a HTTP/1.1\r\nx: y")])], Rejected, &[]),
    (&[Get(&[Set(":path", "/v1/a b")])], Rejected, &[]),
    (&[Get(&[Set(":path", "/v1/a\tb")])], Rejected, &[]),
    (&[Get(&[Set(":path", "/v1/a\0")])], Rejected, &[]),
    (&[Get(&[Set(":path", "/v1/a#b")])], Status(200), &["GET /v1/a "]),
    (&[Get(&[Set(":method", "GET /v1/evil HTTP/1.1\r\nx:")])], Rejected, &[]),
    (&[Get(&[Set(":method", "GET\t")])], Rejected, &[]),
    (&[Get(&[Set(":authority", "x\r\ny: z")])], Rejected, &[]),
    (&[Get(&[Set(":scheme", "http\r\n")])], Rejected, &[]),
    (&[Get(&[Add("connection", "close")])], Rejected, &[]),
    (&[Get(&[Add("connection", "authorization")])], Rejected, &[]),
    (&[Get(&[Add("keep-alive", "timeout=5")])], Rejected, &[]),
    (&[Get(&[Add("proxy-connection", "keep-alive")])], Rejected, &[]),
    (&[Get(&[Add("transfer-encoding", "chunked")])], Rejected, &[]),
    (&[Get(&[Add("upgrade", "websocket")])], Rejected, &[]),
    (&[Get(&[Add("te", "chunked")])], Rejected, &[]),
    (&[Get(&[Add("te", "trailers, chunked")])], Rejected, &[]),
    (&[Get(&[Add("te", "trailers")])], Status(200), &["GET /v1/a "]),
    (&[Post(&[Add("transfer-encoding", "chunked")]), Last("0\r\n\r\nGET /v1/evil HTTP/1.1\r\n\r\n")], Rejected, &[]),
    (&[Post(&[]), Last("0\r\n\r\nGET /v1/e HTTP/1.1")], Status(200), &["POST /v1/a 0\r\n\r\nGET /v1/e HTTP/1.1"]),
];

const BODIES: &[Row] = &[
    (&[Post(&[Add("content-length", "2")]), Last("ab")], Status(200), &["POST /v1/a ab"]),
    (&[Post(&[Add("content-length", "2")]), Last("abc")], Rejected, &[]),
    (&[Post(&[Add("content-length", "2")]), Last("a")], Rejected, &[]),
    (&[Post(&[Add("content-length", "2")]), Last("")], Rejected, &[]),
    (&[Post(&[Add("content-length", "0")]), Last("GET /v1/evil HTTP/1.1\r\n\r\n")], Rejected, &[]),
    (&[Post(&[Add("content-length", "2")]), Piece("a"), Trailers(&[])], Rejected, &[]),
    (&[Get(&[Add("content-length", "2")])], Rejected, &[]),
    (&[Post(&[Add("content-length", "-2")]), Last("ab")], Rejected, &[]),
    (&[Post(&[Add("content-length", "+2")]), Last("ab")], Rejected, &[]),
    (&[Post(&[Add("content-length", "0x2")]), Last("ab")], Rejected, &[]),
    (&[Post(&[Add("content-length", "2, 2")]), Last("ab")], Rejected, &[]),
    (&[Post(&[Add("content-length", "")]), Last("ab")], Rejected, &[]),
    (&[Post(&[Add("content-length", "18446744073709551618")]), Last("ab")], Rejected, &[]),
    (&[Post(&[Add("content-length", "2"), Add("content-length", "3")]), Last("ab")], Rejected, &[]),
    (&[Post(&[Add("content-length", "3"), Add("content-length", "2")]), Last("ab")], Rejected, &[]),
    (&[Post(&[]), Piece("ab"), Trailers(&[("authorization", "Bearer x")])], Status(200), &["POST /v1/a ab"]),
    (&[Post(&[]), Piece("ab"), Trailers(&[(":path", "/v1/evil")])], Status(200), &["POST /v1/a ab"]),
    (&[Post(&[]), Piece("ab"), Trailers(&[("transfer-encoding", "chunked")])], Rejected, &[]),
    (&[Post(&[]), Piece("ab"), Frame(HEADERS, END_HEADERS, 1, &[])], Rejected, &[]),
    (&[Post(&[]), Frame(DATA, PADDED | END_STREAM, 1, b"\x02ab\0\0")], Status(200), &["POST /v1/a ab"]),
    (&[Post(&[]), Frame(DATA, PADDED | END_STREAM, 1, b"\x05ab")], Rejected, &[]),
];

const FRAMES: &[Row] = &[
    (&[Frame(DATA, 0, 0, b"x")], Rejected, &[]),
    (&[Frame(DATA, 0, 1, b"x")], Rejected, &[]),
    (&[Frame(HEADERS, END_HEADERS, 0, &[])], Rejected, &[]),
    (&[Frame(HEADERS, END_HEADERS, 2, &[0x82])], Rejected, &[]),
    (&[Frame(HEADERS, END_HEADERS, 1, &[0x80])], Rejected, &[]),
    (&[Frame(HEADERS, END_HEADERS, 1, &[0xff, 0xff, 0xff, 0xff, 0x0f])], Rejected, &[]),
    (&[Frame(HEADERS, END_HEADERS, 1, &[0xff; 64])], Rejected, &[]),
    (&[Frame(HEADERS, END_HEADERS, 1, &[0x3f, 0xff, 0xff, 0x7f])], Rejected, &[]),
    (&[Frame(HEADERS, END_HEADERS, 1, &[0x00, 0x7f, 0xff, 0xff, 0x7f])], Rejected, &[]),
    (&[Frame(HEADERS, END_HEADERS, 1, &[0x00, 0x81, 0xff, 0x01, b'x'])], Rejected, &[]),
    (&[Frame(HEADERS, END_HEADERS | PADDED, 1, &[9, 0x82])], Rejected, &[]),
    (&[Frame(HEADERS, END_STREAM, 1, &[]), Frame(DATA, 0, 1, b"x")], Rejected, &[]),
    (&[Frame(HEADERS, END_STREAM, 1, &[]), Frame(CONTINUATION, END_HEADERS, 3, &[])], Rejected, &[]),
    (&[Frame(HEADERS, END_STREAM, 1, &[]), Frame(PING, 0, 0, &[0; 8])], Rejected, &[]),
    (&[Frame(CONTINUATION, END_HEADERS, 1, &[])], Rejected, &[]),
    (&[Get(&[]), Frame(CONTINUATION, END_HEADERS, 1, &[])], Rejected, &[]),
    (&[Frame(PUSH_PROMISE, END_HEADERS, 1, &[0, 0, 0, 2])], Rejected, &[]),
    (&[Frame(PRIORITY, 0, 0, &[0; 5])], Rejected, &[]),
    (&[Frame(PRIORITY, 0, 1, &[0; 4])], Rejected, &[]),
    (&[Frame(RST_STREAM, 0, 0, &[0; 4])], Rejected, &[]),
    (&[Frame(RST_STREAM, 0, 1, &[0; 4])], Rejected, &[]),
    (&[Frame(RST_STREAM, 0, 1, &[0; 3])], Rejected, &[]),
    (&[Frame(PING, 0, 0, &[0; 7])], Rejected, &[]),
    (&[Frame(PING, 0, 1, &[0; 8])], Rejected, &[]),
    (&[Frame(GOAWAY, 0, 1, &[0; 8])], Rejected, &[]),
    (&[Frame(SETTINGS, 0, 1, &[])], Rejected, &[]),
    (&[Frame(SETTINGS, 0, 0, &[0; 5])], Rejected, &[]),
    (&[Frame(SETTINGS, ACK, 0, &[0; 6])], Rejected, &[]),
    // ENABLE_PUSH, INITIAL_WINDOW_SIZE and MAX_FRAME_SIZE out of range.
    (&[Frame(SETTINGS, 0, 0, &[0, 2, 0, 0, 0, 2])], Rejected, &[]),
    (&[Frame(SETTINGS, 0, 0, &[0, 4, 0x80, 0, 0, 0])], Rejected, &[]),
    (&[Frame(SETTINGS, 0, 0, &[0, 5, 0, 0, 0, 1])], Rejected, &[]),
    (&[Frame(WINDOW_UPDATE, 0, 0, &[0; 4])], Rejected, &[]),
    (&[Frame(WINDOW_UPDATE, 0, 0, &[0x7f, 0xff, 0xff, 0xff])], Rejected, &[]),
    (&[Frame(WINDOW_UPDATE, 0, 0, &[0; 3])], Rejected, &[]),
    (&[Frame(WINDOW_UPDATE, 0, 1, &[0, 0, 0, 1])], Rejected, &[]),
    (&[Post(&[]), Frame(WINDOW_UPDATE, 0, 1, &[0; 4])], Rejected, &[]),
    (&[Post(&[]), Frame(WINDOW_UPDATE, 0, 1, &[0x7f, 0xff, 0xff, 0xff])], Rejected, &[]),
    (&[Post(&[]), Last("ab"), Piece("c")], Rejected, &[]),
    (&[Raw(b"\xff\xff\xff\0\0\0\0\0\x01")], Rejected, &[]),
    (&[Raw(b"GET /v1/a HTTP/1.1\r\nhost: x\r\n\r\n")], Rejected, &[]),
    // Unknown frames and settings are ignored.
    (&[Frame(0xfa, 0xff, 0, b"grease"), Get(&[])], Status(200), &["GET /v1/a "]),
    (&[Frame(SETTINGS, 0, 0, &[0xfa, 0xfa, 0, 0, 0, 1]), Get(&[])], Status(200), &["GET /v1/a "]),
];

impl Step {
    fn bytes(self) -> Vec<u8> {
        match self {
            Get(changes) => frame(HEADERS, END_HEADERS | END_STREAM, 1, &head("GET", changes)),
            Post(changes) => frame(HEADERS, END_HEADERS, 1, &head("POST", changes)),
            Piece(data) => frame(DATA, 0, 1, data.as_bytes()),
            Last(data) => frame(DATA, END_STREAM, 1, data.as_bytes()),
            Trailers(fields) => frame(HEADERS, END_HEADERS | END_STREAM, 1, &block(fields.iter().copied())),
            Frame(kind, flags, stream, payload) => frame(kind, flags, stream, payload),
            Raw(bytes) => bytes.to_vec(),
        }
    }
}

fn head(method: &'static str, changes: &[Change]) -> Vec<u8> {
    let key = format!("Bearer {KEY}");
    let mut fields = vec![
        (":method", method),
        (":scheme", "http"),
        (":authority", "x"),
        (":path", "/v1/a"),
        ("authorization", &key),
    ];
    for change in changes {
        match *change {
            Add(name, value) => fields.push((name, value)),
            First(name, value) => fields.insert(0, (name, value)),
            Set(name, value) => fields.iter_mut().filter(|field| field.0 == name).for_each(|field| field.1 = value),
            Drop(name) => fields.retain(|field| field.0 != name),
        }
    }
    block(fields)
}

/// A reset upload must not look complete, for each error code: `NO_ERROR`, `INTERNAL_ERROR`, `CANCEL`.
fn reset_upload() {
    let upstream = Upstream::start();
    let proxy = start(upstream.address(), &[]);
    for code in [0, 2, 8] {
        for responded in [false, true] {
            let mut client = Frames::client(RawConnection::connect(proxy.address()));
            client.send([Post(&[]), Piece("half")].map(Step::bytes).concat()).expect("the proxy reads");
            let mut upstream_conn = upstream.accept();
            upstream_conn.until("half");
            if responded {
                upstream_conn.send(wire::EVENTS);
                assert_eq!(client.outcome(1), Outcome::Status(200));
            }
            client.send(frame(RST_STREAM, 0, 1, &[0, 0, 0, code])).expect("the proxy reads");
            let (rest, _) = upstream_conn.rest();
            assert!(!rest.ends_with(b"0\r\n\r\n"), "error code {code}, response started: {responded}");
        }
    }
}

/// Runs each attack with prior knowledge and over TLS with ALPN.
fn all(rows: &[Row]) {
    let authority = Authority::new();
    let (cert, key) = authority.files("localhost");
    let upstream = RespondingUpstream::start(|_| "HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok".into());
    let plain = start(upstream.address(), &[]);
    let over_tls = start(upstream.address(), &[("TLS_CERT", &cert), ("TLS_KEY", &key)]);
    let trust = authority.client(&["h2"]);
    for row in rows {
        attack(RawConnection::connect(plain.address()), &upstream, row);
        let mut next = http2::Client::connect(plain.address());
        assert_eq!(next.request(wire::get("/v1/next")).0.status, 200, "after {row:?}");
        assert_eq!(upstream.take().len(), 1, "after {row:?}");
        let socket = http2::socket(over_tls.address());
        attack(tls::connect(socket, &trust).expect("the TLS handshake succeeds"), &upstream, row);
        let mut next = http2::Client::connect_tls(over_tls.address(), &Arc::clone(&trust));
        assert_eq!(next.request(wire::get("/v1/next")).0.status, 200, "after {row:?}");
        assert_eq!(upstream.take().len(), 1, "after {row:?}");
    }
    println!("{} attacks handled, each with prior knowledge and with ALPN", rows.len());
}

fn attack(connection: RawConnection, upstream: &RespondingUpstream, row: &Row) {
    let (steps, outcome, received) = row;
    let mut client = Frames::client(connection);
    // The proxy may close the connection before it has read everything.
    let _ = client.send(steps.iter().flat_map(|step| step.bytes()).collect::<Vec<_>>());
    let actual = match client.outcome(1) {
        Outcome::Status(status) => Status(status),
        Outcome::Reset(_) | Outcome::Goaway(_) | Outcome::Closed => Rejected,
    };
    assert_eq!(actual, *outcome, "{row:?}");
    let requests: Vec<_> = upstream.take().iter().map(summary).collect();
    assert_eq!(requests, received.iter().map(|text| text.as_bytes()).collect::<Vec<_>>(), "{row:?}");
}
