//! `WebSocket`s ([RFC 6455](https://www.rfc-editor.org/rfc/rfc6455)): the handshake passes the gate, then bytes pass
//! both ways.

use super::{Test, error_code, forwarded, request, start, test};
use crate::{
    adapter::{Adapter, Feature},
    case_files::KEY,
    raw_connection::RawConnection,
    upstream::{Upstream, with_accept_key},
};

const NEEDS: &[Feature] = &[Feature::WebSocket];

pub(super) const TESTS: &[Test] = &[
    test("key_in_a_header", NEEDS, by_header),
    test("key_in_a_subprotocol", NEEDS, by_subprotocol),
    test("bytes_sent_with_the_heads_pass", NEEDS, early_bytes),
    test("client_close_closes_the_upstream", NEEDS, client_closes),
    test("upstream_close_closes_the_client", NEEDS, upstream_closes),
    test("wrong_key_is_rejected_before_the_upgrade", NEEDS, rejected),
    test("declined_upgrade_is_an_ordinary_response", NEEDS, declined),
    test("unrequested_101_is_an_error", &[], unrequested),
    test("upgrade_to_another_protocol_is_dropped", NEEDS, other_upgrade),
];

const OPENING: &str = "connection: keep-alive, Upgrade\r\nupgrade: websocket\r\nsec-websocket-version: 13\r\n\
                       sec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\r\n";
const OPENED: &str = "HTTP/1.1 101 Switching Protocols\r\nconnection: Upgrade\r\nupgrade: websocket\r\n\
                      sec-websocket-accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\nsec-websocket-protocol: realtime\r\n\
                      set-cookie: a=b\r\n\r\n";
/// A text frame from a client, masked with zeros, and one from a server.
const PING: &[u8] = b"\x81\x84\0\0\0\0ping";
const PONG: &[u8] = b"\x81\x04pong";

fn by_header(adapter: &dyn Adapter) {
    let (_proxy, mut client, mut upstream_conn, upstream_head) =
        forwarded(adapter, &request("GET", "/v1/realtime?model=gpt-realtime", OPENING));
    assert_eq!(upstream_head.word(1), "/v1/realtime?model=gpt-realtime");
    assert!(upstream_head.header("upgrade").is_some_and(|value| value.eq_ignore_ascii_case("websocket")));
    assert!(upstream_head.header("connection").is_some_and(|value| value.eq_ignore_ascii_case("upgrade")));
    upstream_conn.send(with_accept_key(OPENED.into(), &upstream_head));
    let head = client.head();
    assert_eq!(head.status(), 101);
    assert_eq!(head.header("sec-websocket-accept"), Some("s3pPLMBiTxaQ9kYGzzhZRbK+xOo="));
    assert_eq!(head.header("set-cookie"), None);
    for _ in 0..3 {
        client.send(PING);
        let frame = upstream_conn.bytes(PING.len());
        assert_eq!(frame.last(), Some(&(PING[9] ^ frame[5])));
        upstream_conn.send(PONG);
        assert_eq!(client.bytes(PONG.len()), PONG);
    }
}

fn by_subprotocol(adapter: &dyn Adapter) {
    let opening = format!(
        "GET /v1/realtime HTTP/1.1\r\nhost: x\r\norigin: https://a.example\r\n{OPENING}\
         sec-websocket-protocol: realtime, openai-insecure-api-key.{KEY}, openai-beta.realtime-v1\r\n\r\n"
    );
    let (_proxy, mut client, mut upstream_conn, upstream_head) = forwarded(adapter, &opening);
    assert_eq!(upstream_head.header("sec-websocket-protocol"), Some("realtime, openai-beta.realtime-v1"));
    assert!(!String::from_utf8_lossy(&upstream_head.raw).contains(KEY));
    upstream_conn.send(with_accept_key(OPENED.into(), &upstream_head));
    let head = client.head();
    assert_eq!((head.status(), head.header("sec-websocket-protocol")), (101, Some("realtime")));
}

fn early_bytes(adapter: &dyn Adapter) {
    let (_proxy, mut client, mut upstream_conn, upstream_head) =
        forwarded(adapter, &request("GET", "/v1/realtime", OPENING));
    upstream_conn.send(with_accept_key([OPENED.as_bytes(), PONG].concat(), &upstream_head));
    assert_eq!(client.head().status(), 101);
    assert_eq!(client.bytes(PONG.len()), PONG);
}

fn client_closes(adapter: &dyn Adapter) {
    let (_proxy, mut client, mut upstream_conn, upstream_head) =
        forwarded(adapter, &request("GET", "/v1/realtime", OPENING));
    upstream_conn.send(with_accept_key(OPENED.into(), &upstream_head));
    client.head();
    drop(client);
    upstream_conn.rest();
}

fn upstream_closes(adapter: &dyn Adapter) {
    let (_proxy, mut client, mut upstream_conn, upstream_head) =
        forwarded(adapter, &request("GET", "/v1/realtime", OPENING));
    upstream_conn.send(with_accept_key([OPENED.as_bytes(), PONG].concat(), &upstream_head));
    client.head();
    drop(upstream_conn);
    assert!(client.rest().0.starts_with(PONG));
}

fn rejected(adapter: &dyn Adapter) {
    let upstream = Upstream::start();
    let proxy = start(adapter, upstream.address(), &[]);
    let mut client = RawConnection::connect(proxy.address());
    client.send(format!("GET /v1/realtime HTTP/1.1\r\nhost: x\r\n{OPENING}authorization: Bearer {KEY}x\r\n\r\n"));
    let head = client.head();
    assert_eq!(head.status(), 401);
    assert_eq!(error_code(&client.body(&head)), "invalid_api_key");
    assert!(upstream.is_untouched());
}

fn declined(adapter: &dyn Adapter) {
    for status in ["200 OK", "403 Forbidden", "426 Upgrade Required"] {
        let (proxy, mut client, mut upstream_conn, _) = forwarded(adapter, &request("GET", "/v1/realtime", OPENING));
        upstream_conn.send(format!("HTTP/1.1 {status}\r\ncontent-length: 2\r\n\r\nno"));
        let head = client.head();
        assert!(status.starts_with(head.word(1)));
        assert_eq!(client.body(&head), b"no");
        // A frame is not a valid request.
        client.send(PING);
        let _ = client.rest();
        drop(proxy);
        let (rest, _) = upstream_conn.rest();
        assert!(rest.is_empty(), "{:?}", String::from_utf8_lossy(&rest));
    }
}

fn unrequested(adapter: &dyn Adapter) {
    let (_proxy, mut client, mut upstream_conn, upstream_head) = forwarded(adapter, &request("GET", "/v1/models", ""));
    upstream_conn.send(with_accept_key([OPENED.as_bytes(), PONG].concat(), &upstream_head));
    let head = client.head();
    assert_eq!(head.status(), 502);
    assert_eq!(error_code(&client.body(&head)), "upstream_failed");
}

fn other_upgrade(adapter: &dyn Adapter) {
    let more = "connection: upgrade, http2-settings\r\nupgrade: h2c\r\nhttp2-settings: AAMAAABk\r\n";
    let (_proxy, mut client, mut upstream_conn, upstream_head) =
        forwarded(adapter, &request("GET", "/v1/models", more));
    assert_eq!((upstream_head.header("upgrade"), upstream_head.header("http2-settings")), (None, None));
    upstream_conn.send("HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok");
    assert_eq!(client.head().status(), 200);
}
