//! Which requests reach the ledger's object, and what it writes.

use super::{Test, settings, start};
use crate::{
    case_files::KEY,
    only::budgets::{self, BUDGET, Metered, chat, completion, cost, streamed_chat},
    raw_connection::wait_until,
    upstream::{RespondingUpstream, Upstream},
    wire::{self, request},
    worker::{RunningWorker, Worker, compiled},
};

pub(super) const TESTS: &[Test] = &[
    ("users_without_limits_do_not_reach_it", unlimited),
    ("four_rows_per_request", rows),
    ("refusal_writes_nothing_and_is_remembered", refused),
    ("remembered_refusal_counts_down", counts_down),
    ("rate_while_it_is_down_is_not_undone", not_undone),
    ("model_without_a_price_is_logged", unpriced),
    ("rate_of_a_user_without_a_budget", rate),
    ("concurrent_requests", concurrency),
    ("users_without_a_budget_pass_while_it_is_down", down),
    ("limits_without_the_binding_are_refused", unbound),
    ("settings_of_the_ledger", ledger_settings),
];

const ANN: &str = "sk-Ann-abcdefgh12345678";

fn as_ann(request: &str) -> String {
    request.replace(KEY, ANN)
}

#[track_caller]
fn assert_response(proxy: &RunningWorker, request: &str, status: u16, code: &str) {
    let (head, body) = proxy.send(request);
    let found = if code.is_empty() { String::new() } else { wire::error_code(&body) };
    assert_eq!((head.status(), &*found), (status, code), "{}", String::from_utf8_lossy(&body));
}

fn unlimited(worker: &Worker) {
    let upstream = RespondingUpstream::start(|_| completion(12, 30));
    let users = "[users.Ann]\nbudgets = [{ usd = 1, per = \"day\" }]\n[users.Tom]\nmodels = [\"model\"]";
    let keys = format!("{KEY},{ANN},sk-Bob-abcdefgh12345678");
    let proxy = worker.serve(&settings(upstream.address(), users, &[("ACCESS_KEYS", &keys)]), "");
    for key in [KEY, "sk-Bob-abcdefgh12345678"] {
        let free = ["/v1/models/model", "/v1/usage"].map(|path| request("GET", path, ""));
        for sent in free.into_iter().chain([chat(), streamed_chat()]) {
            assert_response(&proxy, &sent.replace(KEY, key), 200, "");
        }
    }
    assert_eq!(proxy.ledger_counts(), (0, 0));
    assert_response(&proxy, &as_ann(&chat()), 200, "");
    assert_ne!(proxy.ledger_counts(), (0, 0));
}

fn rows(worker: &Worker) {
    let upstream = RespondingUpstream::start(|_| completion(12, 30));
    let proxy = start(worker, upstream.address(), BUDGET);
    for number in 1..=5 {
        assert_response(&proxy, &chat(), 200, "");
        wait_until("the request is settled", || proxy.ledger_counts().0 == 2 * number);
        assert_eq!(proxy.ledger_counts().1, 4 * number, "reserved: the state; settled: the state, a row, its day");
    }
    assert_response(&proxy, &request("GET", "/v1/models", ""), 200, "");
    wait_until("the place is free", || proxy.ledger_counts().0 == 12);
    assert_eq!(proxy.ledger_counts().1, 22, "a request that costs nothing has no row");
}

fn refused(worker: &Worker) {
    let upstream = RespondingUpstream::start(|_| completion(12, 99));
    let proxy = start(worker, upstream.address(), "[users.Tom]\nrequests_per_minute = 1\nmetered = true");
    assert_response(&proxy, &chat(), 200, "");
    wait_until("the request is settled", || proxy.ledger_counts() == (2, 4));
    for _ in 0..5 {
        assert_response(&proxy, &chat(), 429, "rate_limit_exceeded");
    }
    assert_eq!(proxy.ledger_counts(), (3, 4));
    let budget = "[users.Tom]\nbudgets = [{ usd = \"0.0013\", per = \"month\" }]";
    let proxy = start(worker, upstream.address(), budget);
    assert_response(&proxy, &chat(), 200, "");
    wait_until("the request is settled", || proxy.ledger_counts() == (2, 4));
    assert_response(&proxy, &chat(), 429, "insufficient_quota");
    assert_eq!(proxy.ledger_counts(), (3, 4));
}

fn counts_down(worker: &Worker) {
    let upstream = RespondingUpstream::start(|_| completion(12, 30));
    let proxy = start(worker, upstream.address(), "[users.Tom]\nrequests_per_minute = 1");
    assert_response(&proxy, &chat(), 200, "");
    let mut waits = Vec::new();
    for passed in [0, 20_000, 50_000] {
        proxy.set_ahead(passed);
        let (head, body) = proxy.send(&chat());
        assert_eq!(head.status(), 429);
        let wait: u64 = head.header("retry-after").expect("retry-after").parse().expect("a number");
        let reset = head.header("x-ratelimit-reset-requests").expect("reset");
        let seconds: f64 = reset.trim_end_matches('s').trim_start_matches("1m").parse().expect("seconds");
        let text = format!("Try again in {wait} s");
        assert!(String::from_utf8_lossy(&body).contains(&text), "{}", String::from_utf8_lossy(&body));
        waits.push((wait, seconds));
    }
    assert_eq!(proxy.ledger_counts(), (2, 1), "the refusal is remembered");
    for ((wait, reset), most) in waits.into_iter().zip([60, 40, 10]) {
        assert!((most - 8..=most).contains(&wait) && reset <= f64::from(u32::try_from(most).expect("seconds")));
    }
}

fn unpriced(worker: &Worker) {
    let upstream = RespondingUpstream::start(|_| crate::chat::completion("new", "Hi", 12, 30));
    let proxy = start(worker, upstream.address(), BUDGET);
    assert_response(&proxy, &chat(), 200, "");
    let parts = ["something in a response to Tom has no price", "PRICES can list its model, new; its tier is none"];
    proxy.process.wait_for(|line| parts.iter().all(|part| line.contains(part)).then_some(()));
}

/// A request that reserves no place leaves nothing that could be ended.
fn not_undone(worker: &Worker) {
    let upstream = RespondingUpstream::start(|_| completion(12, 30));
    let proxy = start(worker, upstream.address(), "[users.Tom]\nrequests_per_minute = 2");
    proxy.set_ledger_down(true);
    for status in [200, 200, 429] {
        assert_eq!(proxy.send(&chat()).0.status(), status);
    }
    proxy.process.wait_for(|line| line.contains("each isolate counts requests alone").then_some(()));
    std::thread::sleep(std::time::Duration::from_millis(300));
    assert_eq!(proxy.ledger_counts(), (3, 0));
    let log = proxy.process.output();
    assert!(!log.contains("refused") && !log.contains("settled"), "{log}");
}

fn rate(worker: &Worker) {
    let upstream = RespondingUpstream::start(|_| completion(12, 30));
    let proxy = start(worker, upstream.address(), "[users.Tom]\nrequests_per_minute = 2");
    for remaining in ["1", "0"] {
        let (head, _) = proxy.send(&chat());
        assert_eq!((head.status(), head.header("x-ratelimit-remaining-requests")), (200, Some(remaining)));
    }
    let (head, body) = proxy.send(&chat());
    assert_eq!((head.status(), &*wire::error_code(&body)), (429, "rate_limit_exceeded"));
    let wait: u64 = head.header("retry-after").expect("retry-after").parse().expect("a number");
    assert!((1..=60).contains(&wait), "{wait}");
    assert_eq!(upstream.take().len(), 2);
    let (head, body) = proxy.send(&request("GET", "/v1/usage", ""));
    let usage: serde_json::Value = serde_json::from_slice(&body).expect("JSON");
    assert_eq!((head.status(), &usage["limits"]["requests_per_minute"]["remaining"]), (200, &0.into()));
    // Of a user without a limit on open requests, no end is stored.
    assert_eq!(proxy.ledger_counts(), (3, 2));
    proxy.set_ahead(31_000);
    assert_response(&proxy, &chat(), 200, "");
}

fn concurrency(worker: &Worker) {
    let upstream = Upstream::start();
    let proxy = start(worker, upstream.address(), "[users.Tom]\nconcurrent_requests = 1");
    let mut client = proxy.client(&streamed_chat());
    let mut upstream_conn = upstream.accept();
    upstream_conn.until("}");
    upstream_conn.send(budgets::EVENTS);
    upstream_conn.send_chunk("data: 1\n\n");
    client.until("data: 1");
    for _ in 0..3 {
        assert_response(&proxy, &chat(), 429, "rate_limit_exceeded");
    }
    assert_eq!(proxy.ledger_counts(), (2, 1), "the refusal is remembered");
    upstream_conn.send("0\r\n\r\n");
    client.rest();
    wait_until("the place is free", || proxy.ledger_counts() == (3, 2));
    let _client = proxy.client(&chat());
    let mut upstream_conn = upstream.accept();
    assert_eq!(upstream_conn.head().header("accept-encoding"), Some("identity"), "its end must be seen");
}

fn down(worker: &Worker) {
    let upstream = RespondingUpstream::start(|_| completion(12, 30));
    let users = format!("[users.Ann]\nrequests_per_minute = 2\n{BUDGET}");
    let keys = format!("{KEY},{ANN},sk-Bob-abcdefgh12345678");
    let proxy = worker.serve(&settings(upstream.address(), &users, &[("ACCESS_KEYS", &keys)]), "");
    proxy.set_ledger_down(true);
    let (head, body) = proxy.send(&chat());
    assert_eq!((head.status(), &*wire::error_code(&body)), (503, "ledger_unavailable"));
    assert_eq!((head.header("retry-after"), upstream.take().len()), (Some("1"), 0));
    assert_response(&proxy, &request("GET", "/v1/usage", ""), 503, "ledger_unavailable");
    let line = "the usage of Tom cannot be read: ";
    proxy.process.wait_for(|found| found.contains(line).then_some(()));
    assert_response(&proxy, &chat().replace(KEY, "sk-Bob-abcdefgh12345678"), 200, "");
    for status in [200, 200, 429] {
        assert_eq!(proxy.send(&as_ann(&chat())).0.status(), status, "the isolate counts alone");
    }
    proxy.set_ledger_down(false);
    assert_response(&proxy, &chat(), 200, "");
    assert_eq!(proxy.settled(), cost(12, 30));
}

fn unbound(worker: &Worker) {
    let upstream = RespondingUpstream::start(|_| completion(12, 30));
    let settings = settings(upstream.address(), BUDGET, &[]);
    let proxy = worker.without_ledger().serve(&settings, "");
    assert_response(&proxy, &chat(), 503, "misconfigured");
    let problem =
        "invalid settings: USERS users.Tom.budgets is not enforced without a ledger: bind the Durable Object as LEDGER";
    proxy.process.wait_for(|line| line.contains(problem).then_some(()));
    let mut settings = settings;
    settings.insert("USERS".into(), compiled("[users.Tom]\nmodels = [\"model\"]"));
    let proxy = worker.without_ledger().serve(&settings, "");
    assert_response(&proxy, &chat(), 200, "");
}

fn ledger_settings(worker: &Worker) {
    let upstream = RespondingUpstream::start(|_| completion(12, 30));
    let proxy = worker.serve(&settings(upstream.address(), BUDGET, &[("LEDGER_LOCATION", "weur")]), "");
    assert_response(&proxy, &chat(), 200, "");
    let proxy = worker.serve(&settings(upstream.address(), BUDGET, &[("PRICES", "{}")]), "");
    assert_response(&proxy, &chat(), 503, "misconfigured");
    proxy.process.wait_for(|line| line.contains("invalid settings: PRICES").then_some(()));
}
