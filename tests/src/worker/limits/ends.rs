//! Requests that end late.

use super::{Test, start};
use crate::{
    only::budgets::{BUDGET, EVENTS, Metered, chat, chat_body, chunk, cost, last_chunks, post, streamed_chat},
    raw_connection::RawConnection,
    upstream::Upstream,
    worker::{RunningWorker, Worker},
};
use sparekey_policy::Usd;

pub(super) const TESTS: &[Test] = &[
    ("stream_is_not_read_on_for_ever", abandoned),
    ("stream_is_cut_at_the_end_of_its_hold", cut),
    ("request_without_a_response_is_cut", no_head),
    ("stream_that_was_asked_for_its_usage_is_read_on", read_on),
    ("free_connection_behind_the_last_event", last_event),
];

fn streaming(proxy: &RunningWorker, upstream: &Upstream, output: u32) -> (RawConnection, RawConnection) {
    let mut body = chat_body(output, true);
    body["stream_options"] = serde_json::json!({"include_usage": true});
    let (mut client, mut upstream_conn) = proxy.sent(upstream, &post("/v1/chat/completions", &body));
    upstream_conn.until("}}");
    upstream_conn.send(EVENTS);
    upstream_conn.send_chunk(chunk("Hello"));
    client.until("Hello");
    (client, upstream_conn)
}

/// The runtime sees that a client has left when something is sent to it.
fn ping(upstream_conn: &mut RawConnection) {
    for _ in 0..3 {
        // It is closed once the usage is read.
        let _ = upstream_conn.try_send("8\r\n: ping\n\n\r\n");
        std::thread::sleep(std::time::Duration::from_millis(100));
    }
}

/// How the last request ended.
fn last_end(proxy: &RunningWorker) -> String {
    let ledger = proxy.ledger.as_ref().expect("a ledger").open();
    ledger.query_row("SELECT ended FROM usage ORDER BY at DESC", [], |row| row.get(0)).expect("a row")
}

fn abandoned(worker: &Worker) {
    let upstream = Upstream::start();
    let proxy = start(worker, upstream.address(), BUDGET);
    let (client, mut upstream_conn) = streaming(&proxy, &upstream, 100);
    let held = proxy.amount("held_usd");
    proxy.set_speed(50);
    client.close();
    ping(&mut upstream_conn);
    upstream_conn.rest();
    proxy.set_speed(1);
    assert_eq!(proxy.settled(), held);
    assert_eq!(last_end(&proxy), "client-left");
}

fn cut(worker: &Worker) {
    let upstream = Upstream::start();
    let proxy = start(worker, upstream.address(), BUDGET);
    let (mut client, mut upstream_conn) = proxy.sent(&upstream, &streamed_chat());
    upstream_conn.until("\"stream\":true}");
    proxy.set_speed(1_000);
    upstream_conn.send(EVENTS);
    upstream_conn.send_chunk(chunk("Hello"));
    client.until("Hello");
    client.rest();
    upstream_conn.rest();
    proxy.set_speed(1);
    assert!(proxy.settled() > Usd::ZERO);
    assert_eq!(last_end(&proxy), "timeout");
}

fn no_head(worker: &Worker) {
    let upstream = Upstream::start();
    let proxy = start(worker, upstream.address(), BUDGET);
    proxy.set_speed(200);
    let (mut client, _upstream_conn) = proxy.sent(&upstream, &chat());
    proxy.set_speed(1);
    let held = proxy.amount("held_usd");
    let response = client.head();
    assert_eq!((response.status(), response.header("x-should-retry")), (504, Some("false")));
    assert_eq!(proxy.settled(), held);
    assert_eq!(last_end(&proxy), "timeout");
}

fn read_on(worker: &Worker) {
    let upstream = Upstream::start();
    let proxy = start(worker, upstream.address(), BUDGET);
    let (client, mut upstream_conn) = streaming(&proxy, &upstream, 100);
    client.close();
    upstream_conn.send_chunk(last_chunks(9, 20));
    upstream_conn.send("0\r\n\r\n");
    assert_eq!(proxy.settled(), cost(9, 20));
    assert_eq!(last_end(&proxy), "complete");
}

/// The upstream keeps it open: the client leaves, and the usage is there already.
fn last_event(worker: &Worker) {
    let upstream = Upstream::start();
    let proxy = start(worker, upstream.address(), BUDGET);
    let (mut client, mut upstream_conn) = streaming(&proxy, &upstream, 100);
    upstream_conn.send_chunk(last_chunks(9, 20));
    client.until("[DONE]");
    client.close();
    ping(&mut upstream_conn);
    assert_eq!(proxy.settled(), cost(9, 20));
    upstream_conn.rest();
}
