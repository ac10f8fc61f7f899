//! Settings: their sources, and the reports on invalid ones.

use std::{
    env,
    ffi::OsStr,
    fs,
    net::TcpListener,
    os::unix::{ffi::OsStrExt as _, fs::PermissionsExt as _},
    path::PathBuf,
    process::Command,
};

use super::{Test, files::Files};
use crate::{
    adapter::Settings,
    case_files::{API_KEY, KEY},
    process::Process,
    server::binary,
    tls::Authority,
    upstream::{ReceivedRequest, RespondingUpstream, Upstream},
};

pub(super) const TESTS: &[Test] = &[
    ("all_problems_are_listed_at_once", every_problem),
    ("each_problem_is_rejected", each_problem),
    ("broken_access_keys_are_the_only_problem", broken_access_keys),
    ("non_utf8_values_are_rejected", non_utf8),
    ("empty_access_keys_are_rejected", empty_keys),
    ("empty_key_files_are_rejected", empty_key_files),
    ("check_online_names_the_problem", check_online),
    ("check_reports_and_exits", check),
    ("check_looks_at_the_ledger", check_ledger),
    ("a_path_with_quotes_or_a_comment_is_no_ledger", ledger_path),
    ("flags_override_the_environment", flags),
    ("port_in_use_is_reported", port_in_use),
    ("help_lists_every_setting", help),
    ("probable_mistakes_are_warnings", mistakes),
    ("one_address_for_two_listeners_is_rejected", same_address),
];

pub(super) const LOOPBACK: &str = "127.0.0.1:0";
pub(super) const ALL_INTERFACES: &str = "0.0.0.0:0";

pub(super) fn settings(list: &[(&str, &str)]) -> Settings {
    list.iter().map(|&(name, value)| (name.to_owned(), value.to_owned())).collect()
}

/// Runs the server until it exits; [`Process`] checks that it printed no secret.
fn run(arguments: &[&str], list: &[(&str, &str)]) -> (Option<i32>, String) {
    let (status, output) = Process::start(Command::new(binary()).args(arguments), &settings(list)).wait();
    (status.code(), output)
}

#[track_caller]
fn assert_rejected(list: &[(&str, &str)], reasons: &[&str]) {
    let (code, output) = run(&[], list);
    assert_eq!(code, Some(2), "{output}");
    for reason in reasons {
        assert!(output.contains(reason), "{reason} is missing in {output}");
    }
    assert!(!output.contains("secret"), "{output}");
}

fn every_problem() {
    assert_rejected(
        &[
            ("LISTEN", "127.0.0.1:99999"),
            ("OPENAI_API_KEY", API_KEY),
            ("ACCESS_KEYS", &format!("{KEY},sk-Tom-shrt,{KEY},{API_KEY}")),
            ("API_BASE", "ftp://user:secret@host/v1"),
            ("AI_GATEWAY_TOKEN_FILE", "/run/not-there"),
            ("UPSTREAM_TIMEOUT", "soon"),
            ("TLS_CERT", "cert.pem"),
        ],
        &[
            "LISTEN must be",
            "ACCESS_KEYS item 2:",
            "ACCESS_KEYS item 3 repeats",
            "ACCESS_KEYS item 4 is the API key",
            "API_BASE must",
            "AI_GATEWAY_TOKEN_FILE names /run/not-there, which cannot be read",
            "UPSTREAM_TIMEOUT must be",
            "TLS_KEY is not",
        ],
    );
}

fn each_problem() {
    for (name, value, reason) in [
        ("OPENAI_API_KEY", "", "OPENAI_API_KEY and AI_GATEWAY_TOKEN are not set"),
        ("ACCESS_KEYS", "sk-Tom-secret", "item 1"),
        ("API_BASE", "https://secret@host/v1", "API_BASE must not contain a user"),
        ("API_BASE", "https://host/v1?secret", "API_BASE must not have a query"),
        ("API_BASE", "https://host/v1#secret", "API_BASE must not have a fragment"),
        ("API_BASE", "gopher://host/", "API_BASE must begin with"),
        ("LISTEN", "127.0.0.1:http", "LISTEN must be"),
        ("LISTEN", "127.0.0.1", "LISTEN must be"),
        ("MAX_HEAD", "100", "MAX_HEAD must be"),
        ("LOG", "loud", "LOG must be"),
        ("SSL_CERT_FILE", "/not/there", "SSL_CERT_FILE"),
        ("TRUSTED_PROXIES", "localhost", "TRUSTED_PROXIES must be"),
        ("MAX_REQUESTS_PER_USER", "0", "MAX_REQUESTS_PER_USER must be"),
        ("LEDGER", "mysql://me:secret@host/db", "LEDGER must be the path of an SQLite file"),
        ("LEDGER", "postgres://me:secret@host:secret/db", "LEDGER is not the address of a database"),
        ("ALERT_WEBHOOK", "hooks.example.com/secret", "ALERT_WEBHOOK must be a URL that begins with https://"),
        ("USAGE_RETENTION", "0", "USAGE_RETENTION must be a number of days, 1 to 36500"),
        ("PRICES_FILE", "/not/there", "PRICES_FILE names /not/there, which cannot be read"),
        ("PRICES_FILE", "/dev/null", "PRICES_FILE names /dev/null, which is no regular file"),
        ("OPENAI_API_KEY", "sk-admin-abcdefgh", "OPENAI_API_KEY is an admin key"),
    ] {
        let mut list = vec![("OPENAI_API_KEY", API_KEY), ("ACCESS_KEYS", KEY), ("LISTEN", LOOPBACK)];
        list.retain(|(listed, _)| *listed != name);
        assert_rejected(&[list, vec![(name, value)]].concat(), &[reason]);
    }
}

/// Users who have their keys there have them.
fn broken_access_keys() {
    let files = Files::new();
    files.write("users", "[users.Tom]\nrequests_per_minute = 9\n[users.Ann]\nrequests_per_minute = 0\n");
    let path = files.path("users").to_str().expect("UTF-8").to_owned();
    let settings = |keys| [("OPENAI_API_KEY", API_KEY), ("LISTEN", LOOPBACK), ("USERS_FILE", &path), keys];
    for (keys, reason) in [
        (("ACCESS_KEYS_FILE", "/run/not-there"), "ACCESS_KEYS_FILE names /run/not-there"),
        (("ACCESS_KEYS", "sk-Tom-shrt"), "ACCESS_KEYS item 1"),
    ] {
        let (code, output) = run(&[], &settings(keys));
        assert!(code == Some(2) && output.contains(reason), "{output}");
        assert!(output.contains("users.Ann.requests_per_minute") && !output.contains("has no key"), "{output}");
    }
    let (_, output) = run(&[], &settings(("ACCESS_KEYS", KEY)));
    assert!(output.contains("users.Ann has no key") && !output.contains("users.Tom has no key"), "{output}");
}

fn non_utf8() {
    for name in ["OPENAI_API_KEY", "ACCESS_KEYS", "API_BASE", "LISTEN", "MAX_HEAD", "LOG", "TLS_CERT"] {
        let mut list = vec![("OPENAI_API_KEY", API_KEY), ("ACCESS_KEYS", KEY), ("LISTEN", LOOPBACK)];
        list.retain(|(listed, _)| *listed != name);
        let value = OsStr::from_bytes(b"http://secret\xff/");
        let mut server = Command::new(binary());
        server.env_clear().env(name, value);
        let (status, output) = Process::start_with_inherited_env(&mut server, &settings(&list)).wait();
        assert!(status.code() == Some(2) && output.contains(name) && !output.contains("secret"), "{name}: {output}");
    }
}

fn empty_keys() {
    for keys in ["", "  ", "\n", ",", " , ,\n,"] {
        assert_rejected(
            &[("OPENAI_API_KEY", API_KEY), ("ACCESS_KEYS", keys), ("LISTEN", ALL_INTERFACES)],
            &["ACCESS_KEYS contains no key"],
        );
    }
    assert_rejected(&[("OPENAI_API_KEY", API_KEY), ("LISTEN", ALL_INTERFACES)], &["ACCESS_KEYS contains no key"]);
    assert_rejected(
        &[("OPENAI_API_KEY", API_KEY), ("LISTEN", LOOPBACK), ("ACCESS_KEYS", ",")],
        &["ACCESS_KEYS contains no key"],
    );
}

fn empty_key_files() {
    // A temporary folder.
    let authority = Authority::new();
    let path = authority.file().replace("authority.pem", "keys");
    for (text, problem) in [
        ("", "contains no key; make one"),
        ("\n", "contains no key; make one"),
        (" ,\n,", "contains no key; make one"),
        ("# none", "contains no key; make one"),
    ] {
        fs::write(&path, text).unwrap();
        assert_rejected(&[("OPENAI_API_KEY", API_KEY), ("ACCESS_KEYS_FILE", &path), ("LISTEN", LOOPBACK)], &[problem]);
    }
    fs::write(&path, " \n").unwrap();
    assert_rejected(
        &[("OPENAI_API_KEY_FILE", &path), ("ACCESS_KEYS", KEY)],
        &["OPENAI_API_KEY_FILE names /", "which is empty"],
    );
}

fn check() {
    let good = [("OPENAI_API_KEY", API_KEY), ("ACCESS_KEYS", KEY)];
    let (code, output) = run(&["check"], &good);
    assert!(
        code == Some(0)
            && output.contains("listening on    http://127.0.0.1:8080")
            && output.contains("users           1, access keys: 1;"),
        "{output}"
    );
    let (code, output) = run(&["check"], &[("ACCESS_KEYS", "x"), ("LISTEN", "y")]);
    assert_eq!(code, Some(2), "{output}");
    assert!(
        output.contains("OPENAI_API_KEY") && output.contains("ACCESS_KEYS item 1") && output.contains("LISTEN"),
        "{output}"
    );
}

/// Users with a budget would be refused.
fn check_ledger() {
    let files = Files::new();
    let [folder, text] = ["", "text"].map(|name| files.path(name).display().to_string());
    files.write(
        "text",
        "this is not a ledger, but a text that is as long as the head of one: one hundred bytes and some more",
    );
    let users = "[users.Tom]\nbudgets = [{ usd = 1, per = \"day\" }]";
    for (ledger, expected) in [
        (format!("{folder}/no/folder/sparekey.db"), Some("is not a folder")),
        (folder.clone(), Some("is not a file")),
        ("/dev/null".to_owned(), Some("is not a file")),
        (text, Some("is not a ledger")),
        (format!("{folder}/new.db"), None),
    ] {
        let mut settings = vec![("OPENAI_API_KEY", API_KEY), ("ACCESS_KEYS", KEY), ("LEDGER", ledger.as_str())];
        let (code, output) = run(&["check"], &settings);
        assert_eq!(code, Some(0), "it is not needed: {output}");
        settings.push(("USERS", users));
        let (code, output) = run(&["check"], &settings);
        assert_eq!(code, Some(i32::from(expected.is_some())), "{ledger}: {output}");
        assert!(expected.is_none_or(|expected| output.contains(expected)), "{ledger}: {output}");
    }
    assert!(!files.path("new.db").exists());
    // Opening a pipe waits for its writer.
    let pipe = files.path("pipe").display().to_string();
    assert!(Command::new("mkfifo").arg(&pipe).status().unwrap().success());
    let settings = [("OPENAI_API_KEY", API_KEY), ("ACCESS_KEYS", KEY), ("USERS", users), ("LEDGER", &*pipe)];
    for (arguments, problem) in [
        (&["check"][..], "warning: LEDGER is not a regular file"),
        (&["check"], "is not a file"),
        (&["usage"], "is not a file"),
    ] {
        let (code, output) = run(arguments, &settings);
        assert!(code == Some(1) && output.contains(problem), "{arguments:?} {code:?} {output}");
    }
    files.write("empty", "\n");
    files.write("mysql", "mysql://me:secret@host/db");
    for (file, expected) in [
        ("empty", "LEDGER_FILE names {file}, which is empty"),
        ("missing", "LEDGER_FILE names {file}, which cannot be read"),
        ("mysql", "LEDGER_FILE {file} must be the path of an SQLite file"),
    ] {
        let path = files.path(file).display().to_string();
        let settings = [("OPENAI_API_KEY", API_KEY), ("ACCESS_KEYS", KEY), ("USERS", users), ("LEDGER_FILE", &path)];
        for arguments in [&["check"][..], &["usage"], &["reconcile"]] {
            let (code, output) = run(arguments, &settings);
            let expected = expected.replace("{file}", &path);
            assert!(code == Some(2) && output.matches(&expected).count() == 1, "{arguments:?} {code:?} {output}");
            assert!(!output.contains("secret"), "{output}");
        }
    }
}

/// A new ledger of such a name would let all budgets start at zero.
fn ledger_path() {
    let users = "[users.Tom]\nbudgets = [{ usd = 1, per = \"day\" }]";
    for (ledger, problem) in [
        ("\"x.db\"", "LEDGER is in quotes, which would be a part of it; remove them"),
        ("x.db # ledger", "LEDGER has a comment behind the path, which would be a part of it; remove it"),
    ] {
        let settings = [("OPENAI_API_KEY", API_KEY), ("ACCESS_KEYS", KEY), ("USERS", users), ("LEDGER", ledger)];
        for arguments in [&[][..], &["check"], &["usage"], &["reconcile"]] {
            let (code, output) = run(arguments, &settings);
            assert!(code == Some(2) && output.matches(problem).count() == 1, "{arguments:?} {code:?} {output}");
        }
    }
}

/// The upstream's response, and what `check --online` says of it.
const ONLINE: [(&str, &str, Option<i32>, &str); 6] = [
    ("200 OK", r#"{"data":[]}"#, Some(0), "the upstream accepts the API key"),
    (
        "401 Unauthorized",
        r#"{"error":{"message":"Incorrect API key provided: {api_key}","code":"invalid_api_key"}}"#,
        Some(1),
        "refuses the API key",
    ),
    (
        "403 Forbidden",
        r#"{"error":{"message":"Country, region, or territory not supported","code":"unsupported_country_region_territory"}}"#,
        Some(1),
        "region of this machine",
    ),
    (
        "403 Forbidden",
        r#"{"error":{"message":"Missing scopes: api.model.read"}}"#,
        Some(0),
        "permission to list models",
    ),
    ("404 Not Found", "<html>", Some(1), "below API_BASE"),
    ("429 Too Many Requests", r#"{"error":{"message":"x","code":"insufficient_quota"}}"#, Some(1), "billing"),
];

fn check_online() {
    let keys = [("OPENAI_API_KEY", API_KEY), ("ACCESS_KEYS", KEY)];
    for (status, body, expected, text) in ONLINE {
        let body = body.replace("{api_key}", API_KEY);
        let length = body.len();
        let response = format!("HTTP/1.1 {status}\r\ncontent-length: {length}\r\n\r\n{body}");
        let upstream = RespondingUpstream::start(move |_| response.clone().into());
        let base = format!("http://{}", upstream.address());
        let (code, output) = run(&["check", "--online"], &[&keys[..], &[("API_BASE", &base)]].concat());
        assert!(code == expected && output.contains(text) && !output.contains(API_KEY), "{status}: {code:?} {output}");
        let request = &upstream.take()[0].head;
        assert_eq!(request.word(1), "/v1/models");
        assert_eq!(request.header("authorization"), Some(&*format!("Bearer {API_KEY}")));
    }
    // Each upstream key is tried.
    let upstream = RespondingUpstream::start(|_| "HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n{}".into());
    let base = format!("http://{}", upstream.address());
    let users = "[users.Tom]\nopenai_api_key = \"env:TOM_KEY\"";
    let more = [("API_BASE", &*base), ("USERS", users), ("TOM_KEY", "sk-proj-of-tom")];
    let (code, output) = run(&["check", "--online"], &[&keys[..], &more].concat());
    assert!(code == Some(0) && output.contains("for user Tom"), "{output}");
    let sent = |request: &ReceivedRequest| request.head.header("authorization").map(str::to_owned);
    let sent: Vec<_> = upstream.take().iter().filter_map(sent).collect();
    assert_eq!(sent, [format!("Bearer {API_KEY}"), "Bearer sk-proj-of-tom".to_owned()]);
    // Problems of the network.
    for (base, text) in
        [("http://127.0.0.1:1", "refused"), ("https://127.0.0.1:1", "refused"), ("http://name.invalid", "name.invalid")]
    {
        let (code, output) = run(&["check", "--online"], &[&keys[..], &[("API_BASE", base)]].concat());
        assert!(code == Some(1) && output.contains("cannot be reached") && output.contains(text), "{base}: {output}");
    }
    let plain = Upstream::start();
    let base = format!("https://{}", plain.address());
    let speaking = std::thread::spawn(move || plain.accept().send("HTTP/1.1 400 Bad Request\r\n\r\n"));
    let (code, output) = run(&["check", "--online"], &[&keys[..], &[("API_BASE", &base)]].concat());
    assert!(code == Some(1) && output.to_lowercase().contains("tls"), "{output}");
    speaking.join().unwrap();
}

fn flags() {
    // A temporary folder.
    let authority = Authority::new();
    let file = |name: &str, text: &str| {
        let path = authority.file().replace("authority.pem", name);
        fs::write(&path, text).unwrap();
        path
    };
    let (keys, api_key) = (file("keys", &format!("{KEY}\n")), file("api_key", &format!("{API_KEY}\n")));
    let wrong =
        [("LISTEN", "nowhere"), ("API_BASE", "nowhere"), ("ACCESS_KEYS", "nothing"), ("OPENAI_API_KEY", "no\tkey")];
    let arguments = [
        ["--listen", "127.0.0.1:1"],
        ["--api-base", "http://upstream.example"],
        ["--access-keys-file", &keys],
        ["--openai-api-key-file", &api_key],
    ];
    let (code, output) = run(&[&["check"], arguments.concat().as_slice()].concat(), &wrong);
    assert!(
        code == Some(0)
            && output.contains("http://127.0.0.1:1")
            && output.contains("upstream        http://upstream.example/v1"),
        "{output}"
    );
    let (code, output) = run(&["check"], &[("ACCESS_KEYS_FILE", &keys), ("OPENAI_API_KEY_FILE", &api_key)]);
    assert_eq!(code, Some(0), "{output}");
    let (code, output) = run(&["--acces-keys"], &[]);
    assert!(code == Some(2) && output.contains("--access-keys-file"), "{output}");
}

fn port_in_use() {
    let taken = TcpListener::bind(LOOPBACK).unwrap();
    let address = taken.local_addr().unwrap().to_string();
    for (listen, metrics) in [(&*address, LOOPBACK), (LOOPBACK, &*address)] {
        let listens = [("LISTEN", listen), ("METRICS_LISTEN", metrics)];
        let (code, output) = run(&[], &[&[("OPENAI_API_KEY", API_KEY), ("ACCESS_KEYS", KEY)], &listens[..]].concat());
        assert!(code == Some(1) && output.contains(&format!("cannot listen on {address}")), "{output}");
        assert!(output.contains("; another program listens there: stop it, or set another port"), "{output}");
    }
}

fn help() {
    let (code, output) = run(&["--help"], &[]);
    assert_eq!(code, Some(0));
    assert!(output.lines().all(|line| line.chars().count() <= 100), "{output}");
    let output = output.split_whitespace().collect::<Vec<_>>().join(" ");
    let shared = sparekey_core::SETTINGS.iter().map(|setting| setting.name);
    let own = [
        ("LISTEN", "127.0.0.1:8080"),
        ("SHUTDOWN_DELAY", "0"),
        ("REUSE_PORT", "no"),
        ("UPSTREAM_TIMEOUT", "900"),
        ("UPSTREAM_IDLE_TIMEOUT", "600"),
        ("HEADER_TIMEOUT", "10"),
        ("IDLE_TIMEOUT", "75"),
        ("SEND_TIMEOUT", "60"),
        ("MAX_HEAD", "65536"),
        ("MAX_UNFINISHED_HEADS", "4194304"),
        ("MAX_CONNECTIONS", "10000"),
        ("MAX_CONNECTIONS_PER_ADDRESS", "256"),
        ("TRUSTED_PROXIES", "127.0.0.0/8,::1"),
        ("USAGE_RETENTION", "400"),
        ("DRAIN_TIMEOUT", "30"),
        ("LOG", "info"),
        ("LOG_FORMAT", "text"),
        ("API_BASE", "https://api.openai.com/v1"),
    ];
    for name in shared
        .chain(["TLS_CERT", "TLS_KEY", "MAX_REQUESTS_PER_USER", "METRICS_LISTEN", "LEDGER", "PRICES_FILE"])
        .chain(own.iter().map(|(name, _)| *name))
    {
        assert!(output.contains(&format!("[env: {name}")), "{name} is missing in {output}");
    }
    for (name, default) in own {
        assert!(output.contains(&format!("[default: {default}] [env: {name}]")), "{name} is missing in {output}");
    }
}

const OTHER_CASE: &str =
    "[users.tom]\nkeys = [\"sha256:ee66a027b00f4e72a80ed34d4fa814f6b9b2714f915f6e51f2c5b5da9927c339\"]";

const UNPRICED: &str = "[users.Tom]\nmodels = [\"llama-3\", \"gpt-5.4-2026*\", \"gpt5*\", \"gpt-5*\", \"*-mini\", \"gpt-5.4\"]\n\
                        budgets = [{ usd = 5, per = \"month\" }]";

/// A setting, its value, the start of the warning.
const MISTAKES: [(&str, &str, &str); 11] = [
    ("API_BASE", "http://llm.example.com/v1", "API_BASE is plain HTTP"),
    ("API_BASE", "https://gateway.ai.cloudflare.com/v1/a/g", "API_BASE names no provider"),
    ("ACCESS_KEYS", "sk-Tom-password", "ACCESS_KEYS item 1: its random part"),
    ("USERS", "timezone = \"Europe/Berlin\"", "USERS lists no user"),
    ("USERS", UNPRICED, "USERS has models without a price, which users with a budget cannot use: gpt5*, llama-3;"),
    ("USERS", OTHER_CASE, "USERS lists tom, and ACCESS_KEYS has a key of Tom"),
    ("LISTEN", ALL_INTERFACES, "LISTEN serves other machines without TLS"),
    ("METRICS_LISTEN", "0.0.0.0:9090", "METRICS_LISTEN is open"),
    ("OPENAI_BASE_URL", "https://llm.example.com/v1", "OPENAI_BASE_URL is not a setting"),
    ("ACCES_KEYS", "x", "ACCES_KEYS is not a setting of this server; use ACCESS_KEYS"),
    ("HTTP_PROXY", "http://127.0.0.1:1", "HTTP_PROXY is set"),
];

fn mistakes() {
    let check = |list: &[(&str, &str)]| {
        let (code, output) = run(&["check"], list);
        assert_eq!(code, Some(0), "{output}");
        output
    };
    let valid = [("OPENAI_API_KEY", API_KEY), ("ACCESS_KEYS", KEY), ("LISTEN", LOOPBACK)];
    assert!(!check(&valid).contains("warning:"));
    for (name, value, warning) in MISTAKES {
        let others = valid.into_iter().filter(|(other, _)| *other != name);
        let output = check(&others.chain([(name, value)]).collect::<Vec<_>>());
        assert!(output.contains(&format!("warning: {warning}")), "{name}: {output}");
    }
    let key_file = write_key();
    for (mode, is_readable) in [(0o600, false), (0o644, true)] {
        fs::set_permissions(&key_file, fs::Permissions::from_mode(mode)).expect("set the mode");
        let path = key_file.to_string_lossy().into_owned();
        let output = check(&[("OPENAI_API_KEY_FILE", &path), ("ACCESS_KEYS", KEY), ("LISTEN", LOOPBACK)]);
        assert_eq!(output.contains("can be read by every user of this machine"), is_readable, "{output}");
    }
    fs::remove_file(key_file).expect("remove the file");
}

/// A file with the API key.
fn write_key() -> PathBuf {
    let path = env::temp_dir().join(format!("sparekey-key-{}", std::process::id()));
    fs::write(&path, API_KEY).expect("write a file");
    path
}

fn same_address() {
    let list = [("OPENAI_API_KEY", API_KEY), ("ACCESS_KEYS", KEY), ("LISTEN", "127.0.0.1:8080")];
    assert_rejected(
        &[&list[..], &[("METRICS_LISTEN", "127.0.0.1:8080")]].concat(),
        &["METRICS_LISTEN and LISTEN are the same"],
    );
}
