//! Servers that share users' limits and budgets by a PostgreSQL database. Without PostgreSQL the tests are ignored.

use std::{
    fs::{self, Permissions},
    os::unix::fs::PermissionsExt as _,
    process::Command,
};

use libtest_mimic::{Completion, Trial};
use serde_json::json;

use self::postgresql::Server as Database;
use super::{
    parallel::{Gate, fifty_requests_to_two},
    *,
};
use crate::{case_files::digest, server::binary, upstream::RespondingUpstream};

#[allow(dead_code, unreachable_pub, reason = "the tests of the ledger use the rest")]
#[path = "../../../../ledger/tests/support/server.rs"]
mod postgresql;

const TESTS: [Test; 11] = [
    ("share_requests_per_minute", shared_rate),
    ("share_open_requests", shared_places),
    ("serve_free_routes_to_a_user_with_a_debt_of_tokens", token_debt),
    ("share_a_budget", shared_budget),
    ("charge_the_requests_of_a_killed_one", killed),
    ("count_alone_without_the_database", without_database),
    ("show_the_same_usage", same_usage),
    ("have_the_commands", commands),
    ("read_the_password_file", password_file),
    ("take_over_a_file_and_give_it_back", moved),
    ("are_not_copied_while_they_run", copied_while_used),
];

/// Has no limits.
const ANN: &str = "sk-Ann-abcdefgh12345678";

pub(crate) fn trials() -> impl Iterator<Item = Trial> {
    TESTS.into_iter().map(|(name, run)| {
        Trial::ignorable_test(format!("server::several_servers::{name}"), move || {
            if Database::shared().is_none() {
                return Ok(Completion::ignored_with(
                    "PostgreSQL is not installed, and PGBIN does not name its programs",
                ));
            }
            run();
            Ok(Completion::Completed)
        })
    })
}

/// Two servers, and their database's address.
struct Pair {
    first: Budgeted,
    second: RunningServer,
    database: String,
}

impl Pair {
    fn start(upstream: SocketAddr, users: &str) -> Self {
        Self::start_with(upstream, users, Database::shared().expect("PostgreSQL").create_database())
    }

    fn start_with(upstream: SocketAddr, users: &str, database: String) -> Self {
        let more = [("LEDGER", &*database), ("ACCESS_KEYS", &format!("{KEY},{ANN}"))];
        let first = Budgeted::start_with(upstream, users, &more);
        let second = RunningServer::start(&first.settings);
        Self { first, second, database }
    }

    fn addresses(&self) -> [SocketAddr; 2] {
        [self.first.address(), self.second.address()]
    }

    /// The output of a command.
    fn prints(&self, arguments: &[&str]) -> String {
        prints(&self.first, &self.database, arguments)
    }
}

/// A command with the settings of a server, and another ledger.
fn command(server: &Budgeted, ledger: &str, arguments: &[&str]) -> Command {
    let mut command = Command::new(binary());
    command.args(arguments).env_clear().env("LEDGER", ledger);
    command.env("USERS_FILE", server.files.path("users")).env("ACCESS_KEYS", KEY);
    command
}

/// The output of a command that succeeds.
#[track_caller]
fn prints(server: &Budgeted, ledger: &str, arguments: &[&str]) -> String {
    let output = command(server, ledger, arguments).output().expect("the server's program runs");
    assert!(output.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).expect("UTF-8")
}

/// The reason for which a command fails.
#[track_caller]
fn fails(server: &Budgeted, arguments: &[&str]) -> String {
    let output = command(server, "", arguments).output().expect("the server's program runs");
    assert_eq!((output.status.code(), output.stdout.len()), (Some(1), 0), "{arguments:?}");
    String::from_utf8(output.stderr).expect("UTF-8")
}

/// All that the commands show of a ledger.
fn shown(server: &Budgeted, ledger: &str) -> [String; 3] {
    let commands =
        [&["usage", "--csv", "--by=day,user,model"][..], &["usage", "rows", "--csv"], &["users", "show", "Tom"]];
    commands.map(|arguments| prints(server, ledger, arguments))
}

fn send(server: SocketAddr, request: &str) -> (Head, Vec<u8>) {
    let mut client = RawConnection::connect(server);
    client.send(request);
    let head = client.head();
    let body = client.body(&head);
    (head, body)
}

fn refusal(server: SocketAddr, request: &str) -> (u16, String) {
    let (head, body) = send(server, request);
    let code = if head.status() == 200 { String::new() } else { wire::error_code(&body) };
    (head.status(), code)
}

fn models() -> String {
    get("/v1/models")
}

fn shared_rate() {
    for limits in ["requests_per_minute = 2", "requests_per_minute = 2\nbudgets = [{ usd = 1, per = \"month\" }]"] {
        let upstream = RespondingUpstream::start(|_| completion(1, 1));
        let pair = Pair::start(upstream.address(), &format!("[users.Tom]\n{limits}"));
        let [first, second] = pair.addresses();
        // One that costs nothing, and one that may.
        for (server, request, left) in [(first, models(), "1"), (second, chat(), "0")] {
            let (head, _) = send(server, &request);
            assert_eq!((head.status(), head.header("x-ratelimit-remaining-requests")), (200, Some(left)), "{limits}");
        }
        for server in [first, second] {
            for request in [models(), chat()] {
                let (head, body) = send(server, &request);
                assert_eq!((head.status(), &*wire::error_code(&body)), (429, "rate_limit_exceeded"), "{limits}");
                assert!(String::from_utf8_lossy(&body).contains("2 requests per minute"), "{limits}");
                let retry_after: u64 = head.header("retry-after").expect("retry-after").parse().expect("a number");
                assert!((1..=60).contains(&retry_after), "{retry_after}");
            }
        }
        assert_eq!(upstream.take().len(), 2, "{limits}");
    }
}

fn shared_places() {
    for limits in ["", "\nbudgets = [{ usd = 1, per = \"month\" }]"] {
        for request in [models(), chat()] {
            let (gate, upstream) = Gate::start(1, 1);
            let pair = Pair::start(upstream.address(), &format!("[users.Tom]\nconcurrent_requests = 1{limits}"));
            let mut client = pair.first.client(&request);
            wait_until("the request is sent", || !upstream.take().is_empty());
            assert_eq!(refusal(pair.second.address(), &request), (429, "rate_limit_exceeded".to_owned()), "{limits}");
            gate.open();
            assert_eq!(client.head().status(), 200);
            wait_until("the place is free", || refusal(pair.second.address(), &request).0 == 200);
        }
    }
}

fn token_debt() {
    let upstream = RespondingUpstream::start(|_| completion(5_000, 5_000));
    let pair = Pair::start(upstream.address(), "[users.Tom]\ntokens_per_minute = 1000\nrequests_per_minute = 60");
    let [first, second] = pair.addresses();
    assert_eq!(refusal(first, &chat()).0, 200);
    wait_until("the tokens are used up", || refusal(second, &chat()).0 == 429);
    assert_eq!(refusal(second, &models()), (200, String::new()), "it costs no tokens");
}

fn shared_budget() {
    fifty_requests_to_two(|upstream, users| {
        let Pair { first, second, .. } = Pair::start(upstream, users);
        (first, second)
    });
}

/// Its hold is charged, and its place is free.
fn killed() {
    let upstream = Upstream::start();
    let users = "[users.Tom]\nconcurrent_requests = 1\nbudgets = [{ usd = 1, per = \"month\" }]";
    let pair = Pair::start(upstream.address(), users);
    let mut client = RawConnection::connect(pair.second.address());
    client.send(chat());
    let mut upstream_conn = upstream.accept();
    upstream_conn.head();
    let held = pair.first.amount("held_usd");
    assert!(held > usd("0"));
    assert_eq!(refusal(pair.first.address(), &chat()).0, 429);
    pair.second.process.signal("KILL");
    assert_eq!(pair.first.settled(), held);
    drop((client, upstream_conn));
}

fn without_database() {
    let mut database = Database::start().expect("PostgreSQL");
    let upstream = RespondingUpstream::start(|_| completion(1, 1));
    let users = "[users.Tom]\nrequests_per_minute = 2\n[users.Eve]\nkeys = [\"sha256:EVE\"]\nbudgets = [{ usd = 1, per = \"month\" }]";
    let eve = "sk-Eve-abcdefgh12345678";
    let users = users.replace("sha256:EVE", &digest(eve));
    let pair = Pair::start_with(upstream.address(), &users, database.address("postgres"));
    let as_user = |key: &str, request: &str| request.replace(KEY, key);
    assert_eq!(refusal(pair.first.address(), &as_user(eve, &chat())).0, 200);
    database.kill();
    for server in pair.addresses() {
        let unavailable = (503, "ledger_unavailable".to_owned());
        assert_eq!(refusal(server, &as_user(eve, &chat())), unavailable, "a budget is never guessed");
        assert_eq!(refusal(server, &as_user(ANN, &chat())).0, 200);
        for expected in [200, 200, 429] {
            assert_eq!(refusal(server, &models()).0, expected, "this server counts alone");
        }
    }
    database.restart();
    for server in pair.addresses() {
        wait_until("budgets work again", || refusal(server, &as_user(eve, &chat())).0 == 200);
    }
}

fn same_usage() {
    let upstream = RespondingUpstream::start(|_| completion(100, 10));
    let pair = Pair::start(
        upstream.address(),
        "[users.Tom]\nrequests_per_minute = 60\ntokens_per_minute = 100000\n\
        budgets = [{ usd = 1, per = \"month\" }]",
    );
    assert_eq!(send(pair.first.address(), &chat()).0.status(), 200);
    let spent = pair.first.settled();
    assert_eq!(spent, cost(100, 10));
    let usage = |server| -> Value { serde_json::from_slice(&send(server, &get("/v1/usage")).1).expect("JSON") };
    for server in pair.addresses() {
        let usage = usage(server);
        assert_eq!(usage["budgets"][0]["spent_usd"], spent.to_string());
        assert_eq!(usage["limits"]["requests_per_minute"]["limit"], 60);
        assert_eq!(usage["limits"]["concurrent_requests"], json!({"limit": 8, "open": 0}));
        assert_eq!(usage["by_model"][0]["input_tokens"], 100);
    }
}

fn commands() {
    let upstream = RespondingUpstream::start(|_| completion(100, 10));
    let pair = Pair::start(upstream.address(), BUDGET);
    assert_eq!(send(pair.first.address(), &chat()).0.status(), 200);
    assert_eq!(pair.first.settled(), cost(100, 10));
    let usage = pair.prints(&["usage", "--csv"]);
    assert_eq!(usage.lines().nth(1), Some("Tom,1,0,100,0,10,0.0002"));
    assert!(pair.prints(&["users", "show", "Tom"]).contains("0.0002"));
    let rows = pair.prints(&["usage", "rows", "--csv"]);
    assert_eq!(pair.prints(&["usage", "rows", "--csv", "--limit=1000000"]), rows, "in pages");
    let id = rows.lines().nth(1).and_then(|row| row.split(',').find(|cell| cell.len() == 32)).expect("a row's id");
    pair.prints(&["usage", "void", id]);
    assert_eq!(pair.first.settled(), usd("0"));
    pair.prints(&["users", "credit", "Tom", "0.5"]);
    assert_eq!(pair.first.amount("left_usd"), usd("1.5"));
    assert!(!pair.first.ledger().exists(), "no file is created");
}

fn password_file() {
    const ROLE: &str = "sparekey_test";
    let database = Database::start().expect("PostgreSQL");
    let upstream = RespondingUpstream::start(|_| completion(100, 10));
    let pair = Pair::start_with(upstream.address(), BUDGET, database.address("postgres"));
    assert_eq!(send(pair.first.address(), &chat()).0.status(), 200);
    assert_eq!(pair.first.settled(), cost(100, 10));
    database.sql(
        "postgres",
        &format!(
            "CREATE ROLE {ROLE} LOGIN PASSWORD 'a:b'; GRANT USAGE ON SCHEMA sparekey TO {ROLE}; \
        GRANT SELECT ON ALL TABLES IN SCHEMA sparekey TO {ROLE}"
        ),
    );
    database.require_password(ROLE);
    let address = database.address("postgres").replace("//test@", &format!("//{ROLE}@"));
    let file = pair.first.files.path("passwords");
    let usage = |password: &str, mode: u32| {
        pair.first.files.write("passwords", &format!("localhost:*:postgres:{ROLE}:{password}\n"));
        fs::set_permissions(&file, Permissions::from_mode(mode)).expect("set the mode");
        let mut command = command(&pair.first, &address, &["usage", "--csv"]);
        let output = command.env("PGPASSFILE", &file).output().expect("the server's program runs");
        (output.status.success(), String::from_utf8(output.stderr).expect("UTF-8"))
    };
    assert_eq!(usage("a\\:b", 0o600), (true, String::new()));
    let (is_done, reason) = usage("wrong", 0o600);
    assert!(!is_done && reason.contains("password authentication failed") && !reason.contains("wrong"), "{reason}");
    let (is_done, reason) = usage("a\\:b", 0o644);
    assert!(!is_done && reason.contains("can be read by other users"), "{reason}");
}

/// A server is stopped with a request open, whose hold is charged, and its file becomes a database.
fn moved() {
    let upstream = RespondingUpstream::start(|_| completion(100, 10));
    let server = Budgeted::start(upstream.address(), BUDGET);
    for _ in 0..3 {
        assert_eq!(server.send(&chat()).0.status(), 200);
    }
    assert_eq!(server.settled(), Usd::from_pico(cost(100, 10).as_pico() * 3));
    let silent = Upstream::start();
    let settings = [server.settings.clone(), [("API_BASE".to_owned(), format!("http://{}", silent.address()))].into()];
    let second = RunningServer::start(&settings.into_iter().flatten().collect());
    let mut client = RawConnection::connect(second.address());
    client.send(chat());
    let upstream_conn = silent.accept();
    second.process.signal("KILL");
    server.proxy.process.signal("TERM");
    wait_until("both have ended", || server.proxy.process.has_exited() && second.process.has_exited());
    drop((client, upstream_conn));

    let file = server.ledger().to_str().expect("a UTF-8 path").to_owned();
    let database = Database::shared().expect("PostgreSQL").create_database();
    let copy = |from: &str, to: &str| prints(&server, "", &["ledger", "copy", from, to]);
    copy(&file, &database);
    let before = shown(&server, &file);
    assert!(before[1].contains(",expired,"), "the open request was charged: {}", before[1]);
    assert_eq!(shown(&server, &database), before);
    let reason = fails(&server, &["ledger", "copy", &file, &database]);
    assert!(reason.contains("the target is not empty"), "{reason}");

    let back = server.files.path("back.db").to_str().expect("a UTF-8 path").to_owned();
    copy(&database, &back);
    assert_eq!(shown(&server, &back), before);
    // A server goes on with it.
    let spent = server_with(&server, &back, |next| next.amount("spent_usd"));
    assert!(spent > cost(100, 10) && before[2].contains(&spent.to_string()), "{spent} in {}", before[2]);
}

/// Runs a server on another ledger.
fn server_with<T>(server: &Budgeted, ledger: &str, ask: impl FnOnce(&Budgeted) -> T) -> T {
    let upstream = RespondingUpstream::start(|_| completion(1, 1));
    let users = fs::read_to_string(server.files.path("users")).expect("the users file");
    ask(&Budgeted::start_with(upstream.address(), &users, &[("LEDGER", ledger)]))
}

fn copied_while_used() {
    let upstream = RespondingUpstream::start(|_| completion(1, 1));
    let pair = Pair::start(upstream.address(), BUDGET);
    assert_eq!(send(pair.first.address(), &chat()).0.status(), 200);
    pair.first.settled();
    let file = pair.first.files.path("copy.db").to_str().expect("a UTF-8 path").to_owned();
    let reason = fails(&pair.first, &["ledger", "copy", &pair.database, &file]);
    assert!(reason.contains("a server uses the source"), "{reason}");
    assert!(!pair.first.files.path("copy.db").exists(), "no ledger stays in which nothing was spent");
    let other = Budgeted::start(upstream.address(), BUDGET);
    assert_eq!(other.send(&chat()).0.status(), 200);
    other.settled();
    let used = other.ledger().to_str().expect("a UTF-8 path").to_owned();
    let reason = fails(&other, &["ledger", "copy", &used, &file]);
    assert!(reason.contains("a server uses the source"), "{reason}");
}
