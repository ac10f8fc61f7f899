//! Upstreams that violate HTTP/2 ([RFC 9113](https://www.rfc-editor.org/rfc/rfc9113)), frame by frame: the client
//! receives an error or a visibly truncated response, the next request is served, and no request is sent twice.

use std::time::Duration;

use super::Test;
use crate::{
    adapter::Running,
    http2::frames::{
        Frames, block,
        flag::{ACK, END_HEADERS, END_STREAM},
        frame,
        kind::{CONTINUATION, DATA, GOAWAY, HEADERS, PING, PUSH_PROMISE, RST_STREAM, SETTINGS, WINDOW_UPDATE},
        string,
    },
    procfs,
    raw_connection::RawConnection,
    server::Server,
    tls::{self, Authority},
    upstream::Upstream,
    wire::{self, error_code},
};

pub(super) const TESTS: &[Test] = &[("invalid_responses_are_errors", responses), ("floods_use_little_memory", floods)];

/// What the upstream sends.
#[derive(Clone, Copy, Debug)]
enum Step {
    /// A response head without `END_STREAM`.
    Head(&'static [(&'static str, &'static str)]),
    /// A response head with `END_STREAM`.
    Whole(&'static [(&'static str, &'static str)]),
    Piece(&'static str),
    Last(&'static str),
    /// Type, flags, stream, payload.
    Frame(u8, u8, u32, &'static [u8]),
    Raw(&'static [u8]),
    /// Closes the connection.
    Close,
}

/// What the client receives.
#[derive(Clone, Copy, Debug)]
enum Expected {
    /// The upstream may have processed the request.
    Interrupted,
    /// It has said that it did not.
    NotProcessed,
    /// A head and a body with this prefix, without its end.
    Cut(&'static str),
    Complete(u16, &'static str),
}

use Expected::{Complete, Cut, Interrupted, NotProcessed};
use Step::{Close, Frame, Head, Last, Piece, Raw, Whole};

const OK: Step = Head(&[(":status", "200")]);

const RESPONSES: &[(&[Step], Expected)] = &[
    (&[OK, Last("ok")], Complete(200, "ok")),
    // No response.
    (&[Close], Interrupted),
    (&[Head(&[(":status", "103")]), Close], Interrupted),
    (&[Head(&[(":status", "101")]), Close], Interrupted),
    (&[Frame(RST_STREAM, 0, 1, &[0, 0, 0, 2])], Interrupted),
    (&[Frame(RST_STREAM, 0, 1, &[0, 0, 0, 7])], NotProcessed),
    (&[Frame(RST_STREAM, 0, 1, &[0, 0, 0, 8])], Interrupted),
    (&[Frame(RST_STREAM, 0, 1, &[0; 4])], Interrupted),
    (&[Frame(GOAWAY, 0, 0, &[0; 8])], NotProcessed),
    (&[Frame(GOAWAY, 0, 0, &[0, 0, 0, 0, 0, 0, 0, 1]), Close], NotProcessed),
    (&[Frame(GOAWAY, 0, 0, &[0, 0, 0, 1, 0, 0, 0, 2]), Close], Interrupted),
    // Invalid heads.
    (&[Last("ok")], Interrupted),
    (&[Head(&[])], Interrupted),
    (&[Head(&[("x", "y")])], Interrupted),
    (&[Head(&[(":status", "")])], Interrupted),
    (&[Head(&[(":status", "20")])], Interrupted),
    (&[Head(&[(":status", "2000")])], Interrupted),
    (&[Head(&[(":status", "2x0")])], Interrupted),
    (&[Head(&[(":status", "200"), (":status", "404")])], Interrupted),
    (&[Head(&[("x", "y"), (":status", "200")])], Interrupted),
    (&[Head(&[(":status", "200"), (":odd", "x")])], Interrupted),
    (&[Head(&[(":status", "103")]), Frame(RST_STREAM, 0, 1, &[0; 4])], Interrupted),
    // Fields that would inject lines into HTTP/1.1.
    (&[Head(&[(":status", "200"), ("x", "y\r\nset-cookie: z")])], Interrupted),
    (&[Head(&[(":status", "200"), ("x", "y\nz")])], Interrupted),
    (&[Head(&[(":status", "200"), ("x", "y\0z")])], Interrupted),
    (&[Head(&[(":status", "200"), ("x\r\ny", "z")])], Interrupted),
    (&[Head(&[(":status", "200"), ("x:", "z")])], Interrupted),
    (&[Head(&[(":status", "200"), ("X", "z")])], Interrupted),
    (&[Head(&[(":status", "200"), ("", "z")])], Interrupted),
    (&[Head(&[(":status", "200"), ("connection", "close")])], Interrupted),
    (&[Head(&[(":status", "200"), ("transfer-encoding", "chunked")])], Interrupted),
    (&[Head(&[(":status", "200"), ("upgrade", "websocket")])], Interrupted),
    // Lengths.
    (&[Head(&[(":status", "200"), ("content-length", "2")]), Last("ok")], Complete(200, "ok")),
    (&[Head(&[(":status", "200"), ("content-length", "5")]), Last("ok")], Cut("")),
    (&[Head(&[(":status", "200"), ("content-length", "5")]), Piece("ok"), Last("")], Cut("ok")),
    (&[Head(&[(":status", "200"), ("content-length", "1")]), Last("ok")], Cut("")),
    (&[Whole(&[(":status", "200"), ("content-length", "5")])], Interrupted),
    (&[Head(&[(":status", "200"), ("content-length", "-1")])], Interrupted),
    (&[Head(&[(":status", "200"), ("content-length", "2, 2")])], Interrupted),
    (&[Head(&[(":status", "200"), ("content-length", "99999999999999999999")])], Interrupted),
    (&[Head(&[(":status", "200"), ("content-length", "2"), ("content-length", "2")]), Last("ok")], Complete(200, "ok")),
    (&[Head(&[(":status", "200"), ("content-length", "2"), ("content-length", "6")]), Last("ok")], Interrupted),
    // Invalid bodies.
    (&[OK, Piece("ok"), Frame(RST_STREAM, 0, 1, &[0, 0, 0, 2])], Cut("ok")),
    (&[OK, Piece("ok"), Close], Cut("ok")),
    (&[OK, Piece("ok"), Frame(RST_STREAM, 0, 1, &[0; 4])], Cut("ok")),
    (&[OK, Piece("ok"), Frame(RST_STREAM, 0, 1, &[0, 0, 0, 8])], Cut("ok")),
    (&[OK, Frame(RST_STREAM, 0, 1, &[0; 4])], Cut("")),
    (&[OK, Piece("ok"), Frame(GOAWAY, 0, 0, &[0, 0, 0, 0, 0, 0, 0, 2])], Cut("ok")),
    (&[OK, Piece("ok"), Frame(DATA, 0, 0, b"x")], Cut("ok")),
    (&[OK, Piece("ok"), Frame(DATA, 0, 3, b"x")], Cut("ok")),
    (&[OK, Piece("ok"), Frame(PUSH_PROMISE, END_HEADERS, 1, &[0, 0, 0, 2])], Cut("ok")),
    (&[OK, Piece("ok"), Frame(PING, 0, 0, b"short")], Cut("ok")),
    (&[OK, Piece("ok"), Frame(SETTINGS, 0, 0, &[0, 5, 0, 0, 0, 0])], Cut("ok")),
    (&[OK, Piece("ok"), Frame(WINDOW_UPDATE, 0, 0, &[0; 4])], Cut("ok")),
    (&[OK, Piece("ok"), Frame(CONTINUATION, END_HEADERS, 1, &[])], Cut("ok")),
    (&[OK, Piece("ok"), Frame(HEADERS, END_HEADERS, 1, &[0x80])], Cut("ok")),
    (&[OK, Piece("ok"), Head(&[(":status", "404")])], Cut("ok")),
    (&[OK, Piece("ok"), Raw(b"HTTP/1.1 200 OK\r\n\r\n")], Cut("ok")),
    // Invalid frames.
    (&[Raw(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok")], Interrupted),
    (&[Frame(HEADERS, END_HEADERS, 1, &[0x80])], Interrupted),
    (&[Frame(HEADERS, END_HEADERS, 1, &[0xff; 32])], Interrupted),
    (&[Frame(HEADERS, END_HEADERS, 3, &[0x88])], Interrupted),
    (&[Frame(HEADERS, END_HEADERS, 2, &[0x88])], Interrupted),
    (&[Frame(HEADERS, 0, 1, &[0x88]), Last("ok")], Interrupted),
    // Unusual but unambiguous.
    (&[Head(&[(":status", "200"), (":path", "/")]), Last("ok")], Complete(200, "ok")),
    (&[Head(&[(":status", "103"), ("link", "</a>")]), OK, Last("ok")], Complete(200, "ok")),
    (&[OK, Last("ok"), Frame(RST_STREAM, 0, 1, &[0; 4])], Complete(200, "ok")),
    (&[OK, Piece("ok"), Whole(&[("set-cookie", "late")])], Complete(200, "ok")),
    (&[Frame(0xfa, 0xff, 0, b"grease"), OK, Last("ok")], Complete(200, "ok")),
    (&[Frame(GOAWAY, 0, 0, &[0, 0, 0, 1, 0, 0, 0, 0]), OK, Last("ok")], Complete(200, "ok")),
    (&[Whole(&[(":status", "204")])], Complete(204, "")),
];

impl Step {
    fn bytes(self) -> Vec<u8> {
        match self {
            Head(fields) => frame(HEADERS, END_HEADERS, 1, &block(fields.iter().copied())),
            Whole(fields) => frame(HEADERS, END_HEADERS | END_STREAM, 1, &block(fields.iter().copied())),
            Piece(data) => frame(DATA, 0, 1, data.as_bytes()),
            Last(data) => frame(DATA, END_STREAM, 1, data.as_bytes()),
            Frame(kind, flags, stream, payload) => frame(kind, flags, stream, payload),
            Raw(bytes) => bytes.to_vec(),
            Close => Vec::new(),
        }
    }
}

/// A server in front of an HTTP/2 upstream.
struct Fixture {
    authority: Authority,
    upstream: Upstream,
    proxy: Box<dyn Running>,
}

impl Fixture {
    fn new() -> Self {
        let (authority, upstream) = (Authority::new(), Upstream::start());
        let proxy = wire::start_tls(&Server, &authority, upstream.address(), &[("LOG", "info")]);
        Self { authority, upstream, proxy }
    }

    /// A complete request at the upstream, on a new connection.
    fn forwarded(&self) -> (RawConnection, Frames) {
        let (client, upstream_conn) = loop {
            let mut client = RawConnection::connect(self.proxy.address());
            client.send(wire::request("POST", "/v1/responses", "connection: close\r\ncontent-length: 2\r\n") + "{}");
            if let Some(upstream_conn) = self.upstream.accept_unless(|| client.has_unread()) {
                break (client, upstream_conn);
            }
            // The proxy used the previous connection before it detected the close.
            assert_eq!(client.head().status(), 502);
        };
        let socket = upstream_conn.socket().try_clone().expect("clone the socket");
        let config = self.authority.server("localhost", &["h2"]);
        let mut upstream_conn = Frames::server(tls::accept(socket, &config).expect("the TLS handshake succeeds"));
        upstream_conn.send(frame(SETTINGS, ACK, 0, &[])).expect("the proxy reads");
        while !upstream_conn.receive().is_some_and(|frame| frame.kind == DATA && frame.flags & END_STREAM != 0) {}
        (client, upstream_conn)
    }

    /// Asserts that the next request is served on a new connection.
    fn assert_serves(&self) {
        let (mut client, mut upstream_conn) = self.forwarded();
        upstream_conn.send([OK, Last("good")].map(Step::bytes).concat()).expect("the proxy reads");
        let head = client.head();
        assert_eq!((head.status(), &client.body(&head)[..]), (200, &b"good"[..]));
        drop(upstream_conn);
    }
}

fn responses() {
    let fixture = Fixture::new();
    for row in RESPONSES {
        let (steps, expected) = row;
        let (mut client, mut upstream_conn) = fixture.forwarded();
        let _ = upstream_conn.send(steps.iter().flat_map(|step| step.bytes()).collect::<Vec<_>>());
        let open = Some(upstream_conn).filter(|_| !matches!(steps.last(), Some(Close)));
        let head = client.head();
        match expected {
            Interrupted | NotProcessed => {
                let code = if matches!(expected, Interrupted) { "upstream_failed" } else { "upstream_unreachable" };
                let body = client.body(&head);
                assert_eq!((head.status(), &*error_code(&body)), (502, code), "{row:?}");
            }
            Cut(body) => {
                assert_eq!(head.status(), 200, "{row:?}");
                let rest = String::from_utf8(client.rest().0).expect("UTF-8 text");
                assert!(rest.contains(body) && !rest.ends_with("0\r\n\r\n"), "{row:?}: {rest:?}");
                assert!(head.content_length().is_none_or(|length| rest.len() < length), "{row:?}: {rest:?}");
            }
            Complete(status, body) => {
                let received = if *status == 204 { Vec::new() } else { client.body(&head) };
                assert_eq!((head.status(), &*String::from_utf8_lossy(&received)), (*status, *body), "{row:?}");
            }
        }
        assert!(fixture.upstream.is_untouched(), "the request is not retried: {row:?}");
        drop(open);
        fixture.assert_serves();
    }
    println!("{} hostile responses handled", RESPONSES.len());
}

/// A name; the bytes sent once; the bytes sent repeatedly.
type Flood = (&'static str, fn() -> Vec<u8>, fn() -> Vec<u8>);

const FLOODS: &[Flood] = &[
    ("interim responses", Vec::new, || Head(&[(":status", "103")]).bytes()),
    ("continuations", || frame(HEADERS, 0, 1, &[0x88]), || frame(CONTINUATION, 0, 1, &block([("x", "y")]))),
    ("empty continuations", || frame(HEADERS, 0, 1, &[0x88]), || frame(CONTINUATION, 0, 1, &[])),
    ("pings", Vec::new, || frame(PING, 0, 0, &[0; 8])),
    ("settings", Vec::new, || frame(SETTINGS, 0, 0, &[])),
    ("empty data", || OK.bytes(), || Piece("").bytes()),
    ("header compression bomb", Vec::new, || {
        let indexed = [vec![0x88, 0x40], string("x"), string(&"y".repeat(4000)), vec![0xbe; 8000]].concat();
        frame(HEADERS, END_HEADERS, 1, &indexed)
    }),
];

/// Bytes per flood.
const FLOOD: usize = 4 << 20;
/// Memory growth of the process over all floods, at most, in KiB.
const GROWTH: u64 = 16 << 10;

fn floods() {
    let fixture = Fixture::new();
    fixture.assert_serves();
    let process = fixture.proxy.process().expect("the server has a process id");
    let before = procfs::resident(process);
    for (name, opening, piece) in FLOODS {
        let (mut client, mut upstream_conn) = fixture.forwarded();
        let socket = upstream_conn.connection().socket();
        socket.set_write_timeout(Some(Duration::from_secs(1))).expect("set the socket timeout");
        let many = piece().repeat(1 + (1 << 16) / piece().len());
        let mut sent = upstream_conn.send(opening());
        for _ in 0..FLOOD / many.len() {
            sent = sent.and_then(|()| upstream_conn.send(&many));
        }
        drop(upstream_conn);
        client.rest();
        fixture.assert_serves();
        let grown = procfs::resident_peak(process).saturating_sub(before);
        assert!(grown < GROWTH, "{name}: memory grew by {grown} KiB");
    }
    println!("{} floods handled", FLOODS.len());
}
