//! Alerts to the owner, which a webhook gets.

use std::{
    fs,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::{Duration, SystemTime},
};

use serde_json::json;
use sparekey_policy::Timestamp;

use super::*;
use crate::{
    only::{admin, operations},
    tls::Authority,
    upstream::RespondingUpstream,
};

pub(crate) const TESTS: &[Test] = &[
    ("of_budgets_are_sent_once_and_again_after_a_failure", budgets),
    ("are_not_sent_again_after_a_restart", restart),
    ("of_a_ledger_that_cannot_be_opened", not_a_ledger),
    ("of_a_ledger_that_is_replaced", replaced),
    ("of_a_ledger_that_takes_no_changes", takes_no_changes),
    ("of_a_model_without_a_price", price_missing),
    ("of_a_certificate_and_a_user_that_end", endings),
    ("do_not_delay_requests", silent_webhook),
];

const ANN: &str = "sk-Ann-abcdefgh12345678";

const DAYS_3: Duration = Duration::from_secs(3 * 24 * 3600);

/// Two requests of 1,000 tokens fit.
const USERS: &str = "[users.Tom]\nbudgets = [{ usd = \"0.02\", per = \"month\" }]\n";

/// A webhook, and what it got.
struct Webhook {
    upstream: RespondingUpstream,
    alerts: Vec<Value>,
}

impl Webhook {
    fn start() -> Self {
        Self { upstream: RespondingUpstream::start(|_| response("204 No Content", "")), alerts: Vec::new() }
    }

    fn url(&self) -> String {
        format!("http://{}/services/T0/B0/secret", self.upstream.address())
    }

    /// Waits for an alert of this event, and returns it.
    fn wait_for(&mut self, event: &str) -> Value {
        let mut found = None;
        wait_until(event, || {
            self.read();
            found = self.alerts.iter().find(|alert| alert["event"] == event).cloned();
            found.is_some()
        });
        found.expect("an alert")
    }

    fn read(&mut self) {
        let received = self.upstream.take().into_iter();
        self.alerts.extend(received.map(|request| {
            assert_eq!(request.head.line, "POST /services/T0/B0/secret HTTP/1.1");
            assert_eq!(request.head.header("content-type"), Some("application/json"));
            serde_json::from_slice::<Value>(&request.body).expect("JSON")
        }));
    }

    fn events(&mut self) -> Vec<String> {
        self.read();
        let event = |alert: &Value| {
            let percent = alert["threshold_percent"].as_i64().map_or(String::new(), |percent| format!(" {percent}"));
            format!("{}{percent}", alert["event"].as_str().expect("an event"))
        };
        self.alerts.iter().map(event).collect()
    }
}

fn start(upstream: SocketAddr, users: &str, webhook: &str, more: &[(&str, &str)]) -> Budgeted {
    let state = Files::new();
    let folder = state.path("state");
    let folder = folder.to_str().expect("a UTF-8 path").to_owned();
    let own = [("ALERT_WEBHOOK", webhook), ("STATE_DIRECTORY", &folder)];
    Budgeted::start_with(upstream, users, &[&own[..], more].concat())
}

fn request() -> String {
    post("/v1/chat/completions", &chat_body(1_000, false))
}

fn budgets() {
    let upstream = RespondingUpstream::start(|_| completion(0, 900));
    let tries = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&tries);
    let hook = RespondingUpstream::start(move |_| match counted.fetch_add(1, Ordering::SeqCst) {
        0 => response("500 Internal Server Error", ""),
        _ => response("200 OK", "ok"),
    });
    let mut webhook = Webhook { upstream: hook, alerts: Vec::new() };
    let server = start(upstream.address(), USERS, &webhook.url(), &[]);
    for expected in [200, 200, 429] {
        assert_eq!(server.send(&request()).0.status(), expected);
    }
    wait_until("both are sent", || webhook.events().iter().any(|event| event == "budget_refused"));
    // The first one was not taken, and is sent again.
    wait_until("it is sent again", || webhook.events().len() == 3);
    let mut events = webhook.events();
    events.sort();
    assert_eq!(events, ["budget_reached 80", "budget_reached 80", "budget_refused"]);
    let alert = webhook.alerts.iter().find(|alert| alert["threshold_percent"] == 80).expect("an alert");
    assert_eq!((&alert["user"], &alert["per"], &alert["spent_usd"]), (&json!("Tom"), &json!("month"), &json!("0.018")));
    let text = alert["text"].as_str().expect("a text");
    assert!(text.starts_with("User Tom has spent 0.018 of 0.02 US dollars for 20"), "{text}");
    assert_eq!(alert["content"], alert["text"]);
    assert_eq!(alert["allowed_mentions"], json!({"parse": []}));
    let output = server.proxy.process.output();
    assert!(output.contains("ALERT_WEBHOOK responded with status 500") && !output.contains("services"), "{output}");
}

/// A look at everything sends all that is due, so what a later one sends comes after it.
fn restart() {
    let refuses = Arc::new(AtomicUsize::new(0));
    let (is_refusing, first) = (Arc::clone(&refuses), AtomicUsize::new(900));
    let upstream = RespondingUpstream::start(move |_| match is_refusing.load(Ordering::SeqCst) {
        // Together they cost the whole budget.
        0 => completion(0, i64::try_from(first.swap(1_100, Ordering::SeqCst)).expect("a small number")),
        1 => response("401 Unauthorized", r#"{"error":{"message":"no","code":"invalid_api_key"}}"#),
        _ => response("429 Too Many Requests", r#"{"error":{"message":"no","code":"insufficient_quota"}}"#),
    });
    let mut webhook = Webhook::start();
    let mut server = start(upstream.address(), USERS, &webhook.url(), &[("ACCESS_KEYS", &format!("{KEY},{ANN}"))]);
    for expected in [200, 200, 429] {
        assert_eq!(server.send(&request()).0.status(), expected);
    }
    wait_until("both parts are spent", || webhook.events().len() >= 2);
    server.proxy.process.signal("TERM");
    wait_until("it has ended", || server.proxy.process.has_exited());
    server.proxy = RunningServer::start(&server.settings);
    webhook.alerts.clear();
    refuses.store(1, Ordering::SeqCst);
    assert_eq!(server.send(&get("/v1/models")).0.status(), 502);
    webhook.wait_for("api_key_refused");
    refuses.store(2, Ordering::SeqCst);
    assert_eq!(server.send(&get("/v1/models")).0.status(), 429);
    webhook.wait_for("quota_spent");
    server
        .proxy
        .process
        .wait_for(|line| line.contains("the owner's account at the upstream has no quota left").then_some(()));
    server.files.write("users", &format!("{USERS}[users.Ann]\nexpires = {}\nmetered = true", soon()));
    server.proxy.process.wait_for(|line| line.contains("reloaded").then_some(()));
    refuses.store(0, Ordering::SeqCst);
    assert_eq!(server.send(&request().replace(KEY, ANN)).0.status(), 200);
    assert_eq!(webhook.wait_for("user_expires")["user"], "Ann");
    assert_eq!(webhook.events(), ["api_key_refused", "quota_spent", "user_expires"]);
}

/// The date in three days.
fn soon() -> String {
    let at = Timestamp::from(SystemTime::now() + DAYS_3).to_string();
    at.split(' ').next().expect("a date").to_owned()
}

fn not_a_ledger() {
    let upstream = RespondingUpstream::start(|_| completion(1, 1));
    let mut webhook = Webhook::start();
    let files = Files::new();
    files.write("text", "this is a text, and much longer than the header of a database: not a ledger at all");
    let ledger = files.path("text");
    let ledger = ledger.to_str().expect("a UTF-8 path");
    let server = start(upstream.address(), USERS, &webhook.url(), &[("LEDGER", ledger)]);
    assert_eq!(server.send(&request()).0.status(), 503);
    let alert = webhook.wait_for("ledger_unreachable");
    assert!(alert["text"].as_str().expect("a text").contains("users with budgets are refused"), "{alert}");
}

/// Each call fails at once.
fn replaced() {
    fails_after(|server| {
        let (ledger, copy) = (server.ledger(), server.files.path("copy"));
        fs::copy(&ledger, &copy).expect("copy the ledger");
        fs::rename(&copy, &ledger).expect("replace the ledger");
    });
}

/// It can be read, as on a full disk.
fn takes_no_changes() {
    fails_after(|server| {
        let ledger = rusqlite::Connection::open(server.ledger()).expect("open the ledger");
        let fail = "CREATE TRIGGER full BEFORE UPDATE ON state BEGIN SELECT RAISE(ABORT, 'full'); END";
        ledger.execute_batch(fail).expect("a trigger");
    });
}

/// The owner gets an alert, and the page shows the failure and the budget.
fn fails_after(breaks: impl FnOnce(&Budgeted)) {
    let upstream = RespondingUpstream::start(|_| completion(1, 1));
    let mut webhook = Webhook::start();
    let server = start(upstream.address(), USERS, &webhook.url(), &[admin::METRICS]);
    let at = admin::address(&server.proxy);
    assert_eq!(server.send(&request()).0.status(), 200);
    let spent = server.settled();
    let usage = operations::read_at(at, "");
    assert_eq!((&usage["ledger"], &usage["month_usd"]), (&json!("open"), &json!(spent.to_string())));
    breaks(&server);
    assert_eq!(server.send(&request()).0.status(), 503);
    let alert = webhook.wait_for("ledger_unreachable");
    assert!(alert["text"].as_str().expect("a text").contains("users with budgets are refused"), "{alert}");
    let usage = operations::read_at(at, "");
    let tom = &usage["users"][0];
    assert_eq!((&usage["ledger"], &tom["metered"]), (&json!("failing"), &json!(true)));
    assert_eq!((&tom["budgets"][0]["per"], &tom["budgets"][0]["usd"]), (&json!("month"), &json!("0.02")));
    assert_eq!(webhook.events(), ["ledger_unreachable"]);
}

fn price_missing() {
    let upstream = RespondingUpstream::start(|request| {
        let is_unknown = request.body.windows(9).any(|part| part == b"\"unknown\"");
        chat::completion(if is_unknown { "unknown" } else { MODEL }, "Hi", 0, 900)
    });
    let mut webhook = Webhook::start();
    let users = format!("[users.Ann]\nmetered = true\n{USERS}");
    let server = start(upstream.address(), &users, &webhook.url(), &[("ACCESS_KEYS", &format!("{KEY},{ANN}"))]);
    for _ in 0..2 {
        assert_eq!(server.send(&request()).0.status(), 200);
    }
    webhook.wait_for("budget_reached");
    assert_eq!(webhook.events(), ["budget_reached 80"], "the model of these requests has a price");
    let unknown = post("/v1/chat/completions", &chat::body("unknown", 1_000, false));
    assert_eq!(server.send(&unknown.replace(KEY, ANN)).0.status(), 200);
    let alert = webhook.wait_for("price_missing");
    assert!(alert["text"].as_str().expect("a text").contains("a model without a price"), "{alert}");
}

fn endings() {
    let upstream = RespondingUpstream::start(|_| completion(1, 1));
    let mut webhook = Webhook::start();
    let authority = Authority::new();
    let (cert, key) = authority.files_ending_in("localhost", DAYS_3);
    let users = format!("[users.Tom]\nexpires = {}", soon());
    let _server = start(upstream.address(), &users, &webhook.url(), &[("TLS_CERT", &cert), ("TLS_KEY", &key)]);
    let alert = webhook.wait_for("user_expires");
    assert_eq!(alert["user"], "Tom");
    assert!(alert["text"].as_str().expect("a text").contains(&soon()), "{alert}");
    let alert = webhook.wait_for("certificate_expires");
    assert!(alert["text"].as_str().expect("a text").contains(&soon()), "{alert}");
}

/// It accepts the connection, and never responds.
fn silent_webhook() {
    let upstream = RespondingUpstream::start(|_| completion(0, 900));
    let silent = Upstream::start();
    let server = start(upstream.address(), USERS, &format!("http://{}/hook", silent.address()), &[]);
    assert_eq!(server.send(&request()).0.status(), 200);
    assert_eq!(server.send(&request()).0.status(), 200);
    let mut hook = silent.accept();
    hook.head();
    assert_eq!(server.send(&request()).0.status(), 429, "requests go on while an alert waits");
    assert_eq!(server.settled(), Usd::from_pico(cost(0, 900).as_pico() * 2));
}
