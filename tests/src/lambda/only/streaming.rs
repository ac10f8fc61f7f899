//! Streamed responses.

use super::{CHUNKED, OK, STREAMING, Test, get, read_response, start_request};
use crate::{adapter::Running as _, lambda::Report, raw_connection::RawConnection};

pub(super) const TESTS: &[Test] = &[
    ("truncated_body_truncates_the_response_without_added_text", truncated),
    ("disconnected_client_does_not_affect_the_next", disconnected),
];

fn truncated() {
    let (function, upstream, mut client, mut serving) = start_request(STREAMING, &[]);
    serving.send(CHUNKED);
    serving.send_chunk("data: 1\n\n");
    client.head();
    client.until("9\r\ndata: 1\n\n\r\n");
    drop(serving);
    assert!(client.rest().0.is_empty(), "no text was added");
    // A response is reported before the function receives the next event.
    let mut client = RawConnection::connect(function.address());
    client.send(get("/v1/models"));
    let mut serving = upstream.accept();
    serving.head();
    serving.send(OK);
    assert_eq!(read_response(&mut client).1, b"ok");
    assert_eq!(function.api.reports()[0], Report::Truncated);
}

/// The function cannot see a disconnect: it sends the response to its end.
fn disconnected() {
    let (function, upstream, mut client, mut serving) = start_request(STREAMING, &[]);
    serving.send(CHUNKED);
    serving.send_chunk("data: 1\n\n");
    client.until("data: 1\n\n");
    client.reset();
    for _ in 0..20 {
        serving.send_chunk("data: 2\n\n");
    }
    serving.send("0\r\n\r\n");
    let mut client = RawConnection::connect(function.address());
    client.send(get("/v1/models"));
    serving.head();
    serving.send(OK);
    assert_eq!(read_response(&mut client).1, b"ok");
    assert!(upstream.is_untouched());
    assert_eq!(function.api.reports()[0], Report::Streamed);
}
