//! Answers in one piece.

use super::{BUFFERED, CHUNKED, Kind, Lambda, OK, Test, answer, asked, get, is_error};
use crate::lambda::Report;

pub(super) const TESTS: &[Test] = &[
    ("text_leaves_as_text_and_bytes_unchanged", unchanged),
    ("a_body_that_breaks_is_a_502", breaks),
    ("a_body_that_is_too_large_is_a_502", too_large),
    ("a_body_that_is_too_large_only_as_json_is_a_502", too_large_as_json),
    ("a_load_balancer_takes_less", balancer),
    ("a_plain_load_balancer_is_answered_without_lists", plain),
];

const BALANCED: Lambda = Lambda::new("lambda", Kind::Balancer, "buffer");

fn unchanged() {
    let every_byte: Vec<u8> = (0..=255).collect();
    for body in [&b"data: \"1\"\n\n"[..], "caf\u{e9} \u{1f600}\0".as_bytes(), &every_byte, b"", b"\xff"] {
        let (function, _upstream, mut client, mut serving) = asked(BUFFERED, &[]);
        serving.send(CHUNKED);
        for half in body.chunks(body.len() / 2 + 1) {
            serving.send_chunk(half);
        }
        serving.send("0\r\n\r\n");
        let (head, got) = answer(&mut client);
        assert_eq!((head.status(), got.as_slice()), (200, body));
        assert_eq!(head.header("content-type"), Some("text/event-stream"));
        assert_eq!(function.api.reports(), [Report::Whole]);
    }
}

fn breaks() {
    let (_function, _upstream, mut client, mut serving) = asked(BUFFERED, &[]);
    serving.send(CHUNKED);
    serving.send_chunk("data: 1\n\n");
    drop(serving);
    is_error(&mut client, 502, "upstream_unreachable");
}

fn answered_with(lambda: Lambda, body: &[u8]) -> (crate::raw_connection::RawConnection, impl Sized + use<>) {
    let (function, upstream, client, mut serving) = asked(lambda, &[]);
    // It gives up amid what is too large.
    let _ = serving.try_send(format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n", body.len()));
    let _ = serving.try_send(body);
    (client, (function, upstream, serving))
}

fn too_large() {
    let (mut client, _held) = answered_with(BUFFERED, &vec![b'x'; 7 << 20]);
    is_error(&mut client, 502, "answer_too_large");
    let (mut client, _held) = answered_with(BUFFERED, &vec![b'x'; 5 << 20]);
    assert_eq!(answer(&mut client).1.len(), 5 << 20);
}

fn too_large_as_json() {
    let (mut client, _held) = answered_with(BUFFERED, &vec![0xFF; 5 << 20]);
    is_error(&mut client, 502, "answer_too_large");
}

fn balancer() {
    let (mut client, _held) = answered_with(BALANCED, &vec![b'x'; 2 << 20]);
    is_error(&mut client, 502, "answer_too_large");
}

/// One that told one value a header takes one value a header.
fn plain() {
    let (_function, _upstream, mut client, mut serving) =
        asked(Lambda::new("lambda", Kind::PlainBalancer, "buffer"), &[]);
    serving.send(OK.replace("\r\n\r\n", "\r\nx-a: 1\r\nx-a: 2\r\n\r\n"));
    let (head, body) = answer(&mut client);
    assert_eq!((head.header("x-a"), body.as_slice()), (Some("1, 2"), &b"ok"[..]));
    client.send(get("/v1/models?a=b%2Fc&d"));
    assert_eq!(serving.head().word(1), "/v1/models?a=b%2Fc&d");
}
