//! A client disconnect cancels the upstream request at once, in every phase.

use super::{EVENTS, Test, forwarded, forwarded_http2, request, test, upload_in_progress};
use crate::{
    adapter::{Adapter, Feature, Running},
    http2,
    raw_connection::RawConnection,
    tls::Authority,
};

pub(super) const TESTS: &[Test] = &[
    test("before_the_response_head", &[Feature::Cancel, Feature::SilentClose], before_the_head),
    test("during_the_response_body", &[Feature::Cancel], in_the_body),
    test("while_the_response_body_is_idle", &[Feature::Cancel, Feature::SilentClose], idle_body),
    test("during_an_upload", &[Feature::Cancel, Feature::StreamingUpload], during_an_upload),
    test("by_a_reset", &[Feature::Cancel], by_a_reset),
    test("http2_stream_before_the_response_head", &[Feature::Cancel, Feature::Http2], http2_before_the_head),
    test("http2_stream_while_the_response_body_is_idle", &[Feature::Cancel, Feature::Http2], http2_idle_body),
    test("resets_the_http2_upstream_stream", &[Feature::Cancel, Feature::PrivateAuthority], to_an_http2_upstream),
];

/// A request that has reached the upstream.
fn request_at_upstream(adapter: &dyn Adapter) -> (Box<dyn Running>, RawConnection, RawConnection) {
    let (proxy, client, upstream_conn, _) = forwarded(adapter, &request("GET", "/v1/responses/1?stream=true", ""));
    (proxy, client, upstream_conn)
}

fn before_the_head(adapter: &dyn Adapter) {
    let (_proxy, client, mut upstream_conn) = request_at_upstream(adapter);
    drop(client);
    assert!(upstream_conn.rest().0.is_empty());
}

fn in_the_body(adapter: &dyn Adapter) {
    let (_proxy, mut client, mut upstream_conn) = request_at_upstream(adapter);
    upstream_conn.send(EVENTS);
    upstream_conn.send_chunk("data: 1\n\n");
    client.until("data: 1\n\n");
    drop(client);
    // The upstream keeps sending until the proxy has closed the connection.
    while upstream_conn.try_send("9\r\ndata: 2\n\n\r\n").is_ok() {}
}

fn idle_body(adapter: &dyn Adapter) {
    let (_proxy, mut client, mut upstream_conn) = request_at_upstream(adapter);
    upstream_conn.send(EVENTS);
    client.head();
    drop(client);
    assert!(upstream_conn.rest().0.is_empty());
}

fn during_an_upload(adapter: &dyn Adapter) {
    let (_proxy, client, mut upstream_conn, _) = upload_in_progress(adapter);
    drop(client);
    let (rest, _) = upstream_conn.rest();
    assert!(!rest.ends_with(b"0\r\n\r\n"), "a partial upload must not look complete");
}

fn by_a_reset(adapter: &dyn Adapter) {
    let (_proxy, client, mut upstream_conn) = request_at_upstream(adapter);
    client.reset();
    assert!(upstream_conn.rest().0.is_empty());
}

fn http2_before_the_head(adapter: &dyn Adapter) {
    let (_proxy, client, pending, mut upstream_conn, _) = forwarded_http2(adapter);
    drop(pending);
    assert!(upstream_conn.rest().0.is_empty());
    assert!(!client.is_closed());
}

fn http2_idle_body(adapter: &dyn Adapter) {
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
