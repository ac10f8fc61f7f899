//! The ledger's file: only users who need it depend on it.

use std::{
    fs,
    os::unix::fs::{PermissionsExt as _, symlink},
    process::Command,
};

use super::*;
use crate::{only::admin, server::binary, upstream::RespondingUpstream};

pub(crate) const TESTS: &[Test] = &[
    ("is_created_for_metered_users_only", created),
    ("that_cannot_be_opened_refuses_metered_users_only", not_a_ledger),
    ("is_opened_when_it_can_be", opened_later),
    ("behind_a_link_is_created", linked),
    ("locked_by_another_process", locked),
    ("at_the_limit_of_a_files_size", file_size),
    ("holds_no_body_and_no_key", private),
];

const ANN: &str = "sk-Ann-abcdefgh12345678";

fn as_ann(request: &str) -> String {
    request.replace(KEY, ANN)
}

fn both() -> [(&'static str, String); 1] {
    [("ACCESS_KEYS", format!("{KEY},{ANN}"))]
}

fn created() {
    let upstream = RespondingUpstream::start(|_| completion(1, 1));
    let server = Budgeted::start(upstream.address(), "[users.Tom]\nrequests_per_minute = 100");
    assert_eq!(server.send(&chat()).0.status(), 200);
    assert!(!server.ledger().exists());
    server.files.write("users", BUDGET);
    wait_until("the first request opens it", || server.send(&chat()).0.status() == 200 && server.ledger().exists());
    server
        .proxy
        .process
        .wait_for(|line| line.contains("WARN").then(|| line.contains("created the ledger")).filter(|is| *is));
    let mode = fs::metadata(server.ledger()).expect("the file").permissions().mode();
    assert_eq!(mode & 0o077, 0, "others must not read it: {mode:o}");
}

fn not_a_ledger() {
    let upstream = RespondingUpstream::start(|_| completion(1, 1));
    let files = Files::new();
    files.write("text", "this is a text, and much longer than the header of a database: not a ledger at all");
    let (path, keys) = (files.path("text"), both());
    let path = path.to_str().expect("a UTF-8 path");
    let more = [("LEDGER", path), (keys[0].0, &*keys[0].1), admin::METRICS];
    let server = Budgeted::start_with(upstream.address(), BUDGET, &more);
    server.proxy.process.wait_for(|line| (line.contains("ERROR") && line.contains("is not a ledger")).then_some(()));
    let (head, body) = server.send(&chat());
    assert_eq!((head.status(), &*wire::error_code(&body)), (503, "ledger_unavailable"));
    assert_eq!((head.header("retry-after"), head.header("x-should-retry")), (Some("1"), None));
    let (head, body) = server.send(&get("/v1/usage"));
    assert_eq!((head.status(), &*wire::error_code(&body)), (503, "ledger_unavailable"));
    let message = String::from_utf8_lossy(&body);
    assert!(message.contains("cannot read your usage") && !message.contains("cost"), "{message}");
    assert!(upstream.take().is_empty());
    assert_eq!(server.send(&as_ann(&chat())).0.status(), 200);
    let mut admin = RawConnection::connect(admin::address(&server.proxy));
    admin.send("GET /readyz HTTP/1.1\r\nhost: x\r\n\r\n");
    assert_eq!(admin.head().status(), 200, "the server is ready for all other users");
}

fn opened_later() {
    let upstream = RespondingUpstream::start(|_| completion(1, 1));
    let files = Files::new();
    files.write("folder", "a file, where the ledger's folder should be");
    let path = files.path("folder").join("ledger.db");
    let path = path.to_str().expect("a UTF-8 path");
    let server = Budgeted::start_with(upstream.address(), BUDGET, &[("LEDGER", path)]);
    assert_eq!(server.send(&chat()).0.status(), 503);
    fs::remove_file(files.path("folder")).expect("remove the file");
    fs::create_dir(files.path("folder")).expect("create the folder");
    wait_until("the ledger is opened", || server.send(&chat()).0.status() == 200);
}

fn linked() {
    let upstream = RespondingUpstream::start(|_| completion(1, 1));
    let files = Files::new();
    for (link, target) in [("first.db", "second.db"), ("second.db", "folder/ledger.db")] {
        symlink(target, files.path(link)).expect("a link");
    }
    let (path, file) = (files.path("first.db"), files.path("folder/ledger.db"));
    let server = Budgeted::start_with(upstream.address(), BUDGET, &[("LEDGER", path.to_str().expect("a UTF-8 path"))]);
    assert_eq!(server.send(&chat()).0.status(), 503, "a folder is not created");
    fs::create_dir(files.path("folder")).expect("create the folder");
    wait_until("the ledger is created", || server.send(&chat()).0.status() == 200);
    assert_eq!(fs::metadata(file).expect("the file").permissions().mode() & 0o777, 0o600);
    server.proxy.process.wait_for(|line| line.contains("created the ledger").then_some(()));
}

fn locked() {
    let upstream = RespondingUpstream::start(|_| completion(1, 1));
    let keys = both();
    let server = Budgeted::start_with(upstream.address(), BUDGET, &[(keys[0].0, &*keys[0].1)]);
    assert_eq!(server.send(&chat()).0.status(), 200);
    let other = rusqlite::Connection::open(server.ledger()).expect("open the ledger");
    other.execute_batch("BEGIN IMMEDIATE").expect("lock it");
    let (head, body) = server.send(&chat());
    assert_eq!((head.status(), &*wire::error_code(&body)), (503, "ledger_unavailable"));
    assert_eq!(server.send(&as_ann(&chat())).0.status(), 200);
    other.execute_batch("ROLLBACK").expect("unlock it");
    wait_until("requests pass again", || server.send(&chat()).0.status() == 200);
}

/// The signal of such a write would end the server.
fn file_size() {
    let upstream = RespondingUpstream::start(|_| completion(1, 1));
    let keys = both();
    let server = Budgeted::start_with(upstream.address(), BUDGET, &[(keys[0].0, &*keys[0].1)]);
    assert_eq!(server.send(&chat()).0.status(), 200);
    let limit = |soft| {
        let id = i32::try_from(server.proxy.process.id()).expect("a process id");
        rlimit::prlimit(id, rlimit::Resource::FSIZE, Some((soft, rlimit::INFINITY)), None).expect("limit the server");
    };
    limit(4096);
    wait_until("the write fails", || server.send(&chat()).0.status() == 503);
    assert_eq!(server.send(&as_ann(&chat())).0.status(), 200);
    limit(rlimit::INFINITY);
    wait_until("requests pass again", || server.send(&chat()).0.status() == 200);
    // Commands write too.
    let mut credit = Command::new("/bin/sh");
    credit.args(["-c", "ulimit -S -f 1 && exec \"$0\" users credit Tom 1"]).arg(binary()).env_clear();
    let credit =
        credit.env("LEDGER", server.ledger()).env("USERS_FILE", server.files.path("users")).env("ACCESS_KEYS", KEY);
    let output = credit.output().expect("run the command");
    assert_eq!(output.status.code(), Some(1), "{output:?}");
}

fn private() {
    let upstream = RespondingUpstream::start(|_| completion(1, 1));
    let server = Budgeted::start(upstream.address(), BUDGET);
    let mut body = chat_body(100, false);
    body["messages"][0]["content"] = "the secret of the client".into();
    assert_eq!(server.send(&post("/v1/chat/completions", &body)).0.status(), 200);
    server.settled();
    let name = server.ledger();
    let folder = fs::read_dir(name.parent().expect("a folder")).expect("the folder");
    let mut bytes = Vec::new();
    for file in folder.map(|entry| entry.expect("an entry").path()) {
        if file.to_string_lossy().contains("ledger.db") {
            bytes.extend(fs::read(&file).expect("the file"));
        }
    }
    let contains = |text: &str| bytes.windows(text.len()).any(|window| window == text.as_bytes());
    assert!(contains("/chat/completions"), "the row is stored");
    for secret in ["secret of the client", "abcdefgh", crate::case_files::API_KEY] {
        assert!(!contains(secret), "{secret}");
    }
}
