//! Requests that end otherwise: each is charged once, exactly if its usage is known, else by an estimate.

use h2::Reason;

use super::*;
use crate::{http2, only::drain::drain, tls::Authority, upstream::RespondingUpstream};

/// On every platform that has budgets.
pub(super) const SHARED: &[SharedTest] = &[
    ("stream_is_read_on_when_its_client_leaves", stream_left),
    ("response_is_read_on_when_its_client_leaves", response_left),
    ("client_leaves_before_the_response_head", head_left),
    ("stream_that_breaks_off_is_estimated", stream_cut),
    ("response_that_breaks_off_costs_its_hold", response_cut),
    ("repeated_failures_pause_the_user", repeated_failures),
    ("place_stays_taken_while_a_response_is_read_on", place),
];

/// On the server.
pub(crate) const TESTS: &[Test] = &[
    ("http2_client_resets_its_stream", http2_left),
    ("unreachable_upstream_costs_nothing", unreachable),
    ("request_that_an_upstream_refuses_unread_costs_nothing", refused_unread),
    ("upstream_timeout_costs_its_hold", timeout),
    ("removed_key_ends_a_request_that_is_read_on", removed_key),
    ("removed_user_is_charged", removed_user),
    ("end_of_a_drain_cuts_and_charges", drained),
    ("second_signal_cuts_and_charges", second_signal),
    ("costs_that_are_not_stored_at_the_end_are_logged", not_stored),
    ("drain_waits_for_a_response_that_is_read_on", drain_reads_on),
];

/// A stream whose first event has reached the client.
fn streaming(server: &dyn Metered, upstream: &Upstream) -> (RawConnection, RawConnection) {
    let (mut client, mut upstream_conn) = server.sent(upstream, &streamed_chat());
    upstream_conn.until("}");
    upstream_conn.send(EVENTS);
    upstream_conn.send_chunk(chunk("Hello"));
    client.until("Hello");
    (client, upstream_conn)
}

/// What is reserved for one request.
fn hold(server: &dyn Metered) -> Usd {
    let held = server.amount("held_usd");
    assert!(held > Usd::ZERO);
    held
}

fn stream_left(start: Start<'_>) {
    let upstream = Upstream::start();
    let server = start(upstream.address(), BUDGET);
    let (client, mut upstream_conn) = streaming(&*server, &upstream);
    client.close();
    upstream_conn.send_chunk(chunk(" world"));
    upstream_conn.send_chunk(last_chunks(9, 20));
    upstream_conn.send("0\r\n\r\n");
    assert_eq!(server.settled(), cost(9, 20));
}

fn response_left(start: Start<'_>) {
    let upstream = Upstream::start();
    let server = start(upstream.address(), BUDGET);
    let (mut client, mut upstream_conn) = server.sent(&upstream, &chat());
    let response = completion(9, 20);
    let (start, end) = response.split_at(response.len() - 10);
    upstream_conn.send(start);
    client.until("chatcmpl");
    client.close();
    hold(&*server);
    upstream_conn.send(end);
    assert_eq!(server.settled(), cost(9, 20));
}

fn head_left(start: Start<'_>) {
    let upstream = Upstream::start();
    let server = start(upstream.address(), BUDGET);
    let (client, mut upstream_conn) = server.sent(&upstream, &chat());
    client.close();
    hold(&*server);
    upstream_conn.send(completion(9, 20));
    assert_eq!(server.settled(), cost(9, 20));
    assert_eq!(server.usage()["days"][0]["requests"], 1);
}

fn http2_left() {
    let upstream = Upstream::start();
    let server = Budgeted::start(upstream.address(), BUDGET);
    let mut client = http2::Client::connect(server.address());
    let (sender, body) = http2::streamed_body();
    sender.send(chat_body(100, true).to_string());
    drop(sender);
    let request = http::Request::post("http://proxy/v1/chat/completions")
        .header("authorization", format!("Bearer {KEY}"))
        .header("content-type", "application/json")
        .body(body)
        .expect("a request");
    let pending = client.send(request);
    let mut upstream_conn = upstream.accept();
    upstream_conn.head();
    upstream_conn.until("}");
    upstream_conn.send(EVENTS);
    upstream_conn.send_chunk(chunk("Hello"));
    let (_, body) = pending.response();
    drop(body);
    upstream_conn.send_chunk(last_chunks(9, 20));
    upstream_conn.send("0\r\n\r\n");
    assert_eq!(server.settled(), cost(9, 20));
}

/// The output that cannot exist yet is not charged: 1,000 tokens per second, of at most 5,000.
fn stream_cut(start: Start<'_>) {
    let upstream = Upstream::start();
    let server = start(upstream.address(), BUDGET);
    let (mut client, mut upstream_conn) =
        server.sent(&upstream, &post("/v1/chat/completions", &chat_body(5_000, true)));
    let held = hold(&*server);
    upstream_conn.send(EVENTS);
    upstream_conn.send_chunk(chunk("Hello"));
    client.until("Hello");
    drop(upstream_conn);
    client.rest();
    let spent = server.settled();
    assert!(spent > cost(0, 999) && spent < held, "{spent} of {held}");
    assert_eq!(server.usage()["days"][0]["requests"], 1);
}

fn response_cut(start: Start<'_>) {
    let upstream = Upstream::start();
    let server = start(upstream.address(), BUDGET);
    let (mut client, upstream_conn) = server.sent(&upstream, &chat());
    let held = hold(&*server);
    drop(upstream_conn);
    assert_eq!(client.head().status(), 502);
    assert_eq!(server.settled(), held);
}

fn unreachable() {
    let upstream = Upstream::start();
    let address = upstream.address();
    drop(upstream);
    let server = Budgeted::start(address, BUDGET);
    let (head, body) = server.send(&chat());
    assert_eq!((head.status(), &*wire::error_code(&body)), (502, "upstream_unreachable"));
    assert_eq!(server.settled(), Usd::ZERO);
    assert_eq!(server.usage()["days"], serde_json::json!([]));
}

fn refused_unread() {
    let authority = Authority::new();
    let upstream = http2::Upstream::start(&authority.server("localhost", &["h2"]));
    let api_base = format!("https://localhost:{}", upstream.address().port());
    let more = [("API_BASE", &*api_base), ("SSL_CERT_FILE", &authority.file())];
    let server = Budgeted::start_with(upstream.address(), BUDGET, &more);
    for (reason, code) in [(Reason::REFUSED_STREAM, "upstream_unreachable"), (Reason::CANCEL, "upstream_failed")] {
        let mut client = server.client(&chat());
        upstream.accept().reset(reason);
        let head = client.head();
        assert_eq!((head.status(), &*wire::error_code(&client.body(&head))), (502, code));
        assert_eq!(server.settled() == Usd::ZERO, reason == Reason::REFUSED_STREAM, "{reason}");
    }
}

fn timeout() {
    let upstream = Upstream::start();
    let server = Budgeted::start_with(upstream.address(), BUDGET, &[("UPSTREAM_TIMEOUT", "1")]);
    let (mut client, _upstream_conn) = server.sent(&upstream, &chat());
    let held = hold(&server);
    let response = client.head();
    assert_eq!((response.status(), response.header("x-should-retry")), (504, Some("false")));
    assert_eq!(server.settled(), held);
    assert_eq!(last_end(&server), "timeout");
}

/// Another user's keys read the usage.
fn remove_tom(server: &Budgeted, with_limits: bool) {
    let users =
        if with_limits { format!("{BUDGET}\ndisabled = true") } else { "[users.Ann]\nmetered = true".to_owned() };
    server.files.write("users", &users);
}

fn removed_key() {
    let upstream = Upstream::start();
    let server = Budgeted::start(upstream.address(), BUDGET);
    let (client, mut upstream_conn) = streaming(&server, &upstream);
    client.close();
    remove_tom(&server, true);
    // The proxy closes the connection, although the stream has not ended.
    upstream_conn.rest();
    server.files.write("users", BUDGET);
    let spent = || {
        let (head, body) = server.send(&get("/v1/usage"));
        let usage: Value = serde_json::from_slice(&body).unwrap_or_default();
        (head.status() == 200)
            .then(|| (amount(&usage["budgets"][0]["held_usd"]), amount(&usage["budgets"][0]["spent_usd"])))
    };
    wait_until("the request is charged", || {
        spent().is_some_and(|(held, spent)| held == Usd::ZERO && spent > Usd::ZERO)
    });
}

fn removed_user() {
    let upstream = Upstream::start();
    let server = Budgeted::start(upstream.address(), BUDGET);
    let (mut client, mut upstream_conn) = server.sent(&upstream, &chat());
    // The key stays, and has no limits any more.
    server.files.write("users", "[users.Ann]\nmetered = true\nkeys = [\"sha256:Ann:0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef\"]");
    server.proxy.process.wait_for(|line| line.contains("reloaded").then_some(()));
    upstream_conn.send(completion(9, 20));
    assert_eq!(client.head().status(), 200);
    server.files.write("users", BUDGET);
    wait_until("Tom has limits again", || server.usage()["budgets"][0].is_object());
    assert_eq!(server.settled(), cost(9, 20));
}

fn drained() {
    let upstream = Upstream::start();
    let mut server = Budgeted::start_with(upstream.address(), BUDGET, &[("DRAIN_TIMEOUT", "1")]);
    let (mut client, mut upstream_conn) = streaming(&server, &upstream);
    drain(&server.proxy, "TERM");
    upstream_conn.rest();
    client.rest();
    assert_eq!(server.proxy.process.wait().0.code(), Some(0));
    server.proxy = RunningServer::start(&server.settings);
    assert!(server.settled() > Usd::ZERO);
    assert_eq!(last_end(&server), "shutdown", "it was settled before the end");
}

fn second_signal() {
    let upstream = Upstream::start();
    let mut server = Budgeted::start(upstream.address(), BUDGET);
    let open = [streaming(&server, &upstream), streaming(&server, &upstream)];
    drain(&server.proxy, "TERM");
    server.proxy.process.signal("TERM");
    assert_eq!(server.proxy.process.wait().0.code(), Some(1));
    drop(open);
    let ledger = rusqlite::Connection::open(server.ledger()).expect("open the ledger");
    let count = |ended: &str| {
        ledger
            .query_row("SELECT count(*) FROM usage WHERE ended = ?", [ended], |row| row.get::<_, u32>(0))
            .expect("a row")
    };
    assert_eq!(count("shutdown"), 2);
}

fn not_stored() {
    let upstream = Upstream::start();
    let mut server = Budgeted::start(upstream.address(), BUDGET);
    let (mut client, mut upstream_conn) = server.sent(&upstream, &chat());
    let other = rusqlite::Connection::open(server.ledger()).expect("open the ledger");
    other.execute_batch("BEGIN IMMEDIATE").expect("lock it");
    upstream_conn.send(completion(9, 20));
    assert_eq!(client.head().status(), 200);
    server.proxy.process.signal("TERM");
    let (_, output) = server.proxy.process.wait();
    assert!(output.contains("the costs of 1 requests could not be stored"), "{output}");
}

/// How the last request ended, in the ledger.
fn last_end(server: &Budgeted) -> String {
    let ledger = rusqlite::Connection::open(server.ledger()).expect("open the ledger");
    ledger.query_row("SELECT ended FROM usage ORDER BY at DESC", [], |row| row.get(0)).expect("a row")
}

fn drain_reads_on() {
    let upstream = Upstream::start();
    let mut server = Budgeted::start(upstream.address(), BUDGET);
    let (client, mut upstream_conn) = streaming(&server, &upstream);
    client.close();
    drain(&server.proxy, "TERM");
    upstream_conn.send_chunk(last_chunks(9, 20));
    upstream_conn.send("0\r\n\r\n");
    assert_eq!(server.proxy.process.wait().0.code(), Some(0));
    server.proxy = RunningServer::start(&server.settings);
    assert_eq!(server.settled(), cost(9, 20));
}

fn repeated_failures(start: Start<'_>) {
    let upstream = RespondingUpstream::start(|_| response("500 X", r#"{"error":{"message":"no"}}"#));
    let server = start(upstream.address(), BUDGET);
    for _ in 0..5 {
        assert_eq!(server.send(&chat()).0.status(), 500);
    }
    server.settled();
    let (head, body) = server.send(&chat());
    assert_eq!((head.status(), &*wire::error_code(&body)), (503, "server_is_overloaded"));
    let wait: u64 = head.header("retry-after").expect("retry-after").parse().expect("a number");
    assert!((1..=20).contains(&wait), "{wait}");
    assert_eq!(upstream.take().len(), 5);
    assert_eq!(server.send(&get("/v1/models")).0.status(), 500, "other requests pass");
}

fn place(start: Start<'_>) {
    let upstream = Upstream::start();
    let server = start(upstream.address(), &format!("{BUDGET}\nconcurrent_requests = 1"));
    let (client, mut upstream_conn) = streaming(&*server, &upstream);
    client.close();
    let (head, body) = server.send(&chat());
    assert_eq!((head.status(), &*wire::error_code(&body)), (429, "rate_limit_exceeded"));
    upstream_conn.send_chunk(last_chunks(9, 20));
    upstream_conn.send("0\r\n\r\n");
    server.settled();
    assert_eq!(server.usage()["limits"]["concurrent_requests"]["open"], 0);
}
