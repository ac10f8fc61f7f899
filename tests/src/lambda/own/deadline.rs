//! What Lambda would end is ended before, with an answer.

use std::time::Duration;

use super::{BUFFERED, CHUNKED, Lambda, OK, STREAMED, Test, answer, asked, get, is_error};
use crate::{lambda::Report, raw_connection::End};

pub(super) const TESTS: &[Test] = &[
    ("no_head_before_it_is_a_504", no_head),
    ("no_whole_body_before_it_is_a_504", no_body),
    ("a_stream_that_reaches_it_is_cut_and_no_text_is_added", stream),
    ("a_shorter_patience_counts_too", patience),
];

const LIMIT: Duration = Duration::from_secs(2);

const fn within(lambda: Lambda) -> Lambda {
    Lambda { timeout: LIMIT, ..lambda }
}

fn no_head() {
    for lambda in [STREAMED, BUFFERED] {
        let (_function, upstream, mut client, mut serving) = asked(within(lambda), &[]);
        is_error(&mut client, 504, "upstream_timeout");
        assert!(serving.rest().0.is_empty(), "the request is given up upstream, too");
        // The function lives on.
        client.send(get("/v1/models"));
        let mut serving = upstream.accept();
        serving.head();
        serving.send(OK);
        assert_eq!(answer(&mut client).1, b"ok");
    }
}

fn no_body() {
    let (_function, _upstream, mut client, mut serving) = asked(within(BUFFERED), &[]);
    serving.send(CHUNKED);
    serving.send_chunk("data: 1\n\n");
    is_error(&mut client, 504, "upstream_timeout");
}

fn stream() {
    let (function, _upstream, mut client, mut serving) = asked(within(STREAMED), &[]);
    serving.send(CHUNKED);
    serving.send_chunk("data: 1\n\n");
    client.head();
    let (rest, end) = client.rest();
    assert_eq!((rest.as_slice(), end), (&b"9\r\ndata: 1\n\n\r\n"[..], End::Closed));
    assert_eq!(function.api.reports(), [Report::Broken]);
    assert!(serving.rest().0.is_empty(), "the request is given up upstream, too");
}

fn patience() {
    let (_function, _upstream, mut client, _serving) = asked(STREAMED, &[("UPSTREAM_TIMEOUT", "0.3")]);
    is_error(&mut client, 504, "upstream_timeout");
    let (function, _upstream, mut client, mut serving) = asked(STREAMED, &[("UPSTREAM_IDLE_TIMEOUT", "0.3")]);
    serving.send(CHUNKED);
    serving.send_chunk("data: 1\n\n");
    assert!(client.rest().0.ends_with(b"\r\n9\r\ndata: 1\n\n\r\n"));
    assert_eq!(function.api.reports(), [Report::Broken]);
}
