//! `sparekey reconcile`, with a stand-in for OpenAI's costs API.

use std::{
    process::Command,
    sync::atomic::{AtomicUsize, Ordering},
};

use serde_json::{Value, json};

use super::{Folder, Test, output, stderr, with_usage};
use crate::upstream::{ReceivedRequest, RespondingUpstream};

pub(crate) const TESTS: &[Test] = &[
    ("compares_day_by_day_and_by_model", compared),
    ("fails_above_the_tolerance", different),
    ("repeats_what_the_api_refuses_for_a_moment", repeated),
    ("does_not_wait_for_an_hour", refused_for_long),
    ("names_a_wrong_key_without_it", wrong_key),
    ("needs_a_key_and_days", usage),
];

const ADMIN_KEY: &str = "sk-admin-abcdefgh12345678";
/// 2026-11-24 00:00 UTC.
const FIRST: i64 = 1_795_478_400;
const DAY: i64 = 86_400;

fn response(status: &str, body: &Value) -> Vec<u8> {
    let body = body.to_string();
    let length = body.len();
    format!("HTTP/1.1 {status}\r\ncontent-type: application/json\r\ncontent-length: {length}\r\n\r\n{body}")
        .into_bytes()
}

/// As [OpenAI sends them](https://platform.openai.com/docs/api-reference/usage/costs): a day is a bucket, and not all are on
/// one page.
fn costs(request: &ReceivedRequest, of_mini: &Value) -> Vec<u8> {
    let target = request.head.line.split(' ').nth(1).expect("a target");
    assert_eq!(request.head.header("authorization"), Some(&*format!("Bearer {ADMIN_KEY}")));
    let first = format!("/v1/organization/costs?start_time={FIRST}&end_time=");
    assert!(target.starts_with(&first) && target.contains("&bucket_width=1d&"), "{target}");
    assert!(target.contains("group_by[]=line_item&project_ids[]=proj_abc"), "{target}");
    let bucket = |day: i64, results: Value| {
        let start = FIRST + day * DAY;
        json!({"object": "bucket", "start_time": start, "end_time": start + DAY, "results": results})
    };
    let cost = |line_item: &str, value: &Value| {
        json!({"object": "organization.costs.result", "amount": {"value": value, "currency": "usd"},
            "line_item": line_item, "project_id": "proj_abc"})
    };
    let (data, next) = if target.ends_with("&page=page_2%3D") {
        let free = [json!({"line_item": "free"}), cost("free", &Value::Null), json!({"amount": null})];
        let results: Vec<_> = [cost("web search tool calls", &json!("0.002"))].into_iter().chain(free).collect();
        (vec![bucket(1, json!(results))], Value::Null)
    } else {
        let items = [
            cost("gpt-5.4-2026-03-05, input", &json!(0.004)),
            cost("gpt-5.4-2026-03-05, output", &json!(6e-3)),
            cost("gpt-5.4-mini, input", of_mini),
        ];
        (vec![bucket(0, json!(items))], json!("page_2="))
    };
    response("200 OK", &json!({"object": "page", "data": data, "has_more": !next.is_null(), "next_page": next}))
}

fn reconcile(folder: &Folder, api: &RespondingUpstream, more: &[&str]) -> Command {
    let api = format!("http://{}/v1", api.address());
    let arguments = ["reconcile", "--costs-api", &api, "--since", "2026-11-24", "--project", "proj_abc"];
    let mut command = folder.sparekey(&[&arguments[..], more].concat());
    command.env("OPENAI_ADMIN_KEY", ADMIN_KEY);
    command
}

fn compared() {
    let folder = with_usage();
    let api = RespondingUpstream::start(|request| costs(request, &json!(0.05)));
    let done = output(&mut reconcile(&folder, &api, &[]));
    assert!(done.status.success(), "{}", stderr(&done));
    let text = String::from_utf8(done.stdout).expect("UTF-8");
    let lines = |start: &str| text.lines().find(|line| line.starts_with(start)).unwrap_or_default().to_owned();
    assert_eq!(lines("DAY"), "DAY           LEDGER    OPENAI  DIFFERENCE");
    assert_eq!(lines("2026-11-24"), "2026-11-24  0.060000  0.060000    0.000000");
    assert_eq!(lines("2026-11-25"), "2026-11-25  0.000000  0.002000   -0.002000");
    assert_eq!(lines("total"), "total       0.060000  0.062000   -0.002000");
    assert_eq!(lines("gpt-5.4 "), "gpt-5.4                0.010000  0.010000    0.000000");
    assert_eq!(lines("gpt-5.4-mini"), "gpt-5.4-mini           0.050000  0.050000    0.000000");
    assert!(lines("web search tool calls").ends_with("0.000000  0.002000   -0.002000"), "{text}");
    let done = output(&mut reconcile(&folder, &api, &["--json"]));
    let found: Value = serde_json::from_slice(&done.stdout).expect("JSON");
    let day = json!({"day": "2026-11-25", "ledger_usd": "0.000000000004", "openai_usd": "0.002", "difference_usd": "-0.001999999996"});
    assert_eq!(found["days"][1], day);
    assert_eq!(found["models"][0]["model"], "gpt-5.4");
    let done = output(&mut reconcile(&folder, &api, &["--csv"]));
    assert!(done.stdout.starts_with(b"day,ledger_usd,openai_usd,difference_usd\n2026-11-24,0.06,0.06,0.00\n"));
}

fn different() {
    let folder = with_usage();
    let api = RespondingUpstream::start(|request| costs(request, &json!(0.10)));
    let done = output(&mut reconcile(&folder, &api, &[]));
    assert_eq!(done.status.code(), Some(1));
    let reason = "sparekey: the ledger has 0.052 US dollars less than OpenAI, above the tolerance of 5 %\n";
    assert_eq!(stderr(&done), reason);
    assert!(output(&mut reconcile(&folder, &api, &["--tolerance", "50"])).status.success());
}

fn repeated() {
    let folder = with_usage();
    let tries = AtomicUsize::new(0);
    let api = RespondingUpstream::start(move |request| match tries.fetch_add(1, Ordering::SeqCst) {
        0 => response("429 Too Many Requests", &json!({"error": {"message": "Slow down"}})),
        _ => costs(request, &json!(0.05)),
    });
    let done = output(&mut reconcile(&folder, &api, &[]));
    assert!(done.status.success(), "{}", stderr(&done));
    assert_eq!(api.take().len(), 3, "a refused page, and two pages");
}

fn refused_for_long() {
    let folder = with_usage();
    let body = json!({"error": {"message": "Slow down"}});
    let api = RespondingUpstream::start(move |_| response("429 Too Many Requests\r\nretry-after: 3600", &body));
    let done = output(&mut reconcile(&folder, &api, &[]));
    assert_eq!((done.status.code(), api.take().len()), (Some(1), 1));
    assert!(stderr(&done).contains("Slow down; run this again in some minutes"), "{}", stderr(&done));
}

fn wrong_key() {
    let folder = with_usage();
    let error =
        json!({"error": {"message": format!("Incorrect API key provided: {ADMIN_KEY}."), "code": "invalid_api_key"}});
    let api = RespondingUpstream::start(move |_| response("401 Unauthorized", &error));
    let done = output(&mut reconcile(&folder, &api, &[]));
    let reason = stderr(&done);
    assert_eq!((done.status.code(), done.stdout.len(), api.take().len()), (Some(1), 0, 1));
    assert!(reason.contains("status 401: Incorrect API key provided: …; OPENAI_ADMIN_KEY must be"), "{reason}");
    assert!(!reason.contains("sk-admin"), "{reason}");
}

fn usage() {
    let folder = with_usage();
    let api = RespondingUpstream::start(|request| costs(request, &json!(0.05)));
    let fails = |command: &mut Command, expected: &str| {
        let done = output(command);
        assert_eq!((done.status.code(), done.stdout.len()), (Some(2), 0));
        assert!(stderr(&done).contains(expected), "{}", stderr(&done));
    };
    fails(reconcile(&folder, &api, &[]).env_remove("OPENAI_ADMIN_KEY"), "set OPENAI_ADMIN_KEY to an admin key");
    fails(reconcile(&folder, &api, &[]).env("OPENAI_ADMIN_KEY_FILE", "key"), "both set");
    let key = folder.path.join("admin_key");
    std::fs::write(&key, "\n").expect("write into the folder");
    let mut empty = reconcile(&folder, &api, &[]);
    empty.env_remove("OPENAI_ADMIN_KEY").env("OPENAI_ADMIN_KEY_FILE", &key);
    fails(&mut empty, "is empty");
    fails(&mut reconcile(&folder, &api, &["--project", "a&b"]), "not the id of a project");
    fails(
        folder.sparekey(&["reconcile", "--since", "2100-01-01"]).env("OPENAI_ADMIN_KEY", ADMIN_KEY),
        "--since must be",
    );
    fails(folder.sparekey(&["reconcile", "--costs-api", "x"]).env("OPENAI_ADMIN_KEY", ADMIN_KEY), "--costs-api");
    assert!(api.take().is_empty());
    std::fs::write(folder.path.join("key"), format!("{ADMIN_KEY}\n")).unwrap();
    let mut from_file = reconcile(&folder, &api, &[]);
    from_file.env_remove("OPENAI_ADMIN_KEY").env("OPENAI_ADMIN_KEY_FILE", folder.path.join("key"));
    assert!(output(&mut from_file).status.success());
}
