//! A client that leaves cancels its request upstream at once, in every phase.

use super::{EVENTS, Test, ask, ask_http2, request, test, upload_begun};
use crate::{
    adapter::{Adapter, Feature, Running},
    http2,
    peer::Peer,
    tls::Authority,
};

pub(super) const TESTS: &[Test] = &[
    test("before_the_head", &[Feature::Cancel, Feature::SilentClose], before_the_head),
    test("in_the_body", &[Feature::Cancel], in_the_body),
    test("in_silence", &[Feature::Cancel, Feature::SilentClose], in_silence),
    test("during_an_upload", &[Feature::Cancel, Feature::StreamingUpload], during_an_upload),
    test("by_a_reset", &[Feature::Cancel], by_a_reset),
    test("an_http2_stream_before_the_head", &[Feature::Cancel, Feature::Http2], http2_before_the_head),
    test("an_http2_stream_in_silence", &[Feature::Cancel, Feature::Http2], http2_in_silence),
    test("reaches_an_http2_upstream", &[Feature::Cancel, Feature::PrivateAuthority], to_an_http2_upstream),
];

/// A request that the upstream has, body included.
fn asked(adapter: &dyn Adapter) -> (Box<dyn Running>, Peer, Peer) {
    let (proxy, client, serving, _) = ask(adapter, &request("GET", "/v1/responses/1?stream=true", ""));
    (proxy, client, serving)
}

fn before_the_head(adapter: &dyn Adapter) {
    let (_proxy, client, mut serving) = asked(adapter);
    drop(client);
    assert!(serving.rest().0.is_empty());
}

fn in_the_body(adapter: &dyn Adapter) {
    let (_proxy, mut client, mut serving) = asked(adapter);
    serving.send(EVENTS);
    serving.send_chunk("data: 1\n\n");
    client.until("data: 1\n\n");
    drop(client);
    // It goes on sending, and finds nobody there.
    while serving.try_send("9\r\ndata: 2\n\n\r\n").is_ok() {}
}

fn in_silence(adapter: &dyn Adapter) {
    let (_proxy, mut client, mut serving) = asked(adapter);
    serving.send(EVENTS);
    client.head();
    drop(client);
    assert!(serving.rest().0.is_empty());
}

fn during_an_upload(adapter: &dyn Adapter) {
    let (_proxy, client, mut serving, _) = upload_begun(adapter);
    drop(client);
    let (rest, _) = serving.rest();
    assert!(!rest.ends_with(b"0\r\n\r\n"), "an upload that broke off must not look whole");
}

fn by_a_reset(adapter: &dyn Adapter) {
    let (_proxy, client, mut serving) = asked(adapter);
    client.reset();
    assert!(serving.rest().0.is_empty());
}

fn http2_before_the_head(adapter: &dyn Adapter) {
    let (_proxy, client, waiting, mut serving, _) = ask_http2(adapter);
    drop(waiting);
    assert!(serving.rest().0.is_empty());
    assert!(!client.is_closed());
}

fn http2_in_silence(adapter: &dyn Adapter) {
    let (_proxy, _client, waiting, mut serving, _) = ask_http2(adapter);
    serving.send(EVENTS);
    let (_, body) = waiting.answer();
    drop(body);
    assert!(serving.rest().0.is_empty());
}

fn to_an_http2_upstream(adapter: &dyn Adapter) {
    let authority = Authority::new();
    let upstream = http2::Upstream::start(&authority.server("localhost", &["h2"]));
    let proxy = super::start_tls(adapter, &authority, upstream.address(), &[]);
    let mut client = Peer::connect(proxy.address());
    client.send(request("GET", "/v1/responses", ""));
    let exchange = upstream.accept();
    drop(client);
    exchange.wait_unwanted();

    let mut client = Peer::connect(proxy.address());
    client.send(request("GET", "/v1/responses", ""));
    let (sender, _body) = upstream.accept().answer(http::Response::builder());
    client.head();
    drop(client);
    sender.wait_unwanted();
}
