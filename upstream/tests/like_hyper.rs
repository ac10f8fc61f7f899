//! HTTP/1.1 responses are read as hyper's client reads them, or more strictly for a reason.

use bytes::BytesMut;
use http::{HeaderMap, Method, Request, StatusCode};
use http_body_util::{BodyExt as _, Empty};
use hyper::client::conn::http1::handshake;
use hyper_util::rt::TokioIo;
use sparekey_upstream::{
    Upgrade,
    http1::head::{self, HeaderCache},
};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, duplex};

#[derive(Debug, PartialEq)]
enum Outcome {
    Rejected,
    /// A head, a part of a body, and an error.
    Cut(StatusCode, Vec<u8>),
    Complete(StatusCode, HeaderMap, Vec<u8>),
}

/// Responses after which the connection closes, and the reason if ours is stricter.
const RESPONSES: &[(&str, Option<&str>)] = &[
    ("HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nhello", None),
    ("HTTP/1.1 200\r\nContent-Length: 5\r\nX-A: 1\r\nx-a: 2\r\n\r\nhello", None),
    ("HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nhel", None),
    ("HTTP/1.1 200 OK\r\ncontent-length: 5\r\ncontent-length: 5\r\n\r\nhello", None),
    ("HTTP/1.1 200 OK\r\ncontent-length: 5\r\ncontent-length: 6\r\n\r\nhello", None),
    ("HTTP/1.1 200 OK\r\ncontent-length: -5\r\n\r\nhello", None),
    ("HTTP/1.1 200 OK\r\ncontent-length: +5\r\n\r\nhello", None),
    ("HTTP/1.1 200 OK\r\ncontent-length: 99999999999999999999\r\n\r\nhello", None),
    ("HTTP/1.1 200 OK\r\n\r\nhello", None),
    ("HTTP/1.0 200 OK\r\n\r\nhello", None),
    ("HTTP/1.1 204 No Content\r\n\r\n", None),
    ("HTTP/1.1 304 Not Modified\r\ncontent-length: 5\r\n\r\n", None),
    ("HTTP/1.1 103 Early Hints\r\na: b\r\n\r\nHTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok", None),
    ("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n", None),
    ("HTTP/1.1 200 OK\r\ntransfer-encoding: Chunked\r\n\r\n5;a=b\r\nhello\r\n03 \r\nyou\r\n0\r\na: b\r\n\r\n", None),
    ("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n5\r\nhello\r\n", None),
    ("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n", None),
    ("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n5\r\nhello\r\nx\r\n", None),
    ("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n5\r\nhelloo\r\n", None),
    ("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n10000000000000000\r\n", None),
    ("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n5\nhello\r\n0\r\n\r\n", None),
    ("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n5;\nhello\r\n0\r\n\r\n", None),
    ("HTTP/1.1 200 OK\r\na: b\0\r\ncontent-length: 0\r\n\r\n", None),
    ("HTTP/1.1 200 OK\r\na : b\r\ncontent-length: 0\r\n\r\n", None),
    ("HTTP/1.1 200 OK\r\na: b\r\n c\r\ncontent-length: 0\r\n\r\n", None),
    ("HTTP/1.1 200 OK\r\na: \u{e9}\r\ncontent-length: 0\r\n\r\n", None),
    ("HTTP/2 200 OK\r\n\r\n", None),
    ("HTTP/1.1 20\r\n\r\n", None),
    ("HTTP/1.1 200 OK\r\na: b\r\n", None),
    ("SSH-2.0-x\r\n\r\n", None),
    ("", None),
    ("HTTP/1.1 200 OK\r\ncontent-length: 5, 5\r\n\r\nhello", None),
    (
        "HTTP/1.1 200 OK\r\ncontent-length: 5\r\ntransfer-encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n",
        Some("both lengths: response smuggling"),
    ),
    (
        "HTTP/1.1 200 OK\r\ntransfer-encoding: gzip, chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n",
        Some("the client would receive a coding that was not requested"),
    ),
    ("HTTP/1.1 200 OK\r\ntransfer-encoding: gzip\r\n\r\nhello", Some("the same, until the connection closes")),
    ("HTTP/1.0 200 OK\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n", None),
    ("HTTP/1.1 101 Switching Protocols\r\n\r\n", Some("the request has no Upgrade")),
    ("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\n", None),
    ("HTTP/1.1 200 OK\ncontent-length: 2\n\nok", None),
    ("HTTP/1.1 200 \r\na:\r\nb: \t c \t \r\ncontent-length: 2\r\n\r\nok", None),
    ("HTTP/1.1 200 O\0K\r\ncontent-length: 2\r\n\r\nok", None),
    ("HTTP/1.1 200OK\r\ncontent-length: 2\r\n\r\nok", None),
    ("HTTP/1.1  200 OK\r\ncontent-length: 2\r\n\r\nok", None),
    ("HTTP/1.1 200 OK\r\n: b\r\ncontent-length: 2\r\n\r\nok", None),
    ("HTTP/1.1 200 OK\r\na\r\ncontent-length: 2\r\n\r\nok", None),
    ("HTTP/1.1 200 OK\r\na: b\r\r\ncontent-length: 2\r\n\r\nok", None),
    (
        "\r\nHTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok",
        Some("bytes before a response belong to another one, whose end was misread"),
    ),
];

fn ours(response: &[u8]) -> Outcome {
    let (mut buffer, mut cache) = (BytesMut::from(response), HeaderCache::default());
    let mut head = loop {
        match head::parse(&mut buffer, &mut cache, &Method::GET, Upgrade::Forbidden) {
            Ok(Some(head)) if head.is_interim() => {}
            Ok(Some(head)) => break head,
            Ok(None) | Err(_) => return Outcome::Rejected,
        }
    };
    let mut data = Vec::new();
    while !buffer.is_empty() && !head.body.is_end_stream() {
        match head.body.decode(&mut buffer) {
            Ok(more) => data.extend(more),
            Err(_) => return Outcome::Cut(head.parts.status, data),
        }
    }
    if head.body.is_end_stream() || head.body.ends_at_close() {
        Outcome::Complete(head.parts.status, head.parts.headers, data)
    } else {
        Outcome::Cut(head.parts.status, data)
    }
}

async fn hypers(response: &[u8]) -> Outcome {
    let (near, mut far) = duplex(64 * 1024);
    let (mut sender, connection) = handshake(TokioIo::new(near)).await.expect("a handshake sends nothing");
    tokio::spawn(connection);
    let request = Request::get("/").header("host", "x").body(Empty::<bytes::Bytes>::new()).expect("a valid request");
    let exchange = sender.send_request(request);
    // hyper rejects a response that arrives before its request.
    assert!(far.read(&mut [0; 1024]).await.expect("the request arrives") > 0);
    far.write_all(response).await.expect("it fits the buffer");
    far.shutdown().await.expect("the stream closes");
    let Ok(response) = exchange.await else { return Outcome::Rejected };
    let (head, mut body) = response.into_parts();
    let mut data = Vec::new();
    loop {
        match body.frame().await {
            Some(Ok(frame)) => data.extend(frame.into_data().unwrap_or_default()),
            Some(Err(_)) => return Outcome::Cut(head.status, data),
            None => return Outcome::Complete(head.status, head.headers, data),
        }
    }
}

#[tokio::test]
async fn equal_or_stricter() {
    for (text, stricter) in RESPONSES {
        // One byte per character, because some responses are not UTF-8.
        let response: Vec<u8> = text.chars().map(|c| u8::try_from(u32::from(c)).expect("a byte")).collect();
        let (ours, hypers) = (ours(&response), hypers(&response).await);
        let shown = response.escape_ascii();
        if let Some(why) = stricter {
            assert!(!matches!(ours, Outcome::Complete(..)), "{shown}: {why}");
            assert_ne!(ours, hypers, "{shown}: no longer stricter");
        } else {
            assert_eq!(ours, hypers, "{shown}");
        }
    }
}
