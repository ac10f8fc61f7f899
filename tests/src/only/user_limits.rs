//! Limits of users on the server.

mod bodies;
mod load;
mod places;
mod reload;

use super::{Test, admin, files::Files, get, start};
use crate::{
    adapter::Running as _,
    case_files::{API_KEY, KEY, digest},
    raw_connection::{Head, RawConnection, wait_until},
    server::RunningServer,
    upstream::{RespondingUpstream, Upstream},
    wire,
};

pub(super) use self::{bodies::TESTS as BODIES, load::TESTS as LOAD, places::TESTS as PLACES, reload::TESTS as RELOAD};

pub(super) const TESTS: &[Test] = &[
    ("keys_of_a_user_share_its_rate", shared_rate),
    ("refused_requests_count", refused_requests),
    ("log_and_metrics_name_user_key_and_model", log_and_metrics),
    ("example_of_the_readme", readme_example),
];

const OK: &str = "HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok";

const SECOND_KEY: &str = "sk-Tom-second0second0second0";

/// Without a line per request.
const QUIET: (&str, &str) = ("LOG", "info,sparekey::access=off");

const MODELS: &str = "[limits]\nmodels = [\"gpt-5\"]\n[users.Tom]\n[users.Ann]";

fn get_with(key: &str, target: &str) -> String {
    format!("GET {target} HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {key}\r\n\r\n")
}

fn post(body: &str) -> String {
    let fields = format!("content-type: application/json\r\ncontent-length: {}\r\n", body.len());
    wire::request("POST", "/v1/responses", &fields) + body
}

/// Sends a request on a new connection; its response.
fn send(proxy: &RunningServer, request: &str) -> (Head, Vec<u8>) {
    let mut client = RawConnection::connect(proxy.address());
    client.send(request);
    let head = client.head();
    let body = client.body(&head);
    (head, body)
}

fn ok_upstream() -> RespondingUpstream {
    RespondingUpstream::start(|_| OK.into())
}

/// The server with a users file, which [`reloaded`] changes.
fn with_users(upstream: &Upstream, users: &str) -> (Files, RunningServer) {
    let files = Files::new();
    files.write("keys", KEY);
    files.write("api_key", API_KEY);
    files.write("users", users);
    let mut settings = files.settings(upstream, &[]);
    settings.insert("USERS_FILE".to_owned(), files.path("users").to_str().expect("a UTF-8 path").to_owned());
    let proxy = RunningServer::start(&settings);
    (files, proxy)
}

fn reload(files: &Files, proxy: &RunningServer, users: &str) {
    let count = |output: &str| output.matches("reloaded: ").count();
    let before = count(&proxy.process.output());
    files.write("users", users);
    wait_until("the file is read again", || count(&proxy.process.output()) > before);
}

fn shared_rate() {
    let upstream = ok_upstream();
    let users = format!("[users.Tom]\nrequests_per_minute = 2\nkeys = [\"{}\"]", digest(SECOND_KEY));
    let proxy = start(upstream.address(), &[("USERS", &users)]);
    for (key, left) in [(KEY, "1"), (SECOND_KEY, "0")] {
        let (head, _) = send(&proxy, &get_with(key, "/v1/models"));
        assert_eq!((head.status(), head.header("x-ratelimit-remaining-requests")), (200, Some(left)));
    }
    for key in [KEY, SECOND_KEY] {
        let (head, body) = send(&proxy, &get_with(key, "/v1/models"));
        assert_eq!((head.status(), &*wire::error_code(&body)), (429, "rate_limit_exceeded"));
        let retry_after: u64 = head.header("retry-after").expect("retry-after").parse().expect("a number");
        assert!((1..=60).contains(&retry_after), "{retry_after}");
        assert_eq!(head.header("x-ratelimit-limit-requests"), Some("2"));
        assert_eq!(head.header("x-ratelimit-remaining-requests"), Some("0"));
        assert_eq!(head.header("x-should-retry"), None);
        assert!(String::from_utf8_lossy(&body).contains("2 requests per minute"));
    }
    assert_eq!(upstream.take().len(), 2);
}

/// OpenAI counts unsuccessful requests too.
fn refused_requests() {
    let upstream = ok_upstream();
    let users = "[users.Tom]\nmodels = [\"gpt-5\"]\nrequests_per_minute = 5";
    let proxy = start(upstream.address(), &[("USERS", users)]);
    let left = |request: &str| {
        let (head, _) = send(&proxy, request);
        (head.status(), head.header("x-ratelimit-remaining-requests").map(str::to_owned))
    };
    let expected = |status: u16, left: &str| (status, Some(left.to_owned()));
    assert_eq!(left(&post(r#"{"model":"gpt-4o"}"#)), expected(403, "4"));
    assert_eq!(left(&post("{")), expected(400, "3"));
    assert_eq!(left(&get("/v1/models/gpt-4o")), expected(403, "2"));
    assert_eq!(left(&post(r#"{"model":"gpt-5"}"#)), expected(200, "1"));
    assert_eq!(left(&get("/v1/files")), expected(403, "1"), "refused by its route");
    assert_eq!(left(&get("/v1/organization/users")), expected(403, "1"), "closed for all");
    assert_eq!(upstream.take().len(), 1);
}

fn log_and_metrics() {
    let upstream = ok_upstream();
    let users = "[users.Tom]\nmodels = [\"gpt-5\"]\nexpires = 2100-01-01";
    let proxy = start(upstream.address(), &[("USERS", users), admin::METRICS]);
    assert_eq!(send(&proxy, &post(r#"{"model":"gpt-5"}"#)).0.status(), 200);
    let key = &digest(KEY)["sha256:".len()..][..8];
    let expected = format!("user=\"Tom\" key={key} method=POST path=\"/v1/responses\" status=200 model=\"gpt-5\"");
    proxy.process.wait_for(|line| line.contains(&expected).then_some(()));
    assert_eq!(send(&proxy, &post(r#"{"model":"gpt-4o"}"#)).0.status(), 403);
    assert_eq!(send(&proxy, &get("/v1/files")).0.status(), 403);
    assert_eq!(send(&proxy, &get("/v1/organization/users")).0.status(), 403);
    assert_eq!(send(&proxy, &post(r#"{"model":"sk-Mod-abcdefgh12345678"}"#)).0.status(), 403);
    let at = admin::address(&proxy);
    for line in [
        "sparekey_rejections_total{user=\"Tom\",code=\"model_not_found\"} 2",
        "sparekey_rejections_total{user=\"Tom\",code=\"route_not_allowed\"} 2",
        "sparekey_user_requests_open{user=\"Tom\"} 0",
        "sparekey_user_expiry_timestamp_seconds{user=\"Tom\"} 4102444800",
    ] {
        admin::wait_for(at, line);
    }
    assert!(!proxy.process.output().contains("sk-Mod"), "a key in the place of a model");
}

/// The five users of the README's example.
fn readme_example() {
    const README: &str = include_str!("../../../README.md");
    let (_, rest) = README.split_once("```toml\ntimezone").expect("the README has an example");
    let (example, _) = rest.split_once("```").expect("it ends");
    // The day will come.
    let users = format!("timezone{example}").replace("2027-01-31", "2100-01-31");
    let key = |user: &str| format!("sk-{user}-readme0readme0");
    let keys = ["Ann", "Tom", "backup-script", "Bob"].map(key).join(",");
    let upstream = ok_upstream();
    // In the default place, each run would spend some of Tom's budget for the day.
    let files = Files::new();
    let ledger = files.path("ledger.db");
    let ledger = ("LEDGER", ledger.to_str().expect("a UTF-8 path"));
    let proxy = start(upstream.address(), &[("USERS", &users), ("ACCESS_KEYS", &keys), ledger]);
    let status = |user: &str, request: &str| send(&proxy, &request.replace(KEY, &key(user))).0.status();
    let chat = |model: &str| post(&format!(r#"{{"model":"{model}","input":"Hello"}}"#));
    assert_eq!(status("Ann", &get("/v1/files")), 200);
    assert_eq!(status("Tom", &chat("gpt-5.4-mini")), 200);
    assert_eq!(status("Tom", &chat("gpt-5")), 403);
    assert_eq!(status("Eva", &chat("gpt-5")), 200);
    assert_eq!(status("Eva", &get("/v1/files")), 403);
    let from = |address: &str| wire::request("GET", "/v1/models", &format!("x-forwarded-for: {address}\r\n"));
    assert_eq!(status("backup-script", &from("203.0.113.9")), 200);
    assert_eq!(status("backup-script", &from("198.51.100.9")), 403);
    assert_eq!(status("Bob", &chat("gpt-5")), 401);
}
