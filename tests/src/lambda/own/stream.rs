//! Answers in pieces.

use super::{CHUNKED, OK, STREAMED, Test, answer, asked, get};
use crate::{adapter::Running as _, lambda::Report, raw_connection::RawConnection};

pub(super) const TESTS: &[Test] = &[
    ("a_body_that_breaks_cuts_the_answer_and_adds_no_text", breaks),
    ("a_client_that_left_costs_the_next_nothing", leaves),
];

fn breaks() {
    let (function, upstream, mut client, mut serving) = asked(STREAMED, &[]);
    serving.send(CHUNKED);
    serving.send_chunk("data: 1\n\n");
    client.head();
    client.until("9\r\ndata: 1\n\n\r\n");
    drop(serving);
    assert!(client.rest().0.is_empty(), "nothing was added");
    // Every event is reported before the next one is given.
    let mut client = RawConnection::connect(function.address());
    client.send(get("/v1/models"));
    let mut serving = upstream.accept();
    serving.head();
    serving.send(OK);
    assert_eq!(answer(&mut client).1, b"ok");
    assert_eq!(function.api.reports()[0], Report::Broken);
}

/// Lambda does not tell the function; the answer goes on into nothing, and its end is its end.
fn leaves() {
    let (function, upstream, mut client, mut serving) = asked(STREAMED, &[]);
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
    assert_eq!(answer(&mut client).1, b"ok");
    assert!(upstream.is_untouched());
    assert_eq!(function.api.reports()[0], Report::Streamed);
}
