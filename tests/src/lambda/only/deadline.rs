//! The deadline: the function responds before Lambda stops it.

use std::time::Duration;

use super::{BUFFERING, CHUNKED, Lambda, OK, STREAMING, Test, assert_error, get, read_response, start_request};
use crate::{lambda::Report, raw_connection::End};

pub(super) const TESTS: &[Test] = &[
    ("late_head_is_504", no_head),
    ("late_buffered_body_is_504", no_body),
    ("late_stream_is_truncated_without_added_text", stream),
    ("shorter_timeouts_apply", timeouts),
];

/// Long enough for a request on a busy machine, short for a test.
const LIMIT: Duration = Duration::from_secs(2);

const fn within(lambda: Lambda) -> Lambda {
    Lambda { timeout: LIMIT, ..lambda }
}

fn no_head() {
    for lambda in [STREAMING, BUFFERING] {
        let (_function, upstream, mut client, mut serving) = start_request(within(lambda), &[]);
        assert_error(&mut client, 504, "upstream_timeout");
        assert!(serving.rest().0.is_empty(), "the upstream request is cancelled");
        // The function serves the next request.
        client.send(get("/v1/models"));
        let mut serving = upstream.accept();
        serving.head();
        serving.send(OK);
        assert_eq!(read_response(&mut client).1, b"ok");
    }
}

fn no_body() {
    let (_function, _upstream, mut client, mut serving) = start_request(within(BUFFERING), &[]);
    serving.send(CHUNKED);
    serving.send_chunk("data: 1\n\n");
    assert_error(&mut client, 504, "upstream_timeout");
}

fn stream() {
    let (function, _upstream, mut client, mut serving) = start_request(within(STREAMING), &[]);
    serving.send(CHUNKED);
    serving.send_chunk("data: 1\n\n");
    client.head();
    let (rest, end) = client.rest();
    assert_eq!((rest.as_slice(), end), (&b"9\r\ndata: 1\n\n\r\n"[..], End::Closed));
    assert_eq!(function.api.reports(), [Report::Truncated]);
    assert!(serving.rest().0.is_empty(), "the upstream request is cancelled");
}

fn timeouts() {
    let (_function, _upstream, mut client, _serving) = start_request(STREAMING, &[("UPSTREAM_TIMEOUT", "0.3")]);
    assert_error(&mut client, 504, "upstream_timeout");
    let (function, _upstream, mut client, mut serving) = start_request(STREAMING, &[("UPSTREAM_IDLE_TIMEOUT", "0.3")]);
    serving.send(CHUNKED);
    serving.send_chunk("data: 1\n\n");
    assert!(client.rest().0.ends_with(b"\r\n9\r\ndata: 1\n\n\r\n"));
    assert_eq!(function.api.reports(), [Report::Truncated]);
}
