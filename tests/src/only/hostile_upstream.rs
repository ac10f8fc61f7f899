//! Upstreams that violate HTTP/1.1 ([RFC 9112](https://www.rfc-editor.org/rfc/rfc9112)): the client receives an error
//! or a visibly truncated response, the next request is served, and no request is sent twice.

use super::{Test, forwarded, get, start};
use crate::{
    adapter::Running as _,
    raw_connection::RawConnection,
    upstream::Upstream,
    wire::{self, error_code},
};

pub(super) const TESTS: &[Test] = &[
    ("invalid_heads_are_a_502", || all(HEADS)),
    ("invalid_bodies_are_cut", || all(BODIES)),
    ("unusual_but_unambiguous_responses_pass", || all(UNAMBIGUOUS)),
    ("endless_responses_are_aborted", || all(ENDLESS)),
    ("response_in_single_bytes_passes", single_bytes),
];

/// What the upstream does after sending its bytes.
#[derive(Clone, Copy, Debug)]
enum Then {
    Waits,
    Closes,
    Resets,
    /// Sends this repeatedly.
    Repeats(&'static str),
}

/// What the client receives.
#[derive(Clone, Copy, Debug)]
enum Expected {
    Unreachable,
    /// A head and a body with this prefix, without its end.
    Cut(&'static str),
    Whole(u16, &'static str),
}

use Expected::{Cut, Unreachable, Whole};
use Then::{Closes, Repeats, Resets, Waits};

type Row = (&'static str, Then, Expected);

const HEADS: &[Row] = &[
    ("", Closes, Unreachable),
    ("", Resets, Unreachable),
    ("HTTP/1.1 20", Closes, Unreachable),
    ("HTTP/1.1 200 OK\r\ncontent-le", Closes, Unreachable),
    ("HTTP/1.1 200 OK\r\ncontent-length: 2\r\n", Resets, Unreachable),
    ("HTTP/1.1 100 Continue\r\n\r\n", Closes, Unreachable),
    ("HTTP/1.1 103 Early Hints\r\nlink: </a>\r\n\r\n", Resets, Unreachable),
    ("\u{16}\u{3}\u{1}\u{2}\r\n\r\n", Waits, Unreachable),
    ("SSH-2.0-OpenSSH_9.2\r\n", Waits, Unreachable),
    ("ok\r\n\r\n", Waits, Unreachable),
    ("HTTP/2 200 OK\r\n\r\n", Waits, Unreachable),
    ("HTTP/1.2 200 OK\r\n\r\n", Waits, Unreachable),
    ("HTTP/1.1 20 OK\r\n\r\n", Waits, Unreachable),
    ("HTTP/1.1 2000 OK\r\n\r\n", Waits, Unreachable),
    ("HTTP/1.1 -200 OK\r\n\r\n", Waits, Unreachable),
    ("HTTP/1.1 099 OK\r\n\r\n", Waits, Unreachable),
    ("HTTP/1.1 200 OK\r\n folded: x\r\n\r\n", Waits, Unreachable),
    ("HTTP/1.1 200 OK\r\na: b\r\n folded\r\ncontent-length: 0\r\n\r\n", Waits, Unreachable),
    ("HTTP/1.1 200 OK\r\na : b\r\ncontent-length: 0\r\n\r\n", Waits, Unreachable),
    ("HTTP/1.1 200 OK\r\n: b\r\ncontent-length: 0\r\n\r\n", Waits, Unreachable),
    ("HTTP/1.1 200 OK\r\na: b\0c\r\ncontent-length: 0\r\n\r\n", Waits, Unreachable),
    ("HTTP/1.1 200 OK\r\na: b\rc\r\ncontent-length: 0\r\n\r\n", Waits, Unreachable),
    ("HTTP/1.1 200 OK\r\na\u{7f}: b\r\ncontent-length: 0\r\n\r\n", Waits, Unreachable),
    ("HTTP/1.1 200 OK\r\ncontent-length: 2\r\ncontent-length: 3\r\n\r\nok!", Waits, Unreachable),
    ("HTTP/1.1 200 OK\r\ncontent-length: 2, 3\r\n\r\nok!", Waits, Unreachable),
    ("HTTP/1.1 200 OK\r\ncontent-length: -2\r\n\r\nok", Waits, Unreachable),
    ("HTTP/1.1 200 OK\r\ncontent-length: +2\r\n\r\nok", Waits, Unreachable),
    ("HTTP/1.1 200 OK\r\ncontent-length: 2x\r\n\r\nok", Waits, Unreachable),
    ("HTTP/1.1 200 OK\r\ncontent-length:\r\n\r\nok", Waits, Unreachable),
    ("HTTP/1.1 200 OK\r\ncontent-length: 99999999999999999999\r\n\r\nok", Waits, Unreachable),
    ("HTTP/1.1 200 OK\r\ncontent-length: 2\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n", Waits, Unreachable),
    ("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked, chunked\r\n\r\n0\r\n\r\n", Waits, Unreachable),
    ("HTTP/1.1 200 OK\r\ntransfer-encoding: gzip, chunked\r\n\r\n0\r\n\r\n", Waits, Unreachable),
    ("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked, identity\r\n\r\n0\r\n\r\n", Waits, Unreachable),
    ("HTTP/1.1 200 OK\r\ntransfer-encoding: xchunked\r\n\r\n0\r\n\r\n", Waits, Unreachable),
    ("HTTP/1.0 200 OK\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n", Waits, Unreachable),
    ("HTTP/1.1 101 Switching Protocols\r\nupgrade: websocket\r\nconnection: upgrade\r\n\r\n", Waits, Unreachable),
    ("HTTP/1.1 101 Switching Protocols\r\n\r\nHTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n", Waits, Unreachable),
];

macro_rules! chunked {
    ($body:literal) => {
        concat!("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n", $body)
    };
}

const BODIES: &[Row] = &[
    ("HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nhel", Closes, Cut("hel")),
    ("HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\n", Closes, Cut("")),
    (chunked!("2\r\nok\r\n"), Closes, Cut("ok")),
    (chunked!("2\r\nok"), Closes, Cut("ok")),
    (chunked!("5\r\nok"), Closes, Cut("ok")),
    (chunked!("2\r\nok\r\n0"), Closes, Cut("ok")),
    (chunked!("2\r\nok\r\n0\r\n"), Closes, Cut("ok")),
    (chunked!("2\r\nok\r\n0\r\na: b"), Closes, Cut("ok")),
    (chunked!("2\r\nok\r\nx\r\n"), Waits, Cut("ok")),
    (chunked!("2\r\nok\r\n\r\n"), Waits, Cut("ok")),
    (chunked!("2\r\nok\r\n-1\r\n"), Waits, Cut("ok")),
    (chunked!("2\r\nok\r\n+1\r\n"), Waits, Cut("ok")),
    (chunked!("2\r\nok\r\n0x1\r\n"), Waits, Cut("ok")),
    (chunked!("2\r\nok\r\n10000000000000000\r\n"), Waits, Cut("ok")),
    (chunked!("2\r\nok\r\n1\n"), Waits, Cut("ok")),
    (chunked!("2\r\nok\r\n1;x\n"), Waits, Cut("ok")),
    (chunked!("2\r\nokay\r\n"), Waits, Cut("ok")),
    (chunked!("2\r\nok\n0\r\n\r\n"), Waits, Cut("ok")),
    (chunked!("2\r\nok\r\n0\r\n\n"), Waits, Cut("ok")),
    (chunked!("2\r\nok\r\n0\r\na: b\n\r\n"), Waits, Cut("ok")),
    (chunked!("HTTP/1.1 200 OK\r\n\r\n"), Waits, Cut("")),
];

const UNAMBIGUOUS: &[Row] = &[
    // Bytes after a response are not the response to the next request.
    (
        "HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nokHTTP/1.1 200 OK\r\ncontent-length: 4\r\n\r\nevil",
        Waits,
        Whole(200, "ok"),
    ),
    (chunked!("2\r\nok\r\n0\r\n\r\nHTTP/1.1 200 OK\r\ncontent-length: 4\r\n\r\nevil"), Waits, Whole(200, "ok")),
    ("HTTP/1.1 204 No Content\r\n\r\nHTTP/1.1 200 OK\r\ncontent-length: 4\r\n\r\nevil", Waits, Whole(204, "")),
    ("HTTP/1.1 304 Not Modified\r\ncontent-length: 4\r\n\r\nevil", Waits, Whole(304, "")),
    ("HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length: 2\r\n\r\nok", Waits, Whole(200, "ok")),
    ("HTTP/1.0 200 OK\r\n\r\nok", Closes, Whole(200, "ok")),
    ("HTTP/1.1 200 OK\r\n\r\nok", Closes, Whole(200, "ok")),
    ("HTTP/1.1 200\r\ncontent-length: 2\r\ncontent-length: 2\r\n\r\nok", Closes, Whole(200, "ok")),
    ("HTTP/1.1 999 Odd\r\ncontent-length: 2\r\n\r\nok", Closes, Whole(999, "ok")),
    ("HTTP/1.1 302 Found\r\nlocation: http://127.0.0.1:1/\r\ncontent-length: 0\r\n\r\n", Closes, Whole(302, "")),
    (
        "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 102 Processing\r\n\r\nHTTP/1.1 103 Early Hints\r\na: b\r\n\r\n\
         HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok",
        Closes,
        Whole(200, "ok"),
    ),
    (chunked!("1;a=\"b\r\"\r\no\r\n"), Closes, Cut("")),
    (chunked!("1;a=\"b\"\r\no\r\n01 \r\nk\r\n000\r\ntrailer: dropped\r\n\r\n"), Closes, Whole(200, "ok")),
];

const ENDLESS: &[Row] = &[
    ("HTTP/1.1 200 OK\r\n", Repeats("a: b\r\n"), Unreachable),
    ("HTTP/1.1 200 OK\r\na: ", Repeats("xxxxxxxxxxxxxxxx"), Unreachable),
    ("HTTP/1.1 200 ", Repeats("xxxxxxxxxxxxxxxx"), Unreachable),
    ("", Repeats("HTTP/1.1 100 Continue\r\n\r\n"), Unreachable),
    ("", Repeats("HTTP/1.1 103 Early Hints\r\nlink: </a>\r\n\r\n"), Unreachable),
    (chunked!("2\r\nok\r\n1;"), Repeats("xxxxxxxxxxxxxxxx"), Cut("ok")),
    (chunked!("2\r\nok\r\n1 "), Repeats("                "), Cut("ok")),
    (chunked!("2\r\nok\r\n"), Repeats("00000000"), Cut("ok")),
    (chunked!("2\r\nok\r\n0\r\n"), Repeats("a: b\r\n"), Cut("ok")),
    (chunked!("2\r\nok\r\n0\r\na: "), Repeats("xxxxxxxxxxxxxxxx"), Cut("ok")),
];

/// Bytes, more than the proxy may read without progress and than the socket buffers hold.
const REPEATED: usize = 16 << 20;

fn all(rows: &[Row]) {
    let upstream = Upstream::start();
    let proxy = start(upstream.address(), &[]);
    for row in rows {
        println!("{row:?}");
        one(&proxy, &upstream, row);
        // The next request uses a new connection and receives its own response.
        let mut client = RawConnection::connect(proxy.address());
        client.send(get("/v1/models"));
        let mut upstream_conn = upstream.accept();
        assert_eq!(upstream_conn.head().word(1), "/v1/models");
        upstream_conn.send("HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length: 4\r\n\r\ngood");
        let head = client.head();
        assert_eq!((head.status(), &client.body(&head)[..]), (200, &b"good"[..]));
    }
    println!("{} hostile responses handled", rows.len());
}

fn one(proxy: &impl crate::adapter::Running, upstream: &Upstream, &(response, then, expected): &Row) {
    let mut client = RawConnection::connect(proxy.address());
    client.send(wire::request("POST", "/v1/responses", "connection: close\r\ncontent-length: 2\r\n") + "{}");
    let mut upstream_conn = upstream.accept();
    let head = upstream_conn.head();
    assert_eq!(upstream_conn.body(&head), b"{}");
    // The proxy may close the connection before it has read everything.
    let _ = upstream_conn.try_send(response);
    let mut open = Some(upstream_conn);
    match then {
        Closes => open = None,
        Resets => open.take().into_iter().for_each(RawConnection::reset),
        Repeats(piece) => {
            let many = piece.repeat((64 << 10) / piece.len());
            let sent = (0..REPEATED / many.len())
                .try_for_each(|_| open.as_mut().map_or(Ok(()), |connection| connection.try_send(&many)));
            assert!(sent.is_err(), "the proxy reads without a limit");
        }
        Waits => {}
    }
    let head = client.head();
    match expected {
        Unreachable => {
            assert_eq!(head.status(), 502);
            assert_eq!(error_code(&client.body(&head)), "upstream_failed");
        }
        Cut(body) => {
            assert_eq!(head.status(), 200);
            let (rest, _) = client.rest();
            let rest = String::from_utf8(rest).expect("UTF-8 text");
            assert!(rest.contains(body) && !rest.ends_with("0\r\n\r\n"), "{rest:?}");
            assert!(head.content_length().is_none_or(|length| rest.len() < length), "{rest:?}");
        }
        Whole(status, body) => {
            assert_eq!(head.status(), status);
            let received = if [204, 304].contains(&status) { Vec::new() } else { client.body(&head) };
            assert_eq!(String::from_utf8_lossy(&received), body);
            assert!(client.rest().0.is_empty(), "no bytes follow");
        }
    }
    // The connection is not reused, and the request was sent once.
    if let (Some(mut upstream_conn), Waits) = (open, then) {
        assert!(upstream_conn.rest().0.is_empty(), "nothing else was sent");
    }
}

fn single_bytes() {
    let (_proxy, mut client, mut upstream_conn) = forwarded(&[], &get("/v1/responses"));
    for byte in chunked!("2;x=y\r\nok\r\n3\r\nay!\r\n0\r\na: b\r\n\r\n").bytes() {
        upstream_conn.send([byte]);
    }
    let head = client.head();
    assert_eq!((head.status(), &client.body(&head)[..]), (200, &b"okay!"[..]));
    // The response was valid, so the connection is reused.
    client.send(get("/v1/models"));
    assert_eq!(upstream_conn.head().word(1), "/v1/models");
}
