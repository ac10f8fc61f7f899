//! The open requests of one user: `MAX_REQUESTS_PER_USER`.

use super::{Test, get, start, websocket};
use crate::{
    adapter::Running as _,
    case_files::KEY,
    raw_connection::RawConnection,
    upstream::Upstream,
    wire::{self, assert_rejected},
};

pub(super) const TESTS: &[Test] = &[
    ("further_requests_are_rejected_until_one_ends", further),
    ("websockets_count", websockets),
    ("default_is_a_quarter_of_the_connections", default),
];

const OTHER_KEY: &str = "sk-Ann-abcdefgh12345678";
const OK: &str = "HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length: 2\r\n\r\nok";

fn further() {
    let upstream = Upstream::start();
    let keys = format!("{KEY},{OTHER_KEY}");
    let proxy = start(upstream.address(), &[("MAX_REQUESTS_PER_USER", "1"), ("ACCESS_KEYS", &keys)]);
    let mut first = RawConnection::connect(proxy.address());
    first.send(get("/v1/models"));
    let mut upstream_conn = upstream.accept();
    upstream_conn.head();

    let mut second = RawConnection::connect(proxy.address());
    second.send(get("/v1/models"));
    let head = second.head();
    let body = second.body(&head);
    assert_eq!((head.status(), wire::error_code(&body).as_str()), (429, "rate_limit_exceeded"));
    assert_eq!(head.header("retry-after"), Some("1"));
    assert!(String::from_utf8_lossy(&body).contains("\"type\":\"requests\""));

    let mut other = RawConnection::connect(proxy.address());
    other.send(get("/v1/models").replace(KEY, OTHER_KEY));
    let mut other_conn = upstream.accept();
    other_conn.head();
    other_conn.send(OK);
    assert_eq!(other.head().status(), 200);

    upstream_conn.send(OK);
    first.until("\r\n\r\nok");
    // A connection takes its next request once it has recorded the end of the one before.
    first.send("GET /healthz HTTP/1.1\r\nhost: x\r\n\r\n");
    first.until("ok\n");
    second.send(get("/v1/models"));
    let mut upstream_conn = upstream.accept();
    upstream_conn.head();
    upstream_conn.send(OK);
    assert_eq!(second.head().status(), 200);
}

fn websockets() {
    let (proxy, client, mut upstream_conn) = websocket(&[("MAX_REQUESTS_PER_USER", "1")], "/v1/realtime");
    let mut second = RawConnection::connect(proxy.address());
    second.send(get("/v1/models"));
    assert_rejected(&mut second, 429, "rate_limit_exceeded");
    drop(client);
    upstream_conn.rest();
}

fn default() {
    let upstream = Upstream::start();
    let proxy = start(upstream.address(), &[("MAX_CONNECTIONS", "8")]);
    let open: Vec<_> = (0..2)
        .map(|_| {
            let mut client = RawConnection::connect(proxy.address());
            client.send(get("/v1/models"));
            let mut upstream_conn = upstream.accept();
            upstream_conn.head();
            (client, upstream_conn)
        })
        .collect();
    let mut third = RawConnection::connect(proxy.address());
    third.send(get("/v1/models"));
    assert_rejected(&mut third, 429, "rate_limit_exceeded");
    drop(open);
}
