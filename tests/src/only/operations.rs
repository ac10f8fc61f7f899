//! The owner's page and its data, without a browser.

use std::{net::SocketAddr, path::Path};

use base64ct::{Base64, Encoding as _};
use rusqlite::Connection;
use serde_json::{Value, json};

use super::{
    Test, admin,
    files::Files,
    get, settings_for, start,
    usage_command::ledger::{DAY, Writer},
};
use crate::{
    adapter::Running as _,
    raw_connection::{Head, RawConnection, wait_until},
    server::RunningServer,
    upstream::Upstream,
};

pub(super) const TESTS: &[Test] = &[
    ("loopback_address_needs_a_local_host", local_host),
    ("public_address_needs_a_password", password),
    ("password_is_reloaded", reload),
    ("short_password_is_an_error", short_password),
    ("data_are_those_of_the_ledger", data),
    ("csv_has_no_formula", csv),
    ("without_a_ledger_there_are_no_sums", no_ledger),
    ("sums_stay_after_the_last_budget", last_budget),
    ("broken_ledger_is_reported", broken_ledger),
];

const PAGES: [&str; 3] = ["/", "/usage.json", "/usage.csv"];
const PASSWORD: &str = "correct-horse-battery";

/// The address at which this machine reaches the admin address.
fn local(proxy: &RunningServer) -> SocketAddr {
    SocketAddr::from(([127, 0, 0, 1], admin::address(proxy).port()))
}

fn fetch(at: SocketAddr, path: &str, fields: &str) -> (Head, String) {
    let mut connection = RawConnection::connect(at);
    connection.send(format!("GET {path} HTTP/1.1\r\n{fields}\r\n"));
    let head = connection.head();
    let body = connection.body(&head);
    (head, String::from_utf8(body).expect("UTF-8 text"))
}

fn authorization(password: &str) -> String {
    format!(
        "host: any.example\r\nauthorization: Basic {}\r\n",
        Base64::encode_string(format!("x:{password}").as_bytes())
    )
}

fn local_host() {
    let upstream = Upstream::start();
    let proxy = start(upstream.address(), &[admin::METRICS]);
    for path in PAGES {
        for (host, status) in [("localhost", 200), ("127.0.0.1:9090", 200), ("[::1]", 200), ("evil.example", 403)] {
            // Without a metered user, there is no CSV.
            let status = if (path, status) == ("/usage.csv", 200) { 503 } else { status };
            let (head, body) = fetch(local(&proxy), path, &format!("host: {host}\r\n"));
            assert_eq!(head.status(), status, "{path}, {host}: {body}");
            assert_eq!(head.header("cache-control"), Some("no-store"));
            assert_eq!(head.header("cross-origin-resource-policy"), Some("same-origin"));
            assert_eq!(head.header("access-control-allow-origin"), None);
        }
    }
    let policy = fetch(local(&proxy), "/", "host: localhost\r\n").0;
    let policy = policy.header("content-security-policy").expect("a policy");
    for directive in ["default-src 'none'", "connect-src 'self'", "form-action 'none'", "frame-ancestors 'none'"] {
        assert!(policy.split("; ").any(|item| item == directive), "{directive}: {policy}");
    }
    assert!(!policy.contains("unsafe"), "{policy}");
    for (path, host, status) in [
        ("/metrics", "sparekey:9090", 200),
        ("/metrics", "10.0.0.1:9090", 200),
        ("/metrics", "evil.example", 403),
        ("/healthz", "evil.example", 200),
        ("/readyz", "evil.example", 200),
    ] {
        let (head, body) = fetch(local(&proxy), path, &format!("host: {host}\r\n"));
        assert_eq!(head.status(), status, "{path}, {host}");
        assert!(status == 200 || !body.contains("sparekey_"), "{body}");
    }
}

fn password() {
    let upstream = Upstream::start();
    let public = ("METRICS_LISTEN", "0.0.0.0:0");
    let proxy = start(upstream.address(), &[public]);
    for path in PAGES {
        let (head, body) = fetch(local(&proxy), path, "host: localhost\r\n");
        assert_eq!(head.status(), 403, "{path}");
        assert!(body.contains("OPERATIONS_PASSWORD"), "{body}");
    }
    let proxy = start(upstream.address(), &[public, ("OPERATIONS_PASSWORD", PASSWORD)]);
    for (fields, status) in [
        ("host: localhost\r\n".to_owned(), 401),
        (authorization("correct-horse-batterx"), 401),
        (authorization(""), 401),
        (authorization(PASSWORD), 200),
    ] {
        for path in ["/", "/usage.json"] {
            let (head, body) = fetch(local(&proxy), path, &fields);
            assert_eq!(head.status(), status, "{path}, {fields}");
            let challenge = head.header("www-authenticate").is_some_and(|value| value.starts_with("Basic "));
            assert_eq!(challenge, status == 401, "{path}, {fields}");
            assert!(!body.contains(PASSWORD));
        }
    }
    for path in ["/metrics", "/healthz", "/readyz"] {
        for host in ["x", "sparekey.internal.example:9090"] {
            assert_eq!(fetch(local(&proxy), path, &format!("host: {host}\r\n")).0.status(), 200, "{path}, {host}");
        }
    }
    assert!(!proxy.process.output().contains(PASSWORD));
}

fn reload() {
    let (upstream, files) = (Upstream::start(), Files::new());
    files.write("password", PASSWORD);
    let file = files.path("password");
    let settings = [admin::METRICS, ("OPERATIONS_PASSWORD_FILE", file.to_str().expect("UTF-8"))];
    let proxy = start(upstream.address(), &settings);
    let status = |password: &str| fetch(local(&proxy), "/", &authorization(password)).0.status();
    assert_eq!(status(PASSWORD), 200);
    files.write("password", "another-horse-battery\n");
    wait_until("the new password is in force", || status("another-horse-battery") == 200);
    assert_eq!(status(PASSWORD), 401);
}

fn short_password() {
    let settings = settings_for("http://127.0.0.1:9", &[admin::METRICS, ("OPERATIONS_PASSWORD", "short-secret")]);
    let mut command = std::process::Command::new(crate::server::binary());
    let (status, output) = crate::process::Process::start(&mut command, &settings).wait();
    assert_eq!(status.code(), Some(2), "{output}");
    assert!(output.contains("OPERATIONS_PASSWORD must have 16 visible ASCII characters or more"), "{output}");
    assert!(!output.contains("short-secret"), "{output}");
}

const USERS: &str = r#"
timezone = "Europe/Berlin"
[users.Tom]
budgets = [{ usd = 5, per = "month" }]
expires = 2999-01-01
[users.Ann]
metered = true
"#;

/// A server with a ledger that these calls have filled.
fn filled(files: &Files, upstream: &Upstream, fill: impl FnOnce(&Path)) -> RunningServer {
    files.write("users", USERS);
    fill(&files.path("ledger.db"));
    let [users, ledger] = ["users", "ledger.db"].map(|name| files.path(name).to_str().expect("UTF-8").to_owned());
    let keys = format!("{},sk-Ann-abcdefgh12345678,sk-Eve-abcdefgh12345678", crate::case_files::KEY);
    let own = [admin::METRICS, ("USERS_FILE", &*users), ("LEDGER", &ledger), ("ACCESS_KEYS", &keys)];
    RunningServer::start(&settings_for(&format!("http://{}", upstream.address()), &own))
}

fn read(proxy: &RunningServer, query: &str) -> Value {
    read_at(local(proxy), query)
}

pub(super) fn read_at(at: SocketAddr, query: &str) -> Value {
    let (head, body) = fetch(at, &format!("/usage.json{query}"), "host: localhost\r\n");
    assert_eq!(head.status(), 200, "{body}");
    serde_json::from_str(&body).expect("JSON")
}

fn data() {
    let (upstream, files) = (Upstream::start(), Files::new());
    let proxy = filled(&files, &upstream, |ledger| {
        let writer = Writer::open(ledger, sparekey_proxy::now().plus(-40 * DAY), "Europe/Berlin");
        writer.request("Tom", 1, "0.30", "gpt-5.4");
        writer.wait(39 * DAY);
        for (id, model) in (2..).zip(["gpt-5.4", "a", "b", "c", "d", "e", "f"]) {
            writer.request("Tom", id, "0.10", model);
        }
        writer.wait(DAY);
        writer.request("Ann", 20, "0.05", "gpt-5.4");
        writer.request("Tom", 21, "0.02", "gpt-5.4");
    });
    let mut client = RawConnection::connect(proxy.address());
    client.send(get("/v1/usage"));
    let head = client.head();
    client.body(&head);

    // An error of Tom's, and one of no user's.
    for request in [get("/v1/organization/users"), get("/v1/models").replace("sk-Tom", "sk-Tim")] {
        let mut client = RawConnection::connect(proxy.address());
        client.send(request);
        let head = client.head();
        client.body(&head);
    }
    admin::wait_for(local(&proxy), "sparekey_requests_total{user=\"Tom\",class=\"4xx\"} 1");

    let usage = read(&proxy, "");
    assert_eq!((&usage["object"], &usage["ledger"]), (&json!("operations"), &json!("open")));
    assert_eq!(usage["timezone"], "Europe/Berlin");
    assert_eq!(usage["days"].as_array().expect("a list").len(), 30);
    let lasts = |by: &str| -> Vec<Value> {
        let series = usage[by].as_array().expect("a list");
        series
            .iter()
            .map(|one| {
                let usd = one["usd"].as_array().expect("a list");
                assert_eq!(usd.len(), 30);
                json!([one["name"], one["others"], usd[28], usd[29]])
            })
            .collect()
    };
    assert_eq!(lasts("by_user"), [json!(["Tom", null, "0.70", "0.02"]), json!(["Ann", null, "0.00", "0.05"])]);
    let models = lasts("by_model");
    assert_eq!(models[0], json!(["gpt-5.4", null, "0.10", "0.07"]));
    assert_eq!((models.len(), &models[5]), (6, &json!([null, 2, "0.20", "0.00"])), "{models:?}");

    let users = usage["users"].as_array().expect("a list");
    let names: Vec<_> = users.iter().map(|user| &user["user"]).collect();
    assert_eq!(names, ["Ann", "Eve", "Tom"]);
    let (eve, tom) = (&users[1], &users[2]);
    assert_eq!((&eve["metered"], &eve["held_usd"], &eve["budgets"]), (&json!(false), &Value::Null, &json!([])));
    assert_eq!((&eve["expires"], &eve["last_day"]), (&Value::Null, &Value::Null));
    assert_eq!((&tom["usd"], &tom["requests"], &tom["held_usd"]), (&json!("0.72"), &json!(8), &json!("0.00")));
    assert_eq!(tom["last_day"], usage["days"][29]);
    assert_eq!((&tom["errors"], &eve["errors"]), (&json!(1), &json!(0)));
    // Midnight in Berlin.
    assert_eq!(tom["expires"], 32_472_140_400_i64);
    assert_eq!((&tom["budgets"][0]["per"], &tom["budgets"][0]["usd"]), (&json!("month"), &json!("5.00")));

    // Yesterday may be of another month.
    let month = usage["month_usd"].as_str().and_then(sparekey_policy::Usd::parse).expect("an amount");
    let of_tom = tom["month_usd"].as_str().and_then(sparekey_policy::Usd::parse).expect("an amount");
    let ann = sparekey_policy::Usd::parse("0.05").expect("an amount");
    assert_eq!(month, of_tom.plus(ann));
    let is_first = usage["days"][29].as_str().is_some_and(|day| day.ends_with("-01"));
    assert_eq!(tom["month_usd"], if is_first { "0.02" } else { "0.72" });

    let year = read(&proxy, "?days=90");
    assert_eq!(year["days"].as_array().expect("a list").len(), 90);
    assert_eq!(year["users"][2]["usd"], "1.02", "of 40 days");
    admin::wait_for(local(&proxy), "sparekey_user_requests_open{user=\"Tom\"} 0");
    let metrics = fetch(local(&proxy), "/metrics", "host: x\r\n").1;
    assert!(metrics.contains("\nsparekey_user_last_request_timestamp_seconds{user=\"Tom\"} 1"), "{metrics}");
    // Prometheus does not count the first value of a series.
    for zero in [
        "requests_unpriced_total{user=\"Tom\"}",
        "requests_over_reserved_total{user=\"Ann\"}",
        "requests_estimated_total{user=\"Ann\"}",
        "tokens_total{user=\"Tom\",kind=\"output\"}",
        "connections_closed_total{reason=\"max_unfinished_heads\"}",
    ] {
        assert!(metrics.contains(&format!("\nsparekey_{zero} 0\n")), "{zero}: {metrics}");
    }
    assert!(!metrics.contains("requests_unpriced_total{user=\"Eve\"}"), "{metrics}");
}

fn csv() {
    let (upstream, files) = (Upstream::start(), Files::new());
    let proxy = filled(&files, &upstream, |ledger| {
        let writer = Writer::open(ledger, sparekey_proxy::now(), "Europe/Berlin");
        writer.request("Tom", 1, "0.30", "gpt-5.4");
        drop(writer);
        let ledger = Connection::open(ledger).expect("a ledger");
        for model in ["=1+1", "+1", "-1", "@x", "\tx", "\rx", "a,b"] {
            let copy = "INSERT INTO usage_daily SELECT day, 'Ann', ?1, requests, estimated, input, cached, output, cost \
                        FROM usage_daily WHERE user = 'Tom'";
            ledger.execute(copy, [model]).expect("a row");
        }
    });
    let (head, text) = fetch(local(&proxy), "/usage.csv?days=1", "host: localhost\r\n");
    assert_eq!(head.header("content-type"), Some("text/csv; charset=utf-8"));
    assert_eq!(head.header("content-disposition"), Some("attachment; filename=\"sparekey-usage.csv\""));
    let day = read(&proxy, "?days=1")["days"][0].as_str().expect("a day").to_owned();
    let expected = ["\"'\rx\"", "'\tx", "'+1", "'-1", "'=1+1", "'@x", "\"a,b\""];
    let mut lines: Vec<_> = expected.iter().map(|model| format!("{day},Ann,{model},1,0,1000,400,50,0.30")).collect();
    lines.push(format!("{day},Tom,gpt-5.4,1,0,1000,400,50,0.30"));
    let mut found: Vec<_> = text.split_terminator('\n').collect();
    assert_eq!(found.remove(0), "day,user,model,requests,estimated,input_tokens,cached_tokens,output_tokens,usd");
    found.sort_unstable();
    lines.sort_unstable();
    assert_eq!(found, lines);
}

fn no_ledger() {
    let upstream = Upstream::start();
    let proxy = start(upstream.address(), &[admin::METRICS]);
    let usage = read(&proxy, "");
    assert_eq!((&usage["ledger"], &usage["by_user"], &usage["by_model"]), (&json!("none"), &json!([]), &json!([])));
    let tom = &usage["users"][0];
    assert_eq!((&tom["user"], &tom["requests"], &tom["month_usd"]), (&json!("Tom"), &Value::Null, &Value::Null));
    let (head, body) = fetch(local(&proxy), "/usage.csv", "host: localhost\r\n");
    assert_eq!((head.status(), &*body), (503, "no user is metered, so the ledger is not open\n"));
}

fn last_budget() {
    let (upstream, files) = (Upstream::start(), Files::new());
    let proxy = filled(&files, &upstream, |ledger| {
        let writer = Writer::open(ledger, sparekey_proxy::now(), "Europe/Berlin");
        writer.request("Tom", 1, "0.30", "gpt-5.4");
    });
    assert_eq!(read(&proxy, "")["month_usd"], "0.30");
    files.write("users", "timezone = \"Europe/Berlin\"\n[users.Tom]\nrequests_per_minute = 9");
    proxy.process.wait_for(|line| line.contains("reloaded").then_some(()));
    let usage = read(&proxy, "");
    assert_eq!((&usage["ledger"], &usage["month_usd"]), (&json!("open"), &json!("0.30")));
    assert_eq!(usage["timezone"], "Europe/Berlin");
    let tom = usage["users"].as_array().expect("a list").iter().find(|user| user["user"] == "Tom").expect("Tom");
    assert_eq!((&tom["metered"], &tom["month_usd"], &tom["requests"]), (&json!(false), &json!("0.30"), &json!(1)));
    let (head, body) = fetch(local(&proxy), "/usage.csv", "host: localhost\r\n");
    assert!(head.status() == 200 && body.contains(",Tom,gpt-5.4,1,"), "{body}");
}

fn broken_ledger() {
    let (upstream, files) = (Upstream::start(), Files::new());
    let proxy = filled(&files, &upstream, |ledger| std::fs::write(ledger, "no database").expect("a file"));
    let usage = read(&proxy, "");
    assert_eq!((&usage["ledger"], &usage["by_user"]), (&json!("unreachable"), &json!([])));
    let users = usage["users"].as_array().expect("a list");
    assert_eq!(users.len(), 3);
    let tom = &users[2];
    assert_eq!((&usage["month_usd"], &tom["month_usd"], &tom["metered"]), (&Value::Null, &Value::Null, &json!(true)));
    assert_eq!((&tom["budgets"][0]["usd"], &tom["budgets"][0]["left_usd"]), (&json!("5.00"), &Value::Null));
    assert!(tom["budgets"][0]["resets_at"].is_i64(), "{tom}");
    let (head, body) = fetch(local(&proxy), "/usage.csv", "host: localhost\r\n");
    assert_eq!((head.status(), &*body), (503, "the ledger cannot be read; the log has the reason\n"));
}
