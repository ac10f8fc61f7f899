//! Requests that end as they should: the cost in the response is charged.

use serde_json::{Value, json};

use super::*;
use crate::{only::admin, upstream::RespondingUpstream};

/// On every platform that has budgets.
pub(super) const SHARED: &[SharedTest] = &[
    ("whole_response_is_charged_exactly", whole),
    ("stream_is_charged_exactly_and_its_usage_is_hidden", stream),
    ("stream_whose_client_asks_for_usage_is_not_changed", stream_with_usage),
    ("body_that_fits_is_not_changed", unchanged),
    ("cap_is_lowered_to_the_budget", clamped),
    ("free_statuses_cost_nothing", free),
    ("user_without_a_budget_is_counted", metered),
    ("all_periods_are_charged", periods),
    ("usage_has_a_rate_of_its_own", usage_rate),
    ("doubtful_usage_is_charged_as_the_hold", doubtful),
    ("usage_of_zero_costs_nothing", zero),
    ("history_by_id_is_bounded_by_the_ledger", history),
];

/// On the server.
pub(crate) const TESTS: &[Test] = &[
    ("metrics_show_money_and_tokens", metrics),
    ("row_has_the_details", row),
    ("stream_is_settled_at_its_last_event", last_event),
    ("answer_of_another_model_is_charged_by_its_price", other_model),
    ("answer_of_an_unlisted_version_is_charged_by_the_price_of_its_model", unlisted_version),
    ("model_without_a_price_is_logged", unpriced_model_is_logged),
];

fn whole(start: Start<'_>) {
    let upstream = RespondingUpstream::start(|_| completion(12, 30));
    let server = start(upstream.address(), BUDGET);
    let (head, _) = server.send(&chat());
    assert_eq!(head.status(), 200);
    let left = usd(head.header("x-sparekey-budget-left-usd").expect("what is left"));
    assert!(left < usd("1") && left > usd("0.99"), "{left}");
    assert_eq!(head.header("x-sparekey-clamped"), None);
    assert_eq!(server.settled(), cost(12, 30));
    let usage = server.usage();
    assert_eq!(usage["timezone"], "UTC");
    let sums = json!({"usd": cost(12, 30).to_string(), "requests": 1, "input_tokens": 12, "output_tokens": 30});
    for (list, name) in [("days", "day"), ("by_model", "model")] {
        let mut item = usage[list][0].clone();
        item.as_object_mut().expect("an object").remove(name).expect(name);
        assert_eq!(item, sums, "{list}");
    }
    assert_eq!(usage["by_model"][0]["model"], "model");
    let left = amount(&usage["budgets"][0]["left_usd"]);
    assert_eq!(left, usd("1").minus(cost(12, 30)));
    assert_eq!(upstream.take()[0].head.header("accept-encoding"), Some("identity"));
}

fn stream(start: Start<'_>) {
    let events = [chunk("Hel"), chunk("lo"), last_chunks(9, 2)].concat();
    let sent = events.clone();
    let upstream =
        RespondingUpstream::start(move |_| format!("{}{:x}\r\n{sent}\r\n0\r\n\r\n", EVENTS, sent.len()).into());
    let server = start(upstream.address(), BUDGET);
    let (head, body) = server.send(&streamed_chat());
    assert_eq!(head.status(), 200);
    let expected = [chunk("Hel"), chunk("lo")].concat().replace(",\"usage\":null", "") + "data: [DONE]\n\n";
    assert_eq!(String::from_utf8(body).expect("UTF-8"), expected);
    assert_eq!(server.settled(), cost(9, 2));
    let received: Value = serde_json::from_slice(&upstream.take()[0].body).expect("JSON");
    let mut expected = chat_body(100, true);
    expected["stream_options"] = json!({"include_usage": true});
    assert_eq!(received, expected);
}

fn stream_with_usage(start: Start<'_>) {
    let events = [chunk("Hello"), last_chunks(9, 2)].concat();
    let sent = events.clone();
    let upstream =
        RespondingUpstream::start(move |_| format!("{}{:x}\r\n{sent}\r\n0\r\n\r\n", EVENTS, sent.len()).into());
    let server = start(upstream.address(), BUDGET);
    let mut body = chat_body(100, true);
    body["stream_options"] = json!({"include_usage": true});
    let (_, received) = server.send(&post("/v1/chat/completions", &body));
    assert_eq!(String::from_utf8(received).expect("UTF-8"), events);
    assert_eq!(server.settled(), cost(9, 2));
}

fn unchanged(start: Start<'_>) {
    let upstream = RespondingUpstream::start(|_| completion(12, 30));
    let server = start(upstream.address(), BUDGET);
    let odd = "{ \"messages\":[{\"role\":\"user\",\"content\":\"\\u0041\"}],\n\t\"max_tokens\" : 50,\"model\":\"model\",\"x\":1.0e0}";
    let fields = format!("content-type: application/json\r\ncontent-length: {}\r\n", odd.len());
    let (head, _) = server.send(&(wire::request("POST", "/v1/chat/completions", &fields) + odd));
    assert_eq!(head.status(), 200);
    assert_eq!(String::from_utf8_lossy(&upstream.take()[0].body), odd);
}

fn clamped(start: Start<'_>) {
    let upstream = RespondingUpstream::start(|_| completion(12, 3_000));
    // Room for about 4,000 tokens.
    let server = start(upstream.address(), "[users.Tom]\nbudgets = [{ usd = \"0.04\", per = \"day\" }]");
    let (head, _) = server.send(&post("/v1/chat/completions", &chat_body(9_000, false)));
    assert_eq!(head.status(), 200);
    let clamped: u32 = head.header("x-sparekey-clamped").expect("the cap").parse().expect("a number");
    assert!((1_024..4_000).contains(&clamped), "{clamped}");
    let received: Value = serde_json::from_slice(&upstream.take()[0].body).expect("JSON");
    assert_eq!(received["max_completion_tokens"], clamped);
    server.wait_for_field("clamped", clamped);
    assert_eq!(server.settled(), cost(12, 3_000));
}

fn free(start: Start<'_>) {
    let statuses = [400, 401, 403, 404, 413, 415, 422, 429, 503];
    let upstream = RespondingUpstream::start(move |request| {
        let status = request.head.header("user-agent").expect("a status").to_owned();
        response(&format!("{status} X"), r#"{"error":{"message":"no"}}"#)
    });
    let server = start(upstream.address(), BUDGET);
    for status in statuses {
        let request = chat().replace("host: proxy\r\n", &format!("host: proxy\r\nuser-agent: {status}\r\n"));
        let (head, _) = server.send(&request);
        assert_eq!(head.status(), if status == 401 { 502 } else { status });
        assert_eq!(server.settled(), Usd::ZERO, "{status}");
    }
    assert_eq!(server.usage()["days"][0]["requests"], statuses.len());
}

fn metered(start: Start<'_>) {
    let upstream = RespondingUpstream::start(|request| {
        let response = String::from_utf8(completion(12, 30)).expect("UTF-8");
        let is_other = String::from_utf8_lossy(&request.body).contains("unknown");
        if is_other { response.replace("\"model\":\"model\"", "\"model\":\"other\"") } else { response }.into()
    });
    let server = start(upstream.address(), "[users.Tom]\nmetered = true");
    let (head, _) = server.send(&chat());
    assert_eq!((head.status(), head.header("x-sparekey-budget-left-usd")), (200, None));
    let other = post("/v1/chat/completions", &json!({"model": "unknown", "messages": [], "background": true}));
    assert_eq!(server.send(&other).0.status(), 200);
    wait_until("both are counted", || server.usage()["days"][0]["requests"] == 2);
    let usage = server.usage();
    assert_eq!(usage["budgets"], json!([]));
    let models: Vec<_> = usage["by_model"].as_array().expect("models").iter().map(|row| row["model"].clone()).collect();
    assert_eq!(models, ["model", "other"]);
    assert_eq!(amount(&usage["by_model"][0]["usd"]), cost(12, 30));
}

fn periods(start: Start<'_>) {
    let upstream = RespondingUpstream::start(|_| completion(12, 30));
    let budgets = ["day", "week", "month", "total"].map(|per| format!("{{ usd = 1, per = \"{per}\" }}")).join(", ");
    let server = start(upstream.address(), &format!("[users.Tom]\nbudgets = [{budgets}]"));
    assert_eq!(server.send(&chat()).0.status(), 200);
    server.settled();
    let usage = server.usage();
    for (budget, per) in usage["budgets"].as_array().expect("budgets").iter().zip(["day", "week", "month", "total"]) {
        assert_eq!((&budget["per"], amount(&budget["spent_usd"])), (&json!(per), cost(12, 30)));
        assert_eq!(budget["resets_at"].is_null(), per == "total");
    }
}

/// Without the ledger, the largest input of the model would not fit into the budget.
fn history(start: Start<'_>) {
    let body = json!({"id": "resp_1", "object": "response", "model": "model", "status": "completed", "output": [],
        "usage": {"input_tokens": 500, "output_tokens": 100, "total_tokens": 600}});
    let upstream = RespondingUpstream::start(move |_| response("200 OK", &body.to_string()));
    let server = start(upstream.address(), "[users.Tom]\nbudgets = [{ usd = \"0.05\", per = \"day\" }]");
    let request = |previous: Option<&str>| {
        let body = json!({"model": "model", "input": "Hi", "max_output_tokens": 100, "previous_response_id": previous});
        post("/v1/responses", &body)
    };
    assert_eq!(server.send(&request(None)).0.status(), 200);
    // A client can refer to a response as soon as it has read it.
    let (head, body) = server.send(&request(Some("resp_1")));
    assert_eq!(head.status(), 200, "{}", String::from_utf8_lossy(&body));
    server.settled();
    let (head, body) = server.send(&request(Some("resp_other")));
    assert_eq!((head.status(), &*wire::error_code(&body)), (429, "insufficient_quota"));
}

fn metrics() {
    let upstream = Upstream::start();
    let server = Budgeted::start_with(upstream.address(), BUDGET, &[admin::METRICS]);
    let at = admin::address(&server.proxy);
    let (mut client, mut upstream_conn) = server.sent(&upstream, &chat());
    admin::wait_for(at, "sparekey_holds_open{user=\"Tom\"} 1");
    upstream_conn.send(completion(12, 30));
    let head = client.head();
    client.body(&head);
    server.settled();
    let text = admin::wait_for(at, "sparekey_holds_open{user=\"Tom\"} 0");
    for line in [
        "sparekey_spent_usd_total{user=\"Tom\",model=\"model\"} 0.000312",
        "sparekey_tokens_total{user=\"Tom\",kind=\"input\"} 12",
        "sparekey_tokens_total{user=\"Tom\",kind=\"output\"} 30",
        "sparekey_requests_estimated_total{user=\"Tom\"} 0",
        "sparekey_ledger_errors_total 0",
    ] {
        assert!(text.lines().any(|found| found == line), "{line}\n{text}");
    }
    let left =
        text.lines().find_map(|line| line.strip_prefix("sparekey_budget_left_ratios{user=\"Tom\",period=\"month\"} "));
    let left: f64 = left.unwrap_or_else(|| panic!("{text}")).parse().expect("a number");
    assert!((left - 0.999_688).abs() < 1e-9, "{left}");
}

fn usage_rate(start: Start<'_>) {
    let upstream = Upstream::start();
    let server = start(upstream.address(), "[users.Tom]\nrequests_per_minute = 1\nmetered = true");
    let mut client = RawConnection::connect(server.address());
    let mut status = || {
        client.send(get("/v1/usage"));
        let head = client.head();
        client.body(&head);
        head.status()
    };
    assert!((0..600).all(|_| status() == 200));
    // Each 100 ms one more passes.
    wait_until("the burst is used up", || status() == 429);
}

/// As its reader sees it with any SQLite program.
fn row() {
    let upstream = RespondingUpstream::start(|_| {
        let response = String::from_utf8(completion(12, 30)).expect("UTF-8");
        response.replacen("\r\n", "\r\nx-request-id: req_1\r\n", 1).into()
    });
    let server = Budgeted::start(upstream.address(), BUDGET);
    let retried = chat().replace("host: proxy", "host: proxy\r\nx-stainless-retry-count: 2");
    assert_eq!(server.send(&retried).0.status(), 200);
    server.settled();
    let ledger = rusqlite::Connection::open(server.ledger()).expect("open the ledger");
    let columns = "user, route, model, input, output, usd, ended, status, estimated, upstream_id, response_id, key";
    let row = ledger.query_row(&format!("SELECT {columns} FROM requests"), [], |row| {
        (0..12).map(|index| row.get::<_, rusqlite::types::Value>(index)).collect::<Result<Vec<_>, _>>()
    });
    let text = |value: &rusqlite::types::Value| match value {
        rusqlite::types::Value::Integer(number) => number.to_string(),
        rusqlite::types::Value::Text(text) => text.clone(),
        other => format!("{other:?}"),
    };
    let key = &crate::case_files::digest(KEY)["sha256:".len()..][..8];
    let expected = [
        "Tom",
        "/chat/completions",
        "model",
        "12",
        "30",
        "0.000312",
        "complete",
        "200",
        "0",
        "req_1",
        "chatcmpl-1",
        key,
    ];
    assert_eq!(row.expect("one row").iter().map(text).collect::<Vec<_>>(), expected);
    let retry: i64 = ledger.query_row("SELECT retry FROM usage", [], |row| row.get(0)).expect("one row");
    assert_eq!(retry, 2);
}

/// Some services keep the connection open behind it.
fn last_event() {
    let upstream = Upstream::start();
    let server = Budgeted::start(upstream.address(), BUDGET);
    let (mut client, mut upstream_conn) = server.sent(&upstream, &streamed_chat());
    upstream_conn.send(EVENTS);
    upstream_conn.send_chunk(chunk("Hello"));
    upstream_conn.send_chunk(last_chunks(9, 2));
    client.until("[DONE]");
    assert_eq!(server.settled(), cost(9, 2));
    drop(upstream_conn);
}

/// It is a value, and no reason for an estimate.
fn zero(start: Start<'_>) {
    let upstream = RespondingUpstream::start(|_| completion(0, 0));
    let server = start(upstream.address(), BUDGET);
    assert_eq!(server.send(&chat()).0.status(), 200);
    assert_eq!(server.settled(), Usd::ZERO);
    assert_eq!(server.usage()["days"][0]["requests"], 1);
}

/// A 200 whose usage cannot be used.
fn doubtful(start: Start<'_>) {
    let chat = |usage: &str| format!(r#"{{"id":"x","model":"model","choices":[{{}}],"usage":{usage}}}"#);
    let stream = |data: &str| format!("data: {data}\n\ndata: [DONE]\n\n");
    let known = r#"{"prompt_tokens":1,"completion_tokens":1}"#;
    for (content_type, encoding, body) in [
        ("application/json", "identity", chat("null")),
        ("application/json", "identity", chat(r#"{"prompt_tokens":-1,"completion_tokens":1}"#)),
        ("application/json", "identity", chat(r#"{"prompt_tokens":1,"completion_tokens":99999999999}"#)),
        ("application/json", "identity", chat(known).replace("\"choices\"", &format!("\"usage\":{known},\"choices\""))),
        ("application/json", "gzip", chat(known)),
        ("application/json", "identity", chat(known).replace("\"model\":\"model\"", "\"model\":\"not-priced\"")),
        ("text/plain", "identity", chat(known)),
        ("text/event-stream", "identity", stream(r#"{"error":{"message":"no"}}"#)),
    ] {
        let length = body.len();
        let head = format!(
            "HTTP/1.1 200 OK\r\ncontent-type: {content_type}\r\ncontent-encoding: {encoding}\r\ncontent-length: {length}\r\n\r\n"
        );
        let response = head + &body;
        let upstream = Upstream::start();
        let server = start(upstream.address(), BUDGET);
        let (mut client, mut upstream_conn) = server.sent(&upstream, &super::chat());
        let reserved = server.amount("held_usd");
        upstream_conn.send(&response);
        let head = client.head();
        assert_eq!(head.status(), 200);
        assert_eq!(String::from_utf8_lossy(&client.body(&head)), body);
        // What a stream cannot have written in its first second is not charged: here that is nothing.
        assert_eq!(server.settled(), reserved, "{response}");
        let mut requests = 0;
        // A success is no failure of the upstream, so the user is not paused.
        while requests < 5 {
            client.send(super::chat());
            upstream_conn.head();
            upstream_conn.send(&response);
            let head = client.head();
            assert_eq!(head.status(), 200, "{response}");
            client.body(&head);
            requests += 1;
        }
    }
}

/// A response names the version of the model.
fn unlisted_version() {
    let upstream = RespondingUpstream::start(|_| chat::completion("model-0709", "Hi", 12, 30));
    let server = Budgeted::start(upstream.address(), BUDGET);
    assert_eq!(server.send(&chat()).0.status(), 200);
    assert_eq!(server.settled(), cost(12, 30));
}

/// The owner reads which model needs a price, also if nothing could be charged.
fn unpriced_model_is_logged() {
    for users in [BUDGET, "[users.Tom]\nmetered = true"] {
        let upstream = RespondingUpstream::start(|_| chat::completion("new", "Hi", 12, 30));
        let server = Budgeted::start(upstream.address(), users);
        assert_eq!(server.send(&super::chat()).0.status(), 200);
        let has_all = |line: &str| line.contains("has no price") && line.contains(" model=\"new\"");
        server.proxy.process.wait_for(|line| has_all(line).then_some(()));
        wait_until("the request is stored as an estimate", || {
            let ledger = rusqlite::Connection::open(server.ledger()).expect("open the ledger");
            let estimated = ledger.query_row("SELECT count(*) FROM usage WHERE estimated", [], |row| row.get(0));
            estimated == Ok(1_i64)
        });
    }
}

/// The names in the row are those whose prices apply.
fn other_model() {
    let upstream = RespondingUpstream::start(|_| {
        String::from_utf8(completion(1_000, 10))
            .expect("UTF-8")
            .replace("\"model\":\"model\"", "\"model\":\"other\"")
            .into()
    });
    let server = Budgeted::start(upstream.address(), BUDGET);
    let prices = "[models.other]\nmode = \"chat\"\nstandard = { input = \"2\", output = \"2\" }\n";
    server.files.write("prices", &(PRICES.to_owned() + prices));
    server.proxy.process.wait_for(|line| line.contains("reloaded").then_some(()));
    assert_eq!(server.send(&chat()).0.status(), 200);
    assert_eq!(server.settled(), Usd::from_pico(1_010 * 2_000_000));
    assert_eq!(server.usage()["by_model"][0]["model"], "other");
    server.proxy.process.wait_for(|line| line.contains("cost more than was reserved").then_some(()));
}
