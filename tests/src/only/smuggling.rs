//! Request smuggling over HTTP/1.1 ([RFC 9112 §11.2](https://www.rfc-editor.org/rfc/rfc9112#section-11.2)): each
//! ambiguous request is rejected, or reaches the upstream as exactly one unambiguous request.

use super::{Test, start};
use crate::{
    adapter::Running as _,
    case_files::KEY,
    raw_connection::RawConnection,
    upstream::{ReceivedRequest, RespondingUpstream},
};

pub(super) const TESTS: &[Test] = &[
    ("body_framing_is_unambiguous", || all(FRAMING)),
    ("malformed_lines_are_rejected", || all(LINES)),
    ("connection_headers_are_not_forwarded", || all(CONNECTION)),
    ("targets_stay_within_the_api", || all(TARGETS)),
    ("bytes_after_a_rejection_are_not_a_request", || all(PIPELINED)),
];

/// The bytes, with `{k}` for the host and key lines, `{a}` for the key line; the statuses of all responses; what the upstream received.
type Row = (&'static str, &'static [u16], &'static [&'static str]);

const FRAMING: &[Row] = &[
    // Both are an error (RFC 9112 §6.3).
    (
        "POST /v1/a HTTP/1.1\r\n{k}content-length: 300\r\ntransfer-encoding: chunked\r\n\r\n2\r\nab\r\n0\r\n\r\nGET /v1/evil HTTP/1.1\r\n{k}\r\n",
        &[400],
        &[],
    ),
    (
        "POST /v1/a HTTP/1.1\r\n{k}transfer-encoding: chunked\r\ncontent-length: 300\r\n\r\n2\r\nab\r\n0\r\n\r\nGET /v1/evil HTTP/1.1\r\n{k}\r\n",
        &[400],
        &[],
    ),
    ("POST /v1/a HTTP/1.1\r\n{k}content-length: 2\r\ncontent-length: 3\r\n\r\nab", &[400], &[]),
    ("POST /v1/a HTTP/1.1\r\n{k}content-length: 2, 3\r\n\r\nab", &[400], &[]),
    ("POST /v1/a HTTP/1.1\r\n{k}content-length: 2, 2\r\n\r\nab", &[400], &[]),
    ("POST /v1/a HTTP/1.1\r\n{k}content-length: -2\r\n\r\nab", &[400], &[]),
    ("POST /v1/a HTTP/1.1\r\n{k}content-length: +2\r\n\r\nab", &[400], &[]),
    ("POST /v1/a HTTP/1.1\r\n{k}content-length: 0x2\r\n\r\nab", &[400], &[]),
    ("POST /v1/a HTTP/1.1\r\n{k}content-length: 2 2\r\n\r\nab", &[400], &[]),
    ("POST /v1/a HTTP/1.1\r\n{k}content-length: 2;q=1\r\n\r\nab", &[400], &[]),
    ("POST /v1/a HTTP/1.1\r\n{k}content-length:\r\n\r\nab", &[400], &[]),
    ("POST /v1/a HTTP/1.1\r\n{k}content-length: 18446744073709551618\r\n\r\nab", &[400], &[]),
    ("POST /v1/a HTTP/1.1\r\n{k}content-length: 99999999999999999999999\r\n\r\nab", &[400], &[]),
    ("POST /v1/a HTTP/1.1\r\n{k}transfer-encoding: xchunked\r\n\r\n0\r\n\r\n", &[400], &[]),
    ("POST /v1/a HTTP/1.1\r\n{k}transfer-encoding: chunked, identity\r\n\r\n0\r\n\r\n", &[400], &[]),
    (
        "POST /v1/a HTTP/1.1\r\n{k}transfer-encoding: chunked\r\ntransfer-encoding: identity\r\n\r\n0\r\n\r\n",
        &[400],
        &[],
    ),
    ("POST /v1/a HTTP/1.1\r\n{k}transfer-encoding: \u{b}chunked\r\n\r\n0\r\n\r\n", &[400], &[]),
    ("POST /v1/a HTTP/1.1\r\n{k}transfer-encoding: \"chunked\"\r\n\r\n0\r\n\r\n", &[400], &[]),
    ("POST /v1/a HTTP/1.1\r\n{k}transfer-encoding : chunked\r\n\r\n0\r\n\r\n", &[400], &[]),
    ("POST /v1/a HTTP/1.1\r\n{k} transfer-encoding: chunked\r\n\r\n0\r\n\r\n", &[400], &[]),
    ("POST /v1/a HTTP/1.1\r\n{k}transfer-encoding:\r\n chunked\r\n\r\n0\r\n\r\n", &[400], &[]),
    ("POST /v1/a HTTP/1.1\r\n{k}transfer\u{2d}encoding\0: chunked\r\n\r\n0\r\n\r\n", &[400], &[]),
    ("POST /v1/a HTTP/1.1\r\n{k}transfer-encoding: gzip\r\n\r\nab", &[400], &[]),
    ("POST /v1/a HTTP/1.1\r\n{k}transfer-encoding: identity\r\n\r\nab", &[400], &[]),
    ("POST /v1/a HTTP/1.0\r\n{k}transfer-encoding: chunked\r\n\r\n0\r\n\r\n", &[400], &[]),
    ("POST /v1/a HTTP/1.1\r\n{k}content_length: 2\r\nconnection: close\r\n\r\nab", &[200], &["POST /v1/a "]),
    (
        "POST /v1/a HTTP/1.1\r\n{k}transfer-encoding: chunked\r\nconnection: close\r\n\r\n2;a=b\r\nab\r\n0\r\nauthorization: x\r\ncontent-length: 5\r\n\r\n",
        &[200],
        &["POST /v1/a ab"],
    ),
    (
        "POST /v1/a HTTP/1.1\r\n{k}transfer-encoding: Chunked\r\nconnection: close\r\n\r\n0002\r\nab\r\n0\r\n\r\nGET /v1/evil HTTP/1.1\r\n{k}\r\n",
        &[200],
        &["POST /v1/a ab"],
    ),
    (
        "GET /v1/a HTTP/1.1\r\n{k}content-length: 2\r\nconnection: close\r\n\r\nabGET /v1/evil HTTP/1.1\r\n{k}\r\n",
        &[200],
        &["GET /v1/a ab"],
    ),
    // An invalid body never looks complete upstream.
    ("POST /v1/a HTTP/1.1\r\n{k}transfer-encoding: chunked\r\n\r\nx\r\n", &[], &[]),
    ("POST /v1/a HTTP/1.1\r\n{k}transfer-encoding: chunked\r\n\r\n-1\r\n", &[], &[]),
    ("POST /v1/a HTTP/1.1\r\n{k}transfer-encoding: chunked\r\n\r\n1\nab\n0\n\n", &[], &[]),
    ("POST /v1/a HTTP/1.1\r\n{k}transfer-encoding: chunked\r\n\r\n2\r\nabc\r\n0\r\n\r\n", &[], &[]),
    ("POST /v1/a HTTP/1.1\r\n{k}transfer-encoding: chunked\r\n\r\n10000000000000000\r\nab", &[], &[]),
    ("POST /v1/a HTTP/1.1\r\n{k}transfer-encoding: chunked\r\n\r\n2;\nxx\r\nab\r\n0\r\n\r\n", &[], &[]),
    // A bare LF after the last chunk ends the body; the bytes after it are no request.
    (
        "POST /v1/a HTTP/1.1\r\n{k}transfer-encoding: chunked\r\nconnection: close\r\n\r\n0\r\n\nGET /v1/evil HTTP/1.1\r\n{k}\r\n",
        &[200],
        &["POST /v1/a "],
    ),
];

const LINES: &[Row] = &[
    // One `Host` (RFC 9112 §3.2), which HTTP/1.0 does not need.
    ("GET /v1/a HTTP/1.1\r\nconnection: close\r\n\r\n", &[400], &[]),
    ("GET /v1/a HTTP/1.1\r\n{k}host: y\r\nconnection: close\r\n\r\n", &[400], &[]),
    ("GET /v1/a HTTP/1.0\r\n{a}\r\n", &[200], &["GET /v1/a "]),
    ("GET /v1/a HTTP/1.1\r\n{k}a: b\rc\r\n\r\n", &[400], &[]),
    ("GET /v1/a HTTP/1.1\r\n{k}a: b\0c\r\n\r\n", &[400], &[]),
    ("GET /v1/a HTTP/1.1\r\n{k}a: b\r\n c\r\n\r\n", &[400], &[]),
    ("GET /v1/a HTTP/1.1\r\n{k}a : b\r\n\r\n", &[400], &[]),
    ("GET /v1/a HTTP/1.1\r\n{k}a b: c\r\n\r\n", &[400], &[]),
    ("GET /v1/a HTTP/1.1\r\n{k}: b\r\n\r\n", &[400], &[]),
    ("GET /v1/a HTTP/1.1\r\n{k}a\r\n\r\n", &[400], &[]),
    ("GET /v1/a HTTP/1.1\r\n{k}a\u{e9}: b\r\n\r\n", &[400], &[]),
    ("GET /v1/a HTTP/1.1\r\n{k}(a): b\r\n\r\n", &[400], &[]),
    ("\u{16}\u{3}\u{1}\u{2}\u{0}\r\n\r\n", &[400], &[]),
    ("SSH-2.0-OpenSSH_9.2\r\n\r\n", &[400], &[]),
    ("GET /v1/a\r\n\r\n", &[400], &[]),
    ("GET  /v1/a HTTP/1.1\r\n{k}\r\n", &[400], &[]),
    ("GET /v1/a  HTTP/1.1\r\n{k}\r\n", &[400], &[]),
    ("GET\t/v1/a HTTP/1.1\r\n{k}\r\n", &[400], &[]),
    ("GET /v1/a b HTTP/1.1\r\n{k}\r\n", &[400], &[]),
    ("GET /v1/a\0 HTTP/1.1\r\n{k}\r\n", &[400], &[]),
    ("GET /v1/a\r HTTP/1.1\r\n{k}\r\n", &[400], &[]),
    ("GET /v1/a HTTP/1.1 \r\n{k}\r\n", &[400], &[]),
    ("GET /v1/a HTTP/1.2\r\n{k}\r\n", &[400], &[]),
    ("GET /v1/a HTTP/3\r\n{k}\r\n", &[400], &[]),
    ("GET /v1/a http/1.1\r\n{k}\r\n", &[400], &[]),
    ("G(T /v1/a HTTP/1.1\r\n{k}\r\n", &[400], &[]),
    ("G\u{e9}T /v1/a HTTP/1.1\r\n{k}\r\n", &[400], &[]),
    (" GET /v1/a HTTP/1.1\r\n{k}\r\n", &[400], &[]),
    ("\r\n\r\nGET /v1/a HTTP/1.1\r\n{k}connection: close\r\n\r\n", &[200], &["GET /v1/a "]),
];

const CONNECTION: &[Row] = &[
    // `Connection` can't remove the `Authorization` that the proxy sets.
    ("GET /v1/a HTTP/1.1\r\n{k}connection: close, authorization\r\n\r\n", &[200], &["GET /v1/a "]),
    (
        "GET /v1/a HTTP/1.1\r\n{k}connection: close, host, content-length, transfer-encoding\r\n\r\n",
        &[200],
        &["GET /v1/a "],
    ),
    (
        "POST /v1/a HTTP/1.1\r\n{k}connection: close, content-length\r\ncontent-length: 2\r\n\r\nab",
        &[200],
        &["POST /v1/a ab"],
    ),
    (
        "GET /v1/a HTTP/1.1\r\n{k}connection: close, upgrade, http2-settings\r\nupgrade: h2c\r\nhttp2-settings: AAMAAABkAAQAAP__\r\n\r\n",
        &[200],
        &["GET /v1/a "],
    ),
    (
        "GET /v1/a HTTP/1.1\r\n{k}te: trailers\r\nkeep-alive: timeout=5\r\nproxy-connection: keep-alive\r\nconnection: close\r\n\r\n",
        &[200],
        &["GET /v1/a "],
    ),
    ("GET /v1/a HTTP/1.0\r\n{k}\r\nGET /v1/evil HTTP/1.1\r\n{k}\r\n", &[200], &["GET /v1/a "]),
    ("CONNECT evil.example:443 HTTP/1.1\r\n{k}connection: close\r\n\r\n", &[405], &[]),
    ("TRACE /v1/a HTTP/1.1\r\n{k}connection: close\r\n\r\n", &[405], &[]),
];

const TARGETS: &[Row] = &[
    ("GET http://evil.example/v1/a HTTP/1.1\r\n{k}connection: close\r\n\r\n", &[200], &["GET /v1/a "]),
    ("GET http://evil.example:1/ HTTP/1.1\r\n{k}connection: close\r\n\r\n", &[200], &[]),
    ("GET //evil.example/v1/a HTTP/1.1\r\n{k}connection: close\r\n\r\n", &[200], &["GET /v1//evil.example/v1/a "]),
    ("GET evil.example HTTP/1.1\r\n{k}connection: close\r\n\r\n", &[400], &[]),
    ("GET v1/a HTTP/1.1\r\n{k}connection: close\r\n\r\n", &[400], &[]),
    ("GET ?a HTTP/1.1\r\n{k}connection: close\r\n\r\n", &[400], &[]),
    ("OPTIONS * HTTP/1.1\r\n{k}connection: close\r\n\r\n", &[400], &[]),
    ("GET file:///etc/passwd HTTP/1.1\r\n{k}connection: close\r\n\r\n", &[400], &[]),
    ("GET /v1/../admin HTTP/1.1\r\n{k}connection: close\r\n\r\n", &[400], &[]),
    ("GET /v1/%2e%2e/admin HTTP/1.1\r\n{k}connection: close\r\n\r\n", &[400], &[]),
    ("GET /v1/..%5cadmin HTTP/1.1\r\n{k}connection: close\r\n\r\n", &[400], &[]),
    ("GET /v1/a?\u{e9} HTTP/1.1\r\n{k}connection: close\r\n\r\n", &[400], &[]),
];

const PIPELINED: &[Row] = &[
    // The unread body of a rejected request is not parsed as a request.
    ("POST /v1/a HTTP/1.1\r\nhost: x\r\ncontent-length: 200\r\n\r\nGET /v1/evil HTTP/1.1\r\n{k}\r\n", &[401], &[]),
    (
        "POST /v1/organization HTTP/1.1\r\n{k}transfer-encoding: chunked\r\n\r\nff\r\nGET /v1/evil HTTP/1.1\r\n{k}\r\n",
        &[403],
        &[],
    ),
    (
        "GET /v1/a HTTP/1.1\r\n{k}\r\nGET /v1/b HTTP/1.1\r\n{k}connection: close\r\n\r\n",
        &[200, 200],
        &["GET /v1/a ", "GET /v1/b "],
    ),
    (
        "GET /v1/a HTTP/1.1\r\n{k}\r\nGET /v1/b HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n",
        &[200, 401],
        &["GET /v1/a "],
    ),
    ("GET /v1/a HTTP/1.1\r\n{k}\r\nGET /v1/b HTTP/1.1\r\n{k}a : b\r\n\r\n", &[200, 400], &["GET /v1/a "]),
    // Bytes beyond `Content-Length` are the next request, here with an unknown method.
    (
        "POST /v1/a HTTP/1.1\r\n{k}content-length: 2\r\n\r\nabcdGET /v1/b HTTP/1.1\r\n{k}connection: close\r\n\r\n",
        &[200, 405],
        &["POST /v1/a ab"],
    ),
];

fn all(rows: &[Row]) {
    let upstream = RespondingUpstream::start(|_| "HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok".into());
    let proxy = start(upstream.address(), &[]);
    let key = format!("authorization: Bearer {KEY}\r\n");
    let lines = format!("host: x\r\n{key}");
    for (bytes, statuses, received) in rows {
        let mut client = RawConnection::connect(proxy.address());
        let sent = latin1(&bytes.replace("{k}", &lines).replace("{a}", &key));
        // The proxy may close the connection before it has read everything.
        let _ = client.try_send(sent);
        if statuses.is_empty() {
            // The proxy may respond to an invalid body early, or close the connection.
            client.rest();
        } else {
            assert_eq!(read_statuses(&mut client), *statuses, "{bytes:?}");
        }
        let requests: Vec<_> = upstream.take().iter().map(summary).collect();
        assert_eq!(requests, received.iter().map(|text| latin1(text)).collect::<Vec<_>>(), "{bytes:?}");
        // No bytes are left over for other requests.
        let mut next = RawConnection::connect(proxy.address());
        next.send(format!("GET /v1/next HTTP/1.1\r\n{lines}connection: close\r\n\r\n"));
        assert_eq!(read_statuses(&mut next), [200], "after {bytes:?}");
        assert_eq!(upstream.take().len(), 1, "after {bytes:?}");
    }
    println!("{} attacks handled", rows.len());
}

/// One byte per character, so that a table can contain bytes that are not UTF-8.
fn latin1(text: &str) -> Vec<u8> {
    text.chars().map(|c| u8::try_from(u32::from(c)).expect("a byte")).collect()
}

/// The statuses of all responses until the connection ends.
fn read_statuses(client: &mut RawConnection) -> Vec<u16> {
    let mut statuses = Vec::new();
    while client.has_more() {
        let head = client.head();
        client.body(&head);
        statuses.push(head.status());
    }
    statuses
}

/// Method, target and body; asserts the API key and the absence of connection headers.
pub(super) fn summary(request: &ReceivedRequest) -> Vec<u8> {
    assert_eq!(request.head.header("authorization"), Some(&*format!("Bearer {}", crate::case_files::API_KEY)));
    for name in ["te", "keep-alive", "proxy-connection", "upgrade", "http2-settings", "connection", "trailer"] {
        assert_eq!(request.head.header(name), None);
    }
    let line = request.head.raw.split(|byte| *byte == b'\r').next().unwrap_or_default();
    let target = line.split(|byte| *byte == b' ').take(2).collect::<Vec<_>>().join(&b' ');
    [&target[..], b" ", &request.body].concat()
}
