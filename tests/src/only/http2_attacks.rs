//! HTTP/2 as only an attacker writes it, frame by frame: the stream or the connection is refused, nothing unclear
//! goes upstream, where HTTP/1.1 would read it anew, and others are served.

use std::sync::Arc;

use super::{Test, smuggling::told, start};
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
    ("a_head_says_one_thing", || all(HEADS)),
    ("a_head_that_http1_would_read_anew_is_refused", || all(DOWNGRADES)),
    ("a_body_is_as_long_as_told", || all(BODIES)),
    ("frames_keep_to_the_protocol", || all(FRAMES)),
    ("an_upload_that_is_reset_is_not_whole", reset_upload),
];

/// What the client sends on its first stream; what becomes of it; what the upstream received.
type Row = (&'static [Step], Becomes, &'static [&'static str]);

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Becomes {
    /// The stream is reset, or the connection ends.
    Refused,
    /// The status of an answer.
    Answer(u16),
}

#[derive(Clone, Copy, Debug)]
enum Step {
    /// A head that is the whole request: `GET /v1/a` with these changes.
    Ask(&'static [Change]),
    /// `POST /v1/a` with these changes; a body follows.
    Open(&'static [Change]),
    /// A piece of the body.
    Piece(&'static str),
    /// The body's last piece.
    Last(&'static str),
    /// Trailers, and the end.
    Trailers(&'static [(&'static str, &'static str)]),
    /// Type, flags, stream, payload.
    Frame(u8, u8, u32, &'static [u8]),
    /// Bytes as they are.
    Raw(&'static [u8]),
}

#[derive(Clone, Copy, Debug)]
enum Change {
    /// A field behind the others.
    Add(&'static str, &'static str),
    /// A field before the others.
    First(&'static str, &'static str),
    /// Another value.
    Set(&'static str, &'static str),
    Drop(&'static str),
}

use Becomes::{Answer, Refused};
use Change::{Add, Drop, First, Set};
use Step::{Ask, Frame, Last, Open, Piece, Raw, Trailers};

const HEADS: &[Row] = &[
    (&[Ask(&[])], Answer(200), &["GET /v1/a "]),
    (&[Ask(&[Drop(":method")])], Refused, &[]),
    (&[Ask(&[Drop(":path")])], Refused, &[]),
    (&[Ask(&[Drop(":scheme")])], Refused, &[]),
    (&[Ask(&[Add(":path", "/v1/b")])], Refused, &[]),
    (&[Ask(&[First(":path", "/v1/b")])], Refused, &[]),
    (&[Ask(&[First(":method", "POST")])], Refused, &[]),
    (&[Ask(&[First(":authority", "y")])], Refused, &[]),
    (&[Ask(&[First(":scheme", "https")])], Refused, &[]),
    (&[Ask(&[First(":status", "200")])], Refused, &[]),
    (&[Ask(&[First(":odd", "x")])], Refused, &[]),
    (&[Ask(&[First(":protocol", "websocket")])], Refused, &[]),
    (&[Ask(&[First("x", "y")])], Refused, &[]),
    (&[Ask(&[Add(":authority", "y")])], Refused, &[]),
    (&[Ask(&[Set(":path", "")])], Refused, &[]),
    (&[Ask(&[Set(":path", "v1/a")])], Refused, &[]),
    (&[Ask(&[Set(":path", "*")])], Answer(400), &[]),
    (&[Ask(&[Set(":method", "")])], Refused, &[]),
    (&[Ask(&[Set(":scheme", "a b")])], Refused, &[]),
    (&[Ask(&[Set(":authority", "a@b")])], Answer(200), &["GET /v1/a "]),
    (&[Ask(&[Set(":authority", "a b")])], Refused, &[]),
    (&[Ask(&[Set(":authority", "a/b")])], Refused, &[]),
    (&[Ask(&[Set(":method", "CONNECT")])], Refused, &[]),
    (&[Ask(&[Set(":method", "CONNECT"), Drop(":path"), Drop(":scheme")])], Answer(405), &[]),
    (&[Ask(&[Set(":method", "TRACE")])], Answer(405), &[]),
    (&[Ask(&[Set(":path", "/v1/../admin")])], Answer(400), &[]),
    (&[Ask(&[Set(":path", "/v1/%2e%2e/admin")])], Answer(400), &[]),
    (&[Ask(&[Set(":path", "/v1/a\\..\\b")])], Answer(400), &[]),
    (&[Ask(&[Set(":path", "//evil/v1/a")])], Answer(200), &["GET /v1//evil/v1/a "]),
    (&[Ask(&[Set(":path", "http://evil/v1/a")])], Refused, &[]),
    (&[Ask(&[Add("host", "evil")])], Answer(200), &["GET /v1/a "]),
    (&[Ask(&[Add("authorization", "Bearer other")])], Answer(400), &[]),
    (&[Ask(&[Drop("authorization")])], Answer(401), &[]),
];

/// What HTTP/2 carries as a field or a value, and HTTP/1.1 would take for lines and frames of its own.
const DOWNGRADES: &[Row] = &[
    (&[Ask(&[Add("x", "y\r\nauthorization: Bearer other")])], Refused, &[]),
    (&[Ask(&[Add("x", "y\ntransfer-encoding: chunked")])], Refused, &[]),
    (&[Ask(&[Add("x", "y\rz")])], Refused, &[]),
    (&[Ask(&[Add("x", "y\0z")])], Refused, &[]),
    (&[Ask(&[Add("x", "\r\n\r\nGET /v1/evil HTTP/1.1\r\n\r\n")])], Refused, &[]),
    (&[Ask(&[Add("x\r\ny", "z")])], Refused, &[]),
    (&[Ask(&[Add("x: y\r\nz", "z")])], Refused, &[]),
    (&[Ask(&[Add("x y", "z")])], Refused, &[]),
    (&[Ask(&[Add("x:", "z")])], Refused, &[]),
    (&[Ask(&[Add("", "z")])], Refused, &[]),
    (&[Ask(&[Add("X", "z")])], Refused, &[]),
    (&[Ask(&[Add("x\0", "z")])], Refused, &[]),
    (&[Ask(&[Add("x\u{e9}", "z")])], Refused, &[]),
    (&[Ask(&[Set(":path", "/v1/a HTTP/1.1\r\nx: y")])], Refused, &[]),
    (&[Ask(&[Set(":path", "/v1/a b")])], Refused, &[]),
    (&[Ask(&[Set(":path", "/v1/a\tb")])], Refused, &[]),
    (&[Ask(&[Set(":path", "/v1/a\0")])], Refused, &[]),
    (&[Ask(&[Set(":path", "/v1/a#b")])], Answer(200), &["GET /v1/a "]),
    (&[Ask(&[Set(":method", "GET /v1/evil HTTP/1.1\r\nx:")])], Refused, &[]),
    (&[Ask(&[Set(":method", "GET\t")])], Refused, &[]),
    (&[Ask(&[Set(":authority", "x\r\ny: z")])], Refused, &[]),
    (&[Ask(&[Set(":scheme", "http\r\n")])], Refused, &[]),
    (&[Ask(&[Add("connection", "close")])], Refused, &[]),
    (&[Ask(&[Add("connection", "authorization")])], Refused, &[]),
    (&[Ask(&[Add("keep-alive", "timeout=5")])], Refused, &[]),
    (&[Ask(&[Add("proxy-connection", "keep-alive")])], Refused, &[]),
    (&[Ask(&[Add("transfer-encoding", "chunked")])], Refused, &[]),
    (&[Ask(&[Add("upgrade", "websocket")])], Refused, &[]),
    (&[Ask(&[Add("te", "chunked")])], Refused, &[]),
    (&[Ask(&[Add("te", "trailers, chunked")])], Refused, &[]),
    (&[Ask(&[Add("te", "trailers")])], Answer(200), &["GET /v1/a "]),
    (&[Open(&[Add("transfer-encoding", "chunked")]), Last("0\r\n\r\nGET /v1/evil HTTP/1.1\r\n\r\n")], Refused, &[]),
    (&[Open(&[]), Last("0\r\n\r\nGET /v1/e HTTP/1.1")], Answer(200), &["POST /v1/a 0\r\n\r\nGET /v1/e HTTP/1.1"]),
];

const BODIES: &[Row] = &[
    (&[Open(&[Add("content-length", "2")]), Last("ab")], Answer(200), &["POST /v1/a ab"]),
    (&[Open(&[Add("content-length", "2")]), Last("abc")], Refused, &[]),
    (&[Open(&[Add("content-length", "2")]), Last("a")], Refused, &[]),
    (&[Open(&[Add("content-length", "2")]), Last("")], Refused, &[]),
    (&[Open(&[Add("content-length", "0")]), Last("GET /v1/evil HTTP/1.1\r\n\r\n")], Refused, &[]),
    (&[Open(&[Add("content-length", "2")]), Piece("a"), Trailers(&[])], Refused, &[]),
    (&[Ask(&[Add("content-length", "2")])], Refused, &[]),
    (&[Open(&[Add("content-length", "-2")]), Last("ab")], Refused, &[]),
    (&[Open(&[Add("content-length", "+2")]), Last("ab")], Refused, &[]),
    (&[Open(&[Add("content-length", "0x2")]), Last("ab")], Refused, &[]),
    (&[Open(&[Add("content-length", "2, 2")]), Last("ab")], Refused, &[]),
    (&[Open(&[Add("content-length", "")]), Last("ab")], Refused, &[]),
    (&[Open(&[Add("content-length", "18446744073709551618")]), Last("ab")], Refused, &[]),
    (&[Open(&[Add("content-length", "2"), Add("content-length", "3")]), Last("ab")], Refused, &[]),
    (&[Open(&[Add("content-length", "3"), Add("content-length", "2")]), Last("ab")], Refused, &[]),
    (&[Open(&[]), Piece("ab"), Trailers(&[("authorization", "Bearer x")])], Answer(200), &["POST /v1/a ab"]),
    (&[Open(&[]), Piece("ab"), Trailers(&[(":path", "/v1/evil")])], Answer(200), &["POST /v1/a ab"]),
    (&[Open(&[]), Piece("ab"), Trailers(&[("transfer-encoding", "chunked")])], Refused, &[]),
    (&[Open(&[]), Piece("ab"), Frame(HEADERS, END_HEADERS, 1, &[])], Refused, &[]),
    (&[Open(&[]), Frame(DATA, PADDED | END_STREAM, 1, b"\x02ab\0\0")], Answer(200), &["POST /v1/a ab"]),
    (&[Open(&[]), Frame(DATA, PADDED | END_STREAM, 1, b"\x05ab")], Refused, &[]),
];

const FRAMES: &[Row] = &[
    (&[Frame(DATA, 0, 0, b"x")], Refused, &[]),
    (&[Frame(DATA, 0, 1, b"x")], Refused, &[]),
    (&[Frame(HEADERS, END_HEADERS, 0, &[])], Refused, &[]),
    (&[Frame(HEADERS, END_HEADERS, 2, &[0x82])], Refused, &[]),
    (&[Frame(HEADERS, END_HEADERS, 1, &[0x80])], Refused, &[]),
    (&[Frame(HEADERS, END_HEADERS, 1, &[0xff, 0xff, 0xff, 0xff, 0x0f])], Refused, &[]),
    (&[Frame(HEADERS, END_HEADERS, 1, &[0xff; 64])], Refused, &[]),
    (&[Frame(HEADERS, END_HEADERS, 1, &[0x3f, 0xff, 0xff, 0x7f])], Refused, &[]),
    (&[Frame(HEADERS, END_HEADERS, 1, &[0x00, 0x7f, 0xff, 0xff, 0x7f])], Refused, &[]),
    (&[Frame(HEADERS, END_HEADERS, 1, &[0x00, 0x81, 0xff, 0x01, b'x'])], Refused, &[]),
    (&[Frame(HEADERS, END_HEADERS | PADDED, 1, &[9, 0x82])], Refused, &[]),
    (&[Frame(HEADERS, END_STREAM, 1, &[]), Frame(DATA, 0, 1, b"x")], Refused, &[]),
    (&[Frame(HEADERS, END_STREAM, 1, &[]), Frame(CONTINUATION, END_HEADERS, 3, &[])], Refused, &[]),
    (&[Frame(HEADERS, END_STREAM, 1, &[]), Frame(PING, 0, 0, &[0; 8])], Refused, &[]),
    (&[Frame(CONTINUATION, END_HEADERS, 1, &[])], Refused, &[]),
    (&[Ask(&[]), Frame(CONTINUATION, END_HEADERS, 1, &[])], Refused, &[]),
    (&[Frame(PUSH_PROMISE, END_HEADERS, 1, &[0, 0, 0, 2])], Refused, &[]),
    (&[Frame(PRIORITY, 0, 0, &[0; 5])], Refused, &[]),
    (&[Frame(PRIORITY, 0, 1, &[0; 4])], Refused, &[]),
    (&[Frame(RST_STREAM, 0, 0, &[0; 4])], Refused, &[]),
    (&[Frame(RST_STREAM, 0, 1, &[0; 4])], Refused, &[]),
    (&[Frame(RST_STREAM, 0, 1, &[0; 3])], Refused, &[]),
    (&[Frame(PING, 0, 0, &[0; 7])], Refused, &[]),
    (&[Frame(PING, 0, 1, &[0; 8])], Refused, &[]),
    (&[Frame(GOAWAY, 0, 1, &[0; 8])], Refused, &[]),
    (&[Frame(SETTINGS, 0, 1, &[])], Refused, &[]),
    (&[Frame(SETTINGS, 0, 0, &[0; 5])], Refused, &[]),
    (&[Frame(SETTINGS, ACK, 0, &[0; 6])], Refused, &[]),
    // ENABLE_PUSH, INITIAL_WINDOW_SIZE and MAX_FRAME_SIZE beyond their bounds.
    (&[Frame(SETTINGS, 0, 0, &[0, 2, 0, 0, 0, 2])], Refused, &[]),
    (&[Frame(SETTINGS, 0, 0, &[0, 4, 0x80, 0, 0, 0])], Refused, &[]),
    (&[Frame(SETTINGS, 0, 0, &[0, 5, 0, 0, 0, 1])], Refused, &[]),
    (&[Frame(WINDOW_UPDATE, 0, 0, &[0; 4])], Refused, &[]),
    (&[Frame(WINDOW_UPDATE, 0, 0, &[0x7f, 0xff, 0xff, 0xff])], Refused, &[]),
    (&[Frame(WINDOW_UPDATE, 0, 0, &[0; 3])], Refused, &[]),
    (&[Frame(WINDOW_UPDATE, 0, 1, &[0, 0, 0, 1])], Refused, &[]),
    (&[Open(&[]), Frame(WINDOW_UPDATE, 0, 1, &[0; 4])], Refused, &[]),
    (&[Open(&[]), Frame(WINDOW_UPDATE, 0, 1, &[0x7f, 0xff, 0xff, 0xff])], Refused, &[]),
    (&[Open(&[]), Last("ab"), Piece("c")], Refused, &[]),
    (&[Raw(b"\xff\xff\xff\0\0\0\0\0\x01")], Refused, &[]),
    (&[Raw(b"GET /v1/a HTTP/1.1\r\nhost: x\r\n\r\n")], Refused, &[]),
    // What nobody knows is nothing.
    (&[Frame(0xfa, 0xff, 0, b"grease"), Ask(&[])], Answer(200), &["GET /v1/a "]),
    (&[Frame(SETTINGS, 0, 0, &[0xfa, 0xfa, 0, 0, 0, 1]), Ask(&[])], Answer(200), &["GET /v1/a "]),
];

impl Step {
    fn bytes(self) -> Vec<u8> {
        match self {
            Ask(changes) => frame(HEADERS, END_HEADERS | END_STREAM, 1, &head("GET", changes)),
            Open(changes) => frame(HEADERS, END_HEADERS, 1, &head("POST", changes)),
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

/// Half an upload must not become a whole one, whatever reason the client gives: none, an error, that it cancels.
fn reset_upload() {
    let upstream = Upstream::start();
    let proxy = start(upstream.address(), &[]);
    for reason in [0, 2, 8] {
        for answered in [false, true] {
            let mut client = Frames::client(RawConnection::connect(proxy.address()));
            client.send([Open(&[]), Piece("half")].map(Step::bytes).concat()).expect("the proxy listens");
            let mut upstream_conn = upstream.accept();
            upstream_conn.until("half");
            if answered {
                upstream_conn.send(wire::EVENTS);
                assert_eq!(client.outcome(1), Outcome::Status(200));
            }
            client.send(frame(RST_STREAM, 0, 1, &[0, 0, 0, reason])).expect("the proxy listens");
            let (rest, _) = upstream_conn.rest();
            assert!(!rest.ends_with(b"0\r\n\r\n"), "reset for {reason}, answered: {answered}");
        }
    }
}

/// Each attack by prior knowledge and, as a browser would, by ALPN.
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
        attack(tls::connect(socket, &trust).expect("TLS is agreed on"), &upstream, row);
        let mut next = http2::Client::connect_tls(over_tls.address(), &Arc::clone(&trust));
        assert_eq!(next.request(wire::get("/v1/next")).0.status, 200, "after {row:?}");
        assert_eq!(upstream.take().len(), 1, "after {row:?}");
    }
    println!("{} attacks survived, each by prior knowledge and by ALPN", rows.len());
}

fn attack(connection: RawConnection, upstream: &RespondingUpstream, row: &Row) {
    let (steps, outcome, received) = row;
    let mut client = Frames::client(connection);
    // The proxy may have read enough before it has all.
    let _ = client.send(steps.iter().flat_map(|step| step.bytes()).collect::<Vec<_>>());
    let becomes = match client.outcome(1) {
        Outcome::Status(status) => Answer(status),
        Outcome::Reset(_) | Outcome::Goaway(_) | Outcome::Closed => Refused,
    };
    assert_eq!(becomes, *outcome, "{row:?}");
    let told: Vec<_> = upstream.take().iter().map(told).collect();
    assert_eq!(told, received.iter().map(|text| text.as_bytes()).collect::<Vec<_>>(), "{row:?}");
}
