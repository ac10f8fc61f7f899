//! How long the upstream may take.

use super::{Test, get, start};
use crate::{
    adapter::Running as _,
    peer::Peer,
    upstream::Upstream,
    wire::{self, error_code},
};

pub(super) const TESTS: &[Test] = &[
    ("no_head_in_time_is_a_504", no_head),
    ("silence_within_a_body_cuts_it", silent_body),
    ("an_upload_that_moves_is_not_given_up", moving_upload),
];

fn no_head() {
    let upstream = Upstream::start();
    let proxy = start(upstream.address(), &[("UPSTREAM_TIMEOUT", "0.5")]);
    let mut client = Peer::connect(proxy.address());
    client.send(get("/v1/models"));
    let mut serving = upstream.accept();
    serving.head();
    let head = client.head();
    assert_eq!(head.status(), 504);
    assert_eq!(error_code(&client.body(&head)), "upstream_timeout");
    assert!(serving.rest().0.is_empty(), "the request is given up upstream, too");
}

fn silent_body() {
    let upstream = Upstream::start();
    let proxy = start(upstream.address(), &[("UPSTREAM_IDLE_TIMEOUT", "0.5")]);
    let mut client = Peer::connect(proxy.address());
    client.send(get("/v1/responses"));
    let mut serving = upstream.accept();
    serving.head();
    serving.send("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n");
    serving.send_chunk("data: 1\n\n");
    client.until("data: 1\n\n");
    assert!(!client.rest().0.ends_with(b"0\r\n\r\n"), "a cut must not look like an end");
    serving.rest();
}

fn moving_upload() {
    let upstream = Upstream::start();
    let proxy = start(upstream.address(), &[("UPSTREAM_TIMEOUT", "5")]);
    let mut client = Peer::connect(proxy.address());
    client.send(wire::request("POST", "/v1/files", "transfer-encoding: chunked\r\n"));
    let mut serving = upstream.accept();
    serving.head();
    // A second server's patience is the clock: it runs out seven times while the upload goes on.
    let never = Upstream::start();
    let clock = start(never.address(), &[("UPSTREAM_TIMEOUT", "1")]);
    for _ in 0..7 {
        client.send_chunk("piece");
        serving.until("piece");
        let mut tick = Peer::connect(clock.address());
        tick.send(get("/v1/models"));
        assert_eq!(tick.head().status(), 504);
    }
    client.send("0\r\n\r\n");
    serving.until("0\r\n\r\n");
    serving.send("HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok");
    assert_eq!(client.head().status(), 200);
}
