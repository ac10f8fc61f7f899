//! Buffered responses.

use super::{BUFFERING, CHUNKED, EventSource, Lambda, OK, Test, assert_error, get, read_response, start_request};
use crate::lambda::Report;

pub(super) const TESTS: &[Test] = &[
    ("bodies_are_unchanged", unchanged),
    ("truncated_body_is_502", truncated),
    ("too_large_body_is_502", too_large),
    ("too_large_json_is_502", too_large_as_json),
    ("load_balancer_limit_is_smaller", balancer),
    ("single_value_headers_without_lists", plain),
];

const BALANCED: Lambda = Lambda::new("lambda", EventSource::Balancer, "buffer");

fn unchanged() {
    let every_byte: Vec<u8> = (0..=255).collect();
    for body in [&b"data: \"1\"\n\n"[..], "caf\u{e9} \u{1f600}\0".as_bytes(), &every_byte, b"", b"\xff"] {
        let (function, _upstream, mut client, mut serving) = start_request(BUFFERING, &[]);
        serving.send(CHUNKED);
        for half in body.chunks(body.len() / 2 + 1) {
            serving.send_chunk(half);
        }
        serving.send("0\r\n\r\n");
        let (head, got) = read_response(&mut client);
        assert_eq!((head.status(), got.as_slice()), (200, body));
        assert_eq!(head.header("content-type"), Some("text/event-stream"));
        assert_eq!(function.api.reports(), [Report::Buffered]);
    }
}

fn truncated() {
    let (_function, _upstream, mut client, mut serving) = start_request(BUFFERING, &[]);
    serving.send(CHUNKED);
    serving.send_chunk("data: 1\n\n");
    drop(serving);
    assert_error(&mut client, 502, "upstream_failed");
}

fn respond_with(lambda: Lambda, body: &[u8]) -> (crate::raw_connection::RawConnection, impl Sized + use<>) {
    let (function, upstream, client, mut serving) = start_request(lambda, &[]);
    // The function may close the connection before it has read a body that is too large.
    let _ = serving.try_send(format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n", body.len()));
    let _ = serving.try_send(body);
    (client, (function, upstream, serving))
}

fn too_large() {
    let (mut client, _held) = respond_with(BUFFERING, &vec![b'x'; 7 << 20]);
    assert_error(&mut client, 502, "answer_too_large");
    let (mut client, _held) = respond_with(BUFFERING, &vec![b'x'; 5 << 20]);
    assert_eq!(read_response(&mut client).1.len(), 5 << 20);
}

fn too_large_as_json() {
    let (mut client, _held) = respond_with(BUFFERING, &vec![0xFF; 5 << 20]);
    assert_error(&mut client, 502, "answer_too_large");
}

fn balancer() {
    let (mut client, _held) = respond_with(BALANCED, &vec![b'x'; 2 << 20]);
    assert_error(&mut client, 502, "answer_too_large");
}

/// An event with single-value headers requires a response with single-value headers.
fn plain() {
    let (_function, _upstream, mut client, mut serving) =
        start_request(Lambda::new("lambda", EventSource::PlainBalancer, "buffer"), &[]);
    serving.send(OK.replace("\r\n\r\n", "\r\nx-a: 1\r\nx-a: 2\r\n\r\n"));
    let (head, body) = read_response(&mut client);
    assert_eq!((head.header("x-a"), body.as_slice()), (Some("1, 2"), &b"ok"[..]));
    client.send(get("/v1/models?a=b%2Fc&d"));
    assert_eq!(serving.head().word(1), "/v1/models?a=b%2Fc&d");
}
