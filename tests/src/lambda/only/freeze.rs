//! Freezes: Lambda stops the process between two events.

use super::{OK, STREAMING, Test, assert_error, get, read_response, start, start_request};
use crate::{
    adapter::Running as _,
    lambda::RunningFunction,
    raw_connection::RawConnection,
    upstream::{Lost, RespondingUpstream},
    wire,
};

pub(super) const TESTS: &[Test] = &[
    ("connection_closed_during_a_freeze_is_replaced", closed),
    ("request_on_a_connection_lost_during_a_freeze_is_repeated_if_it_is_safe", reset),
    ("request_on_a_silent_connection_is_504", silent),
];

fn closed() {
    let (function, upstream, mut client, mut serving) = start_request(STREAMING, &[]);
    serving.send(OK);
    assert_eq!(read_response(&mut client).1, b"ok");
    for _ in 0..20 {
        let mut client = frozen(&function, &get("/v1/models"), || serving.close());
        serving = upstream.accept();
        serving.head();
        serving.send(OK);
        let (head, body) = read_response(&mut client);
        assert_eq!((head.status(), body.as_slice()), (200, &b"ok"[..]));
    }
}

/// Freezes a function, and sends the request that ends the freeze: it waits before the process continues.
fn frozen(function: &RunningFunction, request: &str, meanwhile: impl FnOnce()) -> RawConnection {
    function.freeze();
    meanwhile();
    let mut client = RawConnection::connect(function.address());
    client.send(request);
    function.resume();
    client
}

/// A function with an open connection to its upstream.
fn idle(more: &[(&str, &str)]) -> (RunningFunction, RespondingUpstream) {
    let upstream = RespondingUpstream::start(|_| OK.into());
    let function = start(STREAMING, upstream.address(), more);
    serve(&function);
    (function, upstream)
}

/// Serves an event.
#[track_caller]
fn serve(function: &RunningFunction) {
    let mut client = RawConnection::connect(function.address());
    client.send(get("/v1/models"));
    assert_eq!(read_response(&mut client).1, b"ok");
}

fn reset() {
    let (function, upstream) = idle(&[]);
    let mut client = frozen(&function, &get("/v1/models"), || assert_eq!(upstream.lose_connections(Lost::Reset), 1));
    assert_eq!(read_response(&mut client).1, b"ok");
    // The upstream could have received it.
    let post = wire::request("POST", "/v1/responses", "content-length: 2\r\n") + "{}";
    let mut client = frozen(&function, &post, || assert_eq!(upstream.lose_connections(Lost::Reset), 1));
    assert_error(&mut client, 502, "upstream_failed");
    assert_eq!(upstream.take().len(), 2);
    serve(&function);
}

/// It looks like one on which the response takes long.
fn silent() {
    let (function, upstream) = idle(&[("UPSTREAM_TIMEOUT", "2")]);
    let mut client = frozen(&function, &get("/v1/models"), || assert_eq!(upstream.lose_connections(Lost::Silent), 1));
    assert_error(&mut client, 504, "upstream_timeout");
    serve(&function);
}
