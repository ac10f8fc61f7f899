//! Connections to the upstream are kept and used again; what was sent is never sent twice.

use std::sync::mpsc;

use super::{Test, request, start, start_tls, test};
use crate::{
    adapter::{Adapter, Feature},
    raw_connection::{Head, RawConnection},
    tls::{self, Authority},
    upstream::{RespondingUpstream, Upstream},
};

pub(super) const TESTS: &[Test] = &[
    test("a_connection_is_used_again", &[Feature::Pool], used_again),
    test("one_that_closed_meanwhile_costs_nothing", &[Feature::Pool], closed_meanwhile),
    test("a_post_that_was_sent_is_not_sent_again", &[Feature::Pool], sent_once),
    test("an_answer_without_a_body_leaves_the_connection_whole", &[Feature::Pool], bodiless),
    test("bytes_behind_an_answer_in_tls_answer_nobody", &[Feature::Pool, Feature::PrivateAuthority], left_over_tls),
    test("closing_at_every_reuse_loses_and_repeats_nothing", &[Feature::Pool], closing_at_reuse),
];

const OK: &str = "HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok";

fn post(client: &mut RawConnection, number: usize) -> Head {
    client.send(request("POST", &format!("/v1/responses?number={number}"), "content-length: 2\r\n") + "{}");
    let head = client.head();
    client.body(&head);
    head
}

fn used_again(adapter: &dyn Adapter) {
    let upstream = Upstream::start();
    let proxy = start(adapter, upstream.address(), &[]);
    let mut client = RawConnection::connect(proxy.address());
    client.send(request("GET", "/v1/models", ""));
    let mut upstream_conn = upstream.accept();
    for _ in 0..3 {
        upstream_conn.head();
        upstream_conn.send(OK);
        let head = client.head();
        assert_eq!(client.body(&head), b"ok");
        client.send(request("GET", "/v1/models", ""));
    }
    upstream_conn.head();
    assert!(upstream.is_untouched());
}

fn closed_meanwhile(adapter: &dyn Adapter) {
    let upstream = Upstream::start();
    let proxy = start(adapter, upstream.address(), &[]);
    let mut client = RawConnection::connect(proxy.address());
    for number in 0..5 {
        client.send(request("POST", &format!("/v1/responses?number={number}"), "content-length: 2\r\n") + "{}");
        let mut upstream_conn = upstream.accept();
        let head = upstream_conn.head();
        upstream_conn.body(&head);
        upstream_conn.send(OK);
        upstream_conn.close();
        let head = client.head();
        assert_eq!((head.status(), client.body(&head)), (200, b"ok".to_vec()));
    }
}

fn sent_once(adapter: &dyn Adapter) {
    let upstream = Upstream::start();
    let proxy = start(adapter, upstream.address(), &[]);
    let mut client = RawConnection::connect(proxy.address());
    client.send(request("GET", "/v1/models", ""));
    let mut upstream_conn = upstream.accept();
    upstream_conn.head();
    upstream_conn.send(OK);
    let head = client.head();
    assert_eq!(client.body(&head), b"ok");
    client.send(request("POST", "/v1/responses", "content-length: 2\r\n") + "{}");
    let head = upstream_conn.head();
    assert_eq!(upstream_conn.body(&head), b"{}");
    drop(upstream_conn);
    assert_eq!(client.head().status(), 502);
    assert!(upstream.is_untouched(), "what was sent is never sent again");
}

/// A length that is told of a body that does not come.
fn bodiless(adapter: &dyn Adapter) {
    let upstream = Upstream::start();
    let proxy = start(adapter, upstream.address(), &[]);
    let mut client = RawConnection::connect(proxy.address());
    let mut upstream_conn = None;
    for (method, status) in [("HEAD", "200 OK"), ("GET", "204 No Content"), ("GET", "304 Not Modified")] {
        client.send(request(method, "/v1/models", ""));
        let upstream_conn = upstream_conn.get_or_insert_with(|| upstream.accept());
        assert_eq!(upstream_conn.head().word(0), method);
        upstream_conn.send(format!("HTTP/1.1 {status}\r\ncontent-length: 5\r\n\r\n"));
        assert_eq!(client.head().word(1), &status[..3]);
    }
    client.send(request("GET", "/v1/models", ""));
    let mut upstream_conn = upstream_conn.expect("a connection");
    upstream_conn.head();
    upstream_conn.send(OK);
    let head = client.head();
    assert_eq!(client.body(&head), b"ok");
    assert!(upstream.is_untouched());
}

/// What would be the answer to the next request.
const EVIL: &str = "HTTP/1.1 200 OK\r\ncontent-length: 4\r\n\r\nevil";

/// A record holds up to 16 KiB: what is behind the answer may have been decrypted and not been read.
fn left_over_tls(adapter: &dyn Adapter) {
    let authority = Authority::new();
    let config = authority.server("localhost", &["http/1.1"]);
    let upstream = Upstream::start();
    let proxy = start_tls(adapter, &authority, upstream.address(), &[]);
    let mut client = RawConnection::connect(proxy.address());
    let mut open = Vec::new();
    for size in [512, 1024, 2048, 4096, 8192, 16_000] {
        client.send(request("GET", "/v1/models", ""));
        let mut upstream_conn = tls::accept(upstream.accept().socket().try_clone().unwrap(), &config).unwrap();
        upstream_conn.head();
        let head_of = |length| format!("HTTP/1.1 200 OK\r\ncontent-length: {length}\r\nname: ");
        // The head and the body have this size together.
        let body = "x".repeat(size / 2);
        let head = head_of(body.len());
        let fill = "y".repeat(size - body.len() - head.len() - 4);
        upstream_conn.send(format!("{head}{fill}\r\n\r\n{body}{EVIL}"));
        let head = client.head();
        assert_eq!(client.body(&head), body.as_bytes());
        open.push(upstream_conn);
    }
}

/// Every answer promises to keep the connection; it is closed at the moment at which the next request is sent.
fn closing_at_reuse(adapter: &dyn Adapter) {
    const REQUESTS: usize = 2000;
    let (close, closing) = mpsc::channel();
    let upstream = RespondingUpstream::start_closing(|_| OK.into(), closing);
    let proxy = start(adapter, upstream.address(), &[]);
    let mut client = RawConnection::connect(proxy.address());
    let mut good = Vec::new();
    for number in 0..REQUESTS {
        let status = post(&mut client, number).status();
        assert!([200, 502].contains(&status), "{status}");
        if status == 200 {
            good.push(format!("/v1/responses?number={number}"));
            close.send(()).unwrap();
        }
    }
    let delivered: Vec<String> = upstream.take().iter().map(|seen| seen.head.word(1).to_owned()).collect();
    assert_eq!(delivered, good, "what was delivered was delivered once, and answered");
    assert!(good.len() > REQUESTS / 2, "a request of which nothing was sent is sent again: {} passed", good.len());
    println!("closed at reuse {REQUESTS} times: {} passed, the others got their 502", good.len());
}
