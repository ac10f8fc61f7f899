//! The commands of the server's program on the table of a function.

use std::{
    fs,
    path::PathBuf,
    process::{Command, Output, Stdio},
};

use super::*;
use crate::{lambda::table, server::binary};

pub(crate) const TESTS: &[Test] = &[
    ("usage_is_read_and_corrected", corrected),
    ("users_are_listed_with_what_they_spent", listed),
    ("users_are_listed_without_the_table", listed_without_table),
    ("table_that_cannot_be_read_is_named", unreadable),
];

/// The owner's machine: a users file, and the variables of the table.
struct Desk {
    folder: PathBuf,
    table: Vec<(&'static str, String)>,
}

impl Desk {
    fn new(name: &str, table: Vec<(&'static str, String)>) -> Self {
        let folder = std::env::temp_dir().join(format!("sparekey-desk-{}-{name}", std::process::id()));
        fs::create_dir_all(&folder).unwrap();
        fs::write(folder.join("users.toml"), BUDGET).unwrap();
        Self { folder, table }
    }

    /// With another value of a variable of the table.
    fn with(table: &Table, name: &'static str, value: &str) -> Self {
        let mut settings = table.settings();
        settings.retain(|(other, _)| *other != name);
        settings.push((name, value.to_owned()));
        Self::new(name, settings)
    }

    fn run(&self, arguments: &[&str]) -> Output {
        let mut command = Command::new(binary());
        command.env_clear().env("USERS_FILE", self.folder.join("users.toml"));
        command.env("ACCESS_KEYS", "sk-Tom-abcdefgh12345678").env("OPENAI_ADMIN_KEY", "sk-admin-abcdefgh");
        let variables = self.table.iter().map(|(name, value)| (*name, value));
        command.envs(variables).args(arguments).stdin(Stdio::null()).output().unwrap()
    }

    /// What a command that succeeds prints to standard output and standard error.
    #[track_caller]
    fn prints(&self, arguments: &[&str]) -> (String, String) {
        let Output { status, stdout, stderr } = self.run(arguments);
        let [stdout, stderr] = [stdout, stderr].map(|text| String::from_utf8(text).unwrap());
        assert!(status.success(), "{arguments:?}: {stderr}");
        (stdout, stderr)
    }

    #[track_caller]
    fn fails(&self, arguments: &[&str], code: i32, message: &str) {
        let output = self.run(arguments);
        let stderr = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(code), "{arguments:?}: {stderr}");
        assert!(stderr.contains(message), "no {message:?} in {stderr}");
    }
}

impl Drop for Desk {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.folder);
    }
}

fn corrected() {
    let upstream = RespondingUpstream::start(|_| completion(12, 30));
    let table = Moto::shared().create_table();
    let desk = Desk::new("corrected", table.settings());
    assert_eq!(desk.prints(&["usage", "--json"]).0, "[]\n");
    desk.fails(&["users", "credit", "Tom", "1"], 1, "is no ledger yet");
    desk.fails(&["usage", "void", &"0".repeat(32)], 1, "");
    assert_eq!(desk.prints(&["usage", "--json"]).0, "[]\n", "nothing was written");
    let function = Limited::start(upstream.address(), BUDGET, &table);
    for _ in 0..2 {
        assert_eq!(function.send(&chat(false)).0.status(), 200);
    }
    let each = cost(12, 30);
    assert_eq!(function.spent(), (each.plus(each), Usd::ZERO));

    let json = |arguments: &[&str]| -> Value { serde_json::from_str(&desk.prints(arguments).0).unwrap() };
    let sums = &json(&["usage", "--by", "user,model", "--json"])[0];
    assert_eq!((&sums["user"], &sums["model"], &sums["requests"]), (&"Tom".into(), &MODEL.into(), &2.into()));
    assert_eq!(chat::amount(&sums["usd"]), each.plus(each));
    let rows = json(&["usage", "rows", "--user", "Tom", "--json"]);
    assert_eq!(rows.as_array().unwrap().len(), 2);
    assert_eq!(json(&["usage", "rows", "--limit", "1000000", "--json"]), rows, "in pages");
    let id = rows[0]["id"].as_str().unwrap();
    // OpenAI has no costs yet, so the difference is all of the ledger.
    let costs = RespondingUpstream::start(|_| {
        let page = r#"{"object":"page","data":[],"has_more":false,"next_page":null}"#;
        format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n{page}", page.len()).into()
    });
    let costs = format!("http://{}/v1", costs.address());
    let days = &json(&["reconcile", "--today", "--since", "1h", "--costs-api", &costs, "--json"])["days"];
    let found = days.as_array().unwrap().iter().map(|day| chat::amount(&day["ledger_usd"]));
    assert_eq!(found.fold(Usd::ZERO, Usd::plus), each.plus(each));

    let (_, note) = desk.prints(&["usage", "void", id]);
    assert!(note.contains("the request is void: 0.000063 US dollars were given back to Tom"), "{note}");
    let (_, note) = desk.prints(&["users", "credit", "Tom", "0.00001"]);
    assert!(note.contains("credited Tom with 0.00001 US dollars"), "{note}");
    let (text, _) = desk.prints(&["users", "show", "Tom"]);
    assert!(text.contains("0.000053 US dollars in total"), "{text}");
    // The function counts on from there.
    assert_eq!(function.send(&chat(false)).0.status(), 200);
    assert_eq!(function.spent(), (each.plus(each).minus(chat::usd("0.00001")), Usd::ZERO));
}

/// The table is that of an option, and no variable.
fn listed() {
    let upstream = RespondingUpstream::start(|_| completion(12, 30));
    let table = Moto::shared().create_table();
    let (ledger, variables): (Vec<_>, _) = table.settings().into_iter().partition(|(name, _)| *name == "LEDGER");
    let (desk, ledger) = (Desk::new("listed", variables), &*ledger[0].1);
    let list = |more: &[&str]| desk.prints(&[&["users", "list", "--ledger", ledger], more].concat());
    let month = || {
        let (json, warnings) = list(&["--json"]);
        assert_eq!(warnings, "");
        let users: Value = serde_json::from_str(&json).unwrap();
        users[0]["spending"].as_array().unwrap().iter().find(|of| of["per"] == "month").unwrap().clone()
    };
    assert_eq!(chat::amount(&month()["spent"]), Usd::ZERO, "a table without users");

    let function = Limited::start(upstream.address(), BUDGET, &table);
    assert_eq!(function.send(&chat(false)).0.status(), 200);
    let spent = cost(12, 30);
    assert_eq!(function.spent(), (spent, Usd::ZERO));
    let found = month();
    let [of, held, left] = ["spent", "held", "left"].map(|name| chat::amount(&found[name]));
    assert_eq!((of, held, left), (spent, Usd::ZERO, chat::usd("1").minus(spent)));
    let (text, warnings) = list(&[]);
    assert!(text.contains(&format!("${spent} of $1.00/month")), "{text}");
    assert_eq!(warnings, "");
}

/// The rest of the users is shown, and why the table is not, once.
fn listed_without_table() {
    let table = Moto::shared().create_table();
    for (name, value, reason) in [
        ("LEDGER", "dynamodb:elsewhere", "ResourceNotFoundException"),
        ("AWS_ENDPOINT_URL_DYNAMODB", "http://127.0.0.1:1", "the database of the ledger cannot be reached"),
        ("AWS_REGION", "", "AWS_REGION is not set"),
    ] {
        let desk = Desk::with(&table, name, value);
        let ann = format!("[users.Ann]\nkeys = [\"sha256:{}\"]\nmetered = true", "5f".repeat(32));
        fs::write(desk.folder.join("users.toml"), format!("{BUDGET}\n{ann}")).unwrap();
        let (text, warnings) = desk.prints(&["users", "list"]);
        assert!(text.contains("$1.00/month") && text.contains("metered"), "{text}");
        assert!(!text.contains(" of $1.00"), "{text}");
        assert!(warnings.contains("warning: what users spent is unknown: ") && warnings.contains(reason), "{warnings}");
        assert_eq!(warnings.matches("unknown: ").count(), 1, "{warnings}");
    }
}

fn unreadable() {
    let table = Moto::shared().create_table();
    let with = |name: &'static str, value: &str| Desk::with(&table, name, value);
    for arguments in [&["usage"][..], &["usage", "rows"], &["users", "credit", "Tom", "1"]] {
        with("LEDGER", "dynamodb:elsewhere").fails(arguments, 1, "ResourceNotFoundException");
        with("LEDGER", "dynamodb:a/b").fails(
            arguments,
            2,
            "LEDGER must be dynamodb:TABLE: the name of a DynamoDB table",
        );
        with("AWS_REGION", "").fails(arguments, 2, "AWS_REGION is not set: export the region");
        with("AWS_ACCESS_KEY_ID", "").fails(arguments, 2, "aws configure export-credentials --format env");
    }
    let nowhere = table::settings(([127, 0, 0, 1], 1).into(), "sparekey");
    Desk::new("nowhere", nowhere).fails(
        &["usage"],
        1,
        "dynamodb:sparekey: the database of the ledger cannot be reached",
    );
    let desk = Desk::new("copy", table.settings());
    desk.fails(&["ledger", "copy", "dynamodb:sparekey", "/tmp/other.db"], 2, "FROM must be the path of an SQLite file");
    desk.fails(&["check"], 2, "LEDGER must be the path of an SQLite file");
}
