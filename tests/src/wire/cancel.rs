//! A client that leaves cancels its request upstream at once, in every phase.

use super::{EVENTS, Test, forwarded, forwarded_http2, request, test, upload_in_progress};
use crate::{
    adapter::{Adapter, Feature, Running},
    http2,
    raw_connection::RawConnection,
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
fn asked(adapter: &dyn Adapter) -> (Box<dyn Running>, RawConnection, RawConnection) {
    let (proxy, client, upstream_conn, _) = forwarded(adapter, &request("GET", "/v1/responses/1?stream=true", ""));
    (proxy, client, upstream_conn)
}

fn before_the_head(adapter: &dyn Adapter) {
    let (_proxy, client, mut upstream_conn) = asked(adapter);
    drop(client);
    assert!(upstream_conn.rest().0.is_empty());
}

fn in_the_body(adapter: &dyn Adapter) {
    let (_proxy, mut client, mut upstream_conn) = asked(adapter);
    upstream_conn.send(EVENTS);
    upstream_conn.send_chunk("data: 1\n\n");
    client.until("data: 1\n\n");
    drop(client);
    // It goes on sending, and finds nobody there.
    while upstream_conn.try_send("9\r\ndata: 2\n\n\r\n").is_ok() {}
}

fn in_silence(adapter: &dyn Adapter) {
    let (_proxy, mut client, mut upstream_conn) = asked(adapter);
    upstream_conn.send(EVENTS);
    client.head();
    drop(client);
    assert!(upstream_conn.rest().0.is_empty());
}

fn during_an_upload(adapter: &dyn Adapter) {
    let (_proxy, client, mut upstream_conn, _) = upload_in_progress(adapter);
    drop(client);
    let (rest, _) = upstream_conn.rest();
    assert!(!rest.ends_with(b"0\r\n\r\n"), "an upload that broke off must not look whole");
}

fn by_a_reset(adapter: &dyn Adapter) {
    let (_proxy, client, mut upstream_conn) = asked(adapter);
    client.reset();
    assert!(upstream_conn.rest().0.is_empty());
}

fn http2_before_the_head(adapter: &dyn Adapter) {
    let (_proxy, client, pending, mut upstream_conn, _) = forwarded_http2(adapter);
    drop(pending);
    assert!(upstream_conn.rest().0.is_empty());
    assert!(!client.is_closed());
}

fn http2_in_silence(adapter: &dyn Adapter) {
    let (_proxy, _client, pending, mut upstream_conn, _) = forwarded_http2(adapter);
    upstream_conn.send(EVENTS);
    let (_, body) = pending.response();
    drop(body);
    assert!(upstream_conn.rest().0.is_empty());
}

fn to_an_http2_upstream(adapter: &dyn Adapter) {
    let authority = Authority::new();
    let upstream = http2::Upstream::start(&authority.server("localhost", &["h2"]));
    let proxy = super::start_tls(adapter, &authority, upstream.address(), &[]);
    let mut client = RawConnection::connect(proxy.address());
    client.send(request("GET", "/v1/responses", ""));
    let exchange = upstream.accept();
    drop(client);
    exchange.wait_cancelled();

    let mut client = RawConnection::connect(proxy.address());
    client.send(request("GET", "/v1/responses", ""));
    let (sender, _body) = upstream.accept().respond(http::Response::builder());
    client.head();
    drop(client);
    sender.wait_cancelled();
}
