//! The places of a user's open requests.

use std::{
    sync::atomic::{AtomicUsize, Ordering},
    thread,
};

use super::{OK, QUIET, ok_upstream, post, send};
use crate::{
    adapter::Running as _,
    only::{Test, get, start, websocket},
    raw_connection::{RawConnection, wait_until},
    server::RunningServer,
    upstream::RespondingUpstream,
    wire,
};

pub(crate) const TESTS: &[Test] = &[
    ("free_after_every_end", ends),
    ("websocket_takes_one_until_its_end", websocket_place),
    ("upload_takes_one", upload_place),
];

const PLACES: usize = 4;
const ENDS: usize = 10_000;

/// Open requests of the user of [`KEY`], as `/usage` reports them.
fn open_requests(proxy: &RunningServer) -> String {
    let body = String::from_utf8(send(proxy, &get("/usage")).1).expect("UTF-8");
    let (_, open) = body.split_once("\"open\":").expect("a limit on open requests");
    open.chars().take_while(char::is_ascii_digit).collect()
}

/// The requests of several clients end in every way, in an order without a pattern.
fn ends() {
    let (open, most) = (AtomicUsize::new(0), AtomicUsize::new(0));
    let counts: &'static (AtomicUsize, AtomicUsize) = Box::leak(Box::new((open, most)));
    let upstream = RespondingUpstream::start(|request| {
        let open = counts.0.fetch_add(1, Ordering::SeqCst) + 1;
        counts.1.fetch_max(open, Ordering::SeqCst);
        let response = match request.head.word(1) {
            "/v1/models/closed" => Vec::new(),
            "/v1/models/large" => {
                [b"HTTP/1.1 200 OK\r\ncontent-length: 300000\r\n\r\n", &*vec![b'x'; 300_000]].concat()
            }
            _ => OK.into(),
        };
        counts.0.fetch_sub(1, Ordering::SeqCst);
        response
    });
    let users = format!("[users.Tom]\nconcurrent_requests = {PLACES}\nmodels = [\"gpt-5\", \"closed\", \"large\"]");
    let proxy = start(upstream.address(), &[("USERS", &users), QUIET]);
    let next = AtomicUsize::new(0);
    thread::scope(|scope| {
        for _ in 0..PLACES {
            scope.spawn(|| {
                loop {
                    let number = next.fetch_add(1, Ordering::Relaxed);
                    if number >= ENDS {
                        break;
                    }
                    end_somehow(&proxy, number);
                }
            });
        }
    });
    wait_until("all places are free", || open_requests(&proxy) == "0");
    assert!(counts.1.load(Ordering::SeqCst) <= PLACES);
    for _ in 0..PLACES {
        assert_eq!(send(&proxy, &get("/v1/models/gpt-5")).0.status(), 200);
    }
}

/// A request that ends in one of the ways. A place may be taken by one that a client has just left.
fn end_somehow(proxy: &RunningServer, number: usize) {
    let mut client = RawConnection::connect(proxy.address());
    // Knuth's multiplicative hash.
    match number.wrapping_mul(2_654_435_761) >> 8 & 7 {
        0 | 1 => {
            client.send(get("/v1/models/gpt-5"));
            assert!([200, 429].contains(&client.head().status()));
        }
        2 => {
            client.send(get("/v1/models/closed"));
            assert!([502, 429].contains(&client.head().status()));
        }
        3 => client.send(get("/v1/models/large")),
        4 => {
            client.send(get("/v1/models/large"));
            assert!([200, 429].contains(&client.head().status()));
        }
        5 => {
            client.send(get("/v1/models/gpt-4o"));
            assert!([403, 429].contains(&client.head().status()));
        }
        6 => {
            client.send(post(r#"{"model":"gpt-5"}"#));
            assert!([200, 429].contains(&client.head().status()));
        }
        _ => client.send(wire::request(
            "POST",
            "/v1/responses",
            "content-type: application/json\r\ncontent-length: 99\r\n",
        )),
    }
}

fn websocket_place() {
    let users = ("USERS", "[users.Tom]\nconcurrent_requests = 1");
    let (proxy, client, mut upstream_conn) = websocket(&[users], "/v1/realtime?model=gpt-realtime");
    let (head, body) = send(&proxy, &get("/v1/models"));
    assert_eq!((head.status(), &*wire::error_code(&body)), (429, "rate_limit_exceeded"));
    assert_eq!(head.header("retry-after"), Some("1"));
    assert!(String::from_utf8_lossy(&body).contains("1 open requests"));
    assert_eq!(open_requests(&proxy), "1");
    drop(client);
    upstream_conn.rest();
    wait_until("the place is free", || open_requests(&proxy) == "0");
}

fn upload_place() {
    let upstream = ok_upstream();
    let users = "[users.Tom]\nmodels = [\"gpt-5\"]\nconcurrent_requests = 1";
    let proxy = start(upstream.address(), &[("USERS", users)]);
    let request = post(r#"{"model":"gpt-5"}"#);
    let (begin, end) = request.split_at(request.len() - 1);
    let mut upload = RawConnection::connect(proxy.address());
    upload.send(begin);
    wait_until("the upload has its place", || open_requests(&proxy) == "1");
    let (head, body) = send(&proxy, &get("/v1/models/gpt-5"));
    assert_eq!((head.status(), &*wire::error_code(&body)), (429, "rate_limit_exceeded"));
    upload.send(end);
    assert_eq!(upload.head().status(), 200);
    assert_eq!(send(&proxy, &get("/v1/models/gpt-5")).0.status(), 200);
}
