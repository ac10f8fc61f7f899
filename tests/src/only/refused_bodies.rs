//! Requests that are refused before their body was read.

use http::Request;

use super::{Test, start};
use crate::{
    adapter::Running as _,
    case_files::KEY,
    http2,
    raw_connection::{Head, RawConnection},
    server::RunningServer,
    upstream::Upstream,
};

pub(super) const TESTS: &[Test] = &[
    ("close_is_announced_if_the_body_is_missing", missing),
    ("connection_stays_open_if_the_body_has_arrived", arrived),
    ("body_is_not_asked_for", expected),
    ("http2_has_no_connection_header", over_http2),
];

const BODY: &str = r#"{"model":"x"}"#;

const WRONG_KEY: &str = "Bearer sk-Tom-wrong0wrong0wrong0";

fn head(more: &str) -> String {
    let length = BODY.len();
    format!(
        "POST /v1/responses HTTP/1.1\r\nhost: x\r\nauthorization: {WRONG_KEY}\r\n{more}content-length: {length}\r\n\r\n"
    )
}

fn server() -> RunningServer {
    // Nothing listens at the address of its upstream.
    start(Upstream::start().address(), &[])
}

fn refused(client: &mut RawConnection, request: &str) -> Head {
    client.send(request);
    let head = client.head();
    assert_eq!(head.status(), 401);
    client.body(&head);
    head
}

fn missing() {
    let proxy = server();
    let mut client = RawConnection::connect(proxy.address());
    assert_eq!(refused(&mut client, &head("")).header("connection"), Some("close"));
    assert!(client.rest().0.is_empty());
}

fn arrived() {
    let proxy = server();
    let mut client = RawConnection::connect(proxy.address());
    for _ in 0..3 {
        assert_eq!(refused(&mut client, &(head("") + BODY)).header("connection"), None);
    }
    // Of this one hyper reads the body after the response.
    client.send(head("").replace(WRONG_KEY, &format!("Bearer {KEY}")) + BODY);
    let response = client.head();
    assert_eq!(response.status(), 502);
    client.body(&response);
    let get = format!("GET /v1/models HTTP/1.1\r\nhost: x\r\nauthorization: {WRONG_KEY}\r\n\r\n");
    assert_eq!(refused(&mut client, &get).header("connection"), None);
}

/// The head is the first that the client gets, and no `100 Continue`.
fn expected() {
    let proxy = server();
    let mut client = RawConnection::connect(proxy.address());
    let response = refused(&mut client, &head("expect: 100-continue\r\n"));
    assert_eq!(response.header("connection"), Some("close"));
}

fn over_http2() {
    let proxy = server();
    let mut client = http2::Client::connect(proxy.address());
    let (_unsent, body) = http2::streamed_body();
    let request = Request::post("http://proxy/v1/responses").header("authorization", WRONG_KEY);
    let (head, _) = client.request(request.body(body).expect("a valid request"));
    assert_eq!((head.status.as_u16(), head.headers.get("connection")), (401, None));
}
