//! Connections to the upstream are kept and used again; what was sent is never sent twice.

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
};

use super::{Test, request, start, test};
use crate::{
    adapter::{Adapter, Feature},
    peer::{Head, Peer},
    upstream::{Answering, Upstream},
};

pub(super) const TESTS: &[Test] = &[
    test("a_connection_is_used_again", &[Feature::Pool], used_again),
    test("one_that_closed_meanwhile_costs_nothing", &[Feature::Pool], closed_meanwhile),
    test("a_post_that_was_sent_is_not_sent_again", &[Feature::Pool], sent_once),
    test("closing_at_every_reuse_loses_and_repeats_nothing", &[Feature::Pool], closing_at_reuse),
];

const OK: &str = "HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok";

fn post(client: &mut Peer, number: usize) -> Head {
    client.send(request("POST", &format!("/v1/responses?number={number}"), "content-length: 2\r\n") + "{}");
    let head = client.head();
    client.body(&head);
    head
}

fn used_again(adapter: &dyn Adapter) {
    let upstream = Upstream::start();
    let proxy = start(adapter, upstream.address(), &[]);
    let mut client = Peer::connect(proxy.address());
    client.send(request("GET", "/v1/models", ""));
    let mut serving = upstream.accept();
    for _ in 0..3 {
        serving.head();
        serving.send(OK);
        let head = client.head();
        assert_eq!(client.body(&head), b"ok");
        client.send(request("GET", "/v1/models", ""));
    }
    serving.head();
    assert!(upstream.is_untouched());
}

fn closed_meanwhile(adapter: &dyn Adapter) {
    let upstream = Upstream::start();
    let proxy = start(adapter, upstream.address(), &[]);
    let mut client = Peer::connect(proxy.address());
    for number in 0..5 {
        client.send(request("POST", &format!("/v1/responses?number={number}"), "content-length: 2\r\n") + "{}");
        let mut serving = upstream.accept();
        let head = serving.head();
        serving.body(&head);
        serving.send(OK);
        drop(serving);
        assert_eq!(client.head().status(), 200);
        client.until("ok");
    }
}

fn sent_once(adapter: &dyn Adapter) {
    let upstream = Upstream::start();
    let proxy = start(adapter, upstream.address(), &[]);
    let mut client = Peer::connect(proxy.address());
    client.send(request("GET", "/v1/models", ""));
    let mut serving = upstream.accept();
    serving.head();
    serving.send(OK);
    client.until("ok");
    client.send(request("POST", "/v1/responses", "content-length: 2\r\n") + "{}");
    let head = serving.head();
    assert_eq!(serving.body(&head), b"{}");
    drop(serving);
    assert_eq!(client.head().status(), 502);
    assert!(upstream.is_untouched(), "what was sent is never sent again");
}

/// Every answer promises to keep the connection, and breaks its word at the moment of reuse.
fn closing_at_reuse(adapter: &dyn Adapter) {
    const REQUESTS: usize = 1000;
    let served = Arc::new(AtomicUsize::new(0));
    let counter = Arc::clone(&served);
    let upstream = Answering::start_closing(move |_| {
        counter.fetch_add(1, Ordering::Relaxed);
        OK.into()
    });
    let proxy = start(adapter, upstream.address(), &[]);
    let mut client = Peer::connect(proxy.address());
    let answered: Vec<u16> = (0..REQUESTS).map(|number| post(&mut client, number).status()).collect();
    let mut targets: Vec<String> = upstream.take().iter().map(|seen| seen.head.word(1).to_owned()).collect();
    let delivered = targets.len();
    targets.sort();
    targets.dedup();
    assert_eq!(targets.len(), delivered, "nothing is delivered twice");
    let good = answered.iter().filter(|status| **status == 200).count();
    assert!(answered.iter().all(|status| [200, 502].contains(status)));
    assert!(
        good >= REQUESTS * 9 / 10,
        "a request of which nothing was sent is sent again: {good} of {REQUESTS} passed"
    );
    assert!(delivered >= good);
}
