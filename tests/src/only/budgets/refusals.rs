//! Requests that a budget refuses. Nothing of them is sent.

use serde_json::json;

use super::*;
use crate::upstream::RespondingUpstream;

/// On every platform that has budgets.
pub(super) const SHARED: &[SharedTest] = &[
    ("spent_budget", spent),
    ("request_that_does_not_fit", too_large),
    ("budget_held_by_open_requests", held),
    ("tokens_per_minute", tokens),
    ("models_and_routes_without_a_bound", unbounded),
    ("websockets_are_refused", websockets),
    ("expired_user_reads_its_usage", expired),
];

/// On the server.
pub(crate) const TESTS: &[Test] = &[("higher_budget_counts_at_the_next_request", raised)];

#[track_caller]
fn assert_refused(server: &dyn Metered, request: &str, status: u16, error_type: &str, code: &str) -> (Head, String) {
    let (head, body) = server.send(request);
    let error: Value = serde_json::from_slice(&body).expect("JSON");
    let found = (head.status(), error["error"]["type"].clone(), error["error"]["code"].clone());
    assert_eq!(found, (status, json!(error_type), json!(code)), "{error}");
    (head, error["error"]["message"].as_str().expect("a message").to_owned())
}

fn spent(start: Start<'_>) {
    let upstream = RespondingUpstream::start(|_| completion(12, 99));
    let server = start(upstream.address(), "[users.Tom]\nbudgets = [{ usd = \"0.0013\", per = \"month\" }]");
    assert_eq!(server.send(&chat()).0.status(), 200);
    server.settled();
    let (head, message) = assert_refused(&*server, &chat(), 429, "insufficient_quota", "insufficient_quota");
    assert_eq!((head.header("x-should-retry"), head.header("retry-after")), (Some("false"), None));
    assert!(message.contains("per month of 0.0013 USD") && message.contains("/usage"), "{message}");
    assert_eq!(upstream.take().len(), 1);
    assert_eq!(server.usage()["user"], "Tom");
}

fn too_large(start: Start<'_>) {
    let upstream = Upstream::start();
    let server = start(upstream.address(), "[users.Tom]\nbudgets = [{ usd = \"0.002\", per = \"total\" }]");
    let request = post("/v1/chat/completions", &chat_body(9_000, false));
    let (_, message) = assert_refused(&*server, &request, 429, "insufficient_quota", "insufficient_quota");
    assert!(message.contains("needs at least") && message.contains("0.002 USD"), "{message}");
    assert!(upstream.is_untouched());
    assert_eq!(server.settled(), Usd::ZERO);
}

fn held(start: Start<'_>) {
    let upstream = Upstream::start();
    let server = start(upstream.address(), "[users.Tom]\nbudgets = [{ usd = \"0.002\", per = \"month\" }]");
    let (mut first, mut upstream_conn) = server.sent(&upstream, &chat());
    let (head, message) = assert_refused(&*server, &chat(), 429, "tokens", "rate_limit_exceeded");
    assert_eq!((head.header("x-should-retry"), head.header("retry-after")), (None, Some("2")));
    assert!(message.contains("open requests hold"), "{message}");
    upstream_conn.until("\"stream\":false}");
    upstream_conn.send(completion(12, 30));
    let head = first.head();
    assert_eq!(head.status(), 200);
    first.body(&head);
    server.settled();
    // On the same thread, which uses the same connection to the upstream.
    first.send(chat());
    upstream_conn.head();
    upstream_conn.send(completion(12, 30));
    assert_eq!(first.head().status(), 200);
}

fn tokens(start: Start<'_>) {
    let upstream = RespondingUpstream::start(|_| completion(500, 500));
    let server = start(upstream.address(), "[users.Tom]\ntokens_per_minute = 1000");
    let (head, _) = server.send(&chat());
    assert_eq!((head.status(), head.header("x-ratelimit-limit-tokens")), (200, Some("1000")));
    wait_until("the tokens are charged", || {
        server.usage()["limits"]["tokens_per_minute"]["remaining"].as_u64().is_some_and(|left| left < 100)
    });
    let (head, message) = assert_refused(&*server, &chat(), 429, "tokens", "rate_limit_exceeded");
    assert!(message.contains("1000 tokens per minute"), "{message}");
    let retry: u64 = head.header("retry-after").expect("retry-after").parse().expect("a number");
    assert!((1..=60).contains(&retry), "{retry}");
}

fn unbounded(start: Start<'_>) {
    let upstream = Upstream::start();
    let server =
        start(upstream.address(), "[users.Tom]\nroutes = \"unlimited\"\nbudgets = [{ usd = 1, per = \"day\" }]");
    let responses = |more: &Value| {
        let mut body = json!({"model": "model", "input": "Hi", "max_output_tokens": 100});
        body.as_object_mut().expect("an object").extend(more.as_object().expect("an object").clone());
        post("/v1/responses", &body)
    };
    for (request, status, code) in [
        (responses(&json!({"model": "no-price"})), 403, "model_not_priced"),
        (responses(&json!({"background": true})), 400, "option_not_allowed"),
        (responses(&json!({"prompt": {"id": "p"}})), 400, "option_not_allowed"),
        (responses(&json!({"tools": [{"type": "mcp"}]})), 400, "option_not_allowed"),
        (post("/v1/chat/completions", &json!({"model": "model", "messages": [], "n": 1000})), 400, "invalid_body"),
        (post("/v1/images/generations", &json!({"model": "model", "n": 11})), 400, "invalid_body"),
        (post("/v1/batches", &json!({})), 403, "route_not_allowed"),
        (post("/v1/decisions", &json!({"model": "model"})), 403, "route_not_allowed"),
        (post("/v1/new_endpoint", &json!({})), 403, "route_not_allowed"),
        (post("/v1/responses/COMPACT", &json!({})), 403, "route_not_allowed"),
    ] {
        assert_refused(&*server, &request, status, "invalid_request_error", code);
    }
    let untyped = post("/v1/audio/transcriptions", &json!({})).replace("content-type: application/json\r\n", "");
    let (_, message) = assert_refused(&*server, &untyped, 400, "invalid_request_error", "invalid_body");
    assert!(message.contains("no 'Content-Type'") && message.contains("multipart/form-data"), "{message}");
    let agents = responses(&json!({})).replace("host: proxy", "host: proxy\r\nopenai-beta: responses_multi_agent=v1");
    assert_refused(&*server, &agents, 400, "invalid_request_error", "option_not_allowed");
    assert!(upstream.is_untouched());
}

fn websockets(start: Start<'_>) {
    let upstream = Upstream::start();
    let server =
        start(upstream.address(), "[users.Tom]\nroutes = \"unlimited\"\nbudgets = [{ usd = 1, per = \"day\" }]");
    for (path, status) in [("/v1/responses", 426), ("/v1/realtime?model=model", 403)] {
        let handshake = "connection: upgrade\r\nupgrade: websocket\r\nsec-websocket-version: 13\r\n\
                         sec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\r\n";
        let (head, _) = server.send(&wire::request("GET", path, handshake));
        assert_eq!(head.status(), status, "{path}");
    }
    assert!(upstream.is_untouched());
}

fn raised() {
    let upstream = RespondingUpstream::start(|_| completion(12, 99));
    let budget = |usd: &str| format!("[users.Tom]\nbudgets = [{{ usd = \"{usd}\", per = \"month\" }}]");
    let server = Budgeted::start(upstream.address(), &budget("0.0013"));
    assert_eq!(server.send(&chat()).0.status(), 200);
    let spent = server.settled();
    assert_refused(&server, &chat(), 429, "insufficient_quota", "insufficient_quota");
    server.files.write("users", &budget("0.01"));
    wait_until("the file is read again", || server.amount("usd") == usd("0.01"));
    assert_eq!(server.amount("spent_usd"), spent, "a changed budget keeps what was spent");
    assert_eq!(server.send(&chat()).0.status(), 200);
}

fn expired(start: Start<'_>) {
    let upstream = Upstream::start();
    let server = start(upstream.address(), &format!("{BUDGET}\nexpires = 2020-01-01"));
    assert_refused(&*server, &chat(), 401, "invalid_request_error", "expired_api_key");
    let usage = server.usage();
    assert_eq!((&usage["expires"], &usage["budgets"][0]["usd"]), (&json!(1_577_836_800), &json!("1.00")));
}
