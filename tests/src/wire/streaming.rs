//! An event leaves the moment it arrives.

use super::{Test, request, start, test};
use crate::{adapter::Adapter, peer::Peer, upstream::Upstream};

pub(super) const TESTS: &[Test] = &[test("the_first_event_passes_while_the_second_is_held_back", &[], first_event)];

const EVENTS: &str = "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n";

fn first_event(adapter: &dyn Adapter) {
    let upstream = Upstream::start();
    let proxy = start(adapter, upstream.address(), &[]);
    let mut client = Peer::connect(proxy.address());
    client.send(request("POST", "/v1/responses", "content-length: 2\r\n") + "{}");
    let mut serving = upstream.accept();
    let head = serving.head();
    assert_eq!(serving.body(&head), b"{}");

    serving.send(EVENTS);
    serving.send_chunk("data: 1\n\n");
    client.until("data: 1\n\n");
    serving.send_chunk("data: 2\n\n");
    client.until("data: 2\n\n");
    serving.send("0\r\n\r\n");
    client.until("0\r\n\r\n");
}
