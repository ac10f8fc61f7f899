//! Settings: where they come from, and what is output of wrong ones.

use std::{ffi::OsStr, fs, net::TcpListener, os::unix::ffi::OsStrExt as _, process::Command};

use super::Test;
use crate::{
    adapter::Settings,
    case_files::{API_KEY, KEY},
    process::Process,
    server::binary,
    tls::Authority,
};

pub(super) const TESTS: &[Test] = &[
    ("every_problem_is_listed_at_once", every_problem),
    ("each_problem_is_refused", each_problem),
    ("what_is_not_text_is_refused", not_text),
    ("no_key_never_opens_the_door", no_key),
    ("no_key_in_a_file_never_opens_the_door", no_key_in_file),
    ("check_tells_and_ends", check),
    ("flags_come_before_the_environment", flags),
    ("a_port_in_use_is_told", port_in_use),
    ("help_names_every_setting", help),
];

pub(super) const LOOPBACK: &str = "127.0.0.1:0";
const EVERYWHERE: &str = "0.0.0.0:0";

pub(super) fn settings(list: &[(&str, &str)]) -> Settings {
    list.iter().map(|&(name, value)| (name.to_owned(), value.to_owned())).collect()
}

/// Runs the server to its end; it also looks that no secret was told.
fn run(arguments: &[&str], list: &[(&str, &str)]) -> (Option<i32>, String) {
    let (status, output) = Process::start(Command::new(binary()).args(arguments), &settings(list)).wait();
    (status.code(), output)
}

#[track_caller]
fn refused(list: &[(&str, &str)], reasons: &[&str]) {
    let (code, output) = run(&[], list);
    assert_eq!(code, Some(2), "{output}");
    for reason in reasons {
        assert!(output.contains(reason), "{reason} stands in {output}");
    }
    assert!(!output.contains("secret"), "{output}");
}

fn every_problem() {
    refused(
        &[
            ("LISTEN", "127.0.0.1:99999"),
            ("OPENAI_API_KEY", API_KEY),
            ("ACCESS_KEYS", &format!("{KEY},sk-Tom-shrt,{KEY},{API_KEY}")),
            ("API_BASE", "ftp://user:secret@host/v1"),
            ("AI_GATEWAY_TOKEN_FILE", "/secret/not-there"),
            ("UPSTREAM_TIMEOUT", "soon"),
            ("TLS_CERT", "cert.pem"),
        ],
        &[
            "LISTEN must be",
            "ACCESS_KEYS item 2:",
            "ACCESS_KEYS item 3 repeats",
            "ACCESS_KEYS item 4 is the real key",
            "API_BASE must",
            "AI_GATEWAY_TOKEN_FILE names a file that can't be read",
            "UPSTREAM_TIMEOUT must be",
            "TLS_KEY is not",
        ],
    );
}

fn each_problem() {
    for (name, value, reason) in [
        ("OPENAI_API_KEY", "", "OPENAI_API_KEY is not set"),
        ("ACCESS_KEYS", "sk-Tom-secret", "item 1"),
        ("API_BASE", "https://secret@host/v1", "API_BASE must not hold a user"),
        ("API_BASE", "https://host/v1?secret", "API_BASE must not have a query"),
        ("API_BASE", "https://host/v1#secret", "API_BASE must not have a fragment"),
        ("API_BASE", "gopher://host/", "API_BASE must begin with"),
        ("LISTEN", "127.0.0.1:http", "LISTEN must be"),
        ("LISTEN", "8080", "LISTEN must be"),
        ("MAX_HEAD", "100", "MAX_HEAD must be"),
        ("LOG", "loud", "LOG must be"),
        ("SSL_CERT_FILE", "/not/there", "SSL_CERT_FILE"),
    ] {
        let mut list = vec![("OPENAI_API_KEY", API_KEY), ("ACCESS_KEYS", KEY), ("LISTEN", LOOPBACK)];
        list.retain(|(known, _)| *known != name);
        refused(&[list, vec![(name, value)]].concat(), &[reason]);
    }
}

fn not_text() {
    for name in ["OPENAI_API_KEY", "ACCESS_KEYS", "API_BASE", "LISTEN", "MAX_HEAD", "LOG", "TLS_CERT"] {
        let mut list = vec![("OPENAI_API_KEY", API_KEY), ("ACCESS_KEYS", KEY), ("LISTEN", LOOPBACK)];
        list.retain(|(known, _)| *known != name);
        let value = OsStr::from_bytes(b"http://secret\xff/");
        let mut server = Command::new(binary());
        server.env_clear().env(name, value);
        let (status, output) = Process::start_with_inherited_env(&mut server, &settings(&list)).wait();
        assert!(status.code() == Some(2) && output.contains(name) && !output.contains("secret"), "{name}: {output}");
    }
}

fn no_key() {
    for keys in ["", "  ", "\n", ",", " , ,\n,"] {
        refused(
            &[("OPENAI_API_KEY", API_KEY), ("ACCESS_KEYS", keys), ("LISTEN", EVERYWHERE)],
            &["ACCESS_KEYS holds no key"],
        );
    }
    refused(&[("OPENAI_API_KEY", API_KEY), ("LISTEN", EVERYWHERE)], &["ACCESS_KEYS holds no key"]);
    refused(&[("OPENAI_API_KEY", API_KEY), ("LISTEN", LOOPBACK), ("ACCESS_KEYS", ",")], &["ACCESS_KEYS holds no key"]);
}

fn no_key_in_file() {
    // Any folder that goes away by itself.
    let authority = Authority::new();
    let path = authority.file().replace("authority.pem", "keys");
    for (text, listen) in [("", EVERYWHERE), ("\n", EVERYWHERE), (" ,\n,", EVERYWHERE), (",", LOOPBACK), ("", "[::]:0")]
    {
        fs::write(&path, text).unwrap();
        refused(
            &[("OPENAI_API_KEY", API_KEY), ("ACCESS_KEYS_FILE", &path), ("LISTEN", listen)],
            &["ACCESS_KEYS holds no key"],
        );
    }
    fs::write(&path, " \n").unwrap();
    refused(&[("OPENAI_API_KEY_FILE", &path), ("ACCESS_KEYS", KEY)], &["OPENAI_API_KEY is not set"]);
}

fn check() {
    let good = [("OPENAI_API_KEY", API_KEY), ("ACCESS_KEYS", KEY)];
    let (code, output) = run(&["check"], &good);
    assert!(code == Some(0) && output.contains("127.0.0.1:8080 to https://api.openai.com/v1"), "{output}");
    let (code, output) = run(&["check"], &[("ACCESS_KEYS", "x"), ("LISTEN", "y")]);
    assert_eq!(code, Some(2), "{output}");
    assert!(
        output.contains("OPENAI_API_KEY") && output.contains("ACCESS_KEYS item 1") && output.contains("LISTEN"),
        "{output}"
    );
}

fn flags() {
    // Any folder that goes away by itself.
    let authority = Authority::new();
    let file = |name: &str, text: &str| {
        let path = authority.file().replace("authority.pem", name);
        fs::write(&path, text).unwrap();
        path
    };
    let (keys, real) = (file("keys", &format!("{KEY}\n")), file("real", &format!("{API_KEY}\n")));
    let wrong =
        [("LISTEN", "nowhere"), ("API_BASE", "nowhere"), ("ACCESS_KEYS", "nothing"), ("OPENAI_API_KEY", "no\tkey")];
    let arguments = [
        ["--listen", "127.0.0.1:1"],
        ["--api-base", "http://upstream.example"],
        ["--access-keys-file", &keys],
        ["--openai-api-key-file", &real],
    ];
    let (code, output) = run(&[&["check"], arguments.concat().as_slice()].concat(), &wrong);
    assert!(code == Some(0) && output.contains("127.0.0.1:1 to http://upstream.example/v1"), "{output}");
    let (code, output) = run(&["check"], &[("ACCESS_KEYS_FILE", &keys), ("OPENAI_API_KEY_FILE", &real)]);
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
        assert!(code == Some(1) && output.contains(&format!("can't listen on {address}")), "{output}");
    }
}

fn help() {
    let (code, output) = run(&["--help"], &[]);
    assert_eq!(code, Some(0));
    let shared = sparekey_core::SETTINGS.iter().map(|setting| setting.name);
    let own = [
        ("LISTEN", "127.0.0.1:8080"),
        ("UPSTREAM_TIMEOUT", "600"),
        ("UPSTREAM_IDLE_TIMEOUT", "600"),
        ("HEADER_TIMEOUT", "10"),
        ("IDLE_TIMEOUT", "75"),
        ("MAX_HEAD", "65536"),
        ("MAX_CONNECTIONS", "10000"),
        ("DRAIN_TIMEOUT", "30"),
        ("LOG", "info"),
        ("LOG_FORMAT", "text"),
        ("API_BASE", "https://api.openai.com/v1"),
    ];
    for name in shared.chain(["TLS_CERT", "TLS_KEY"]).chain(own.iter().map(|(name, _)| *name)) {
        assert!(output.contains(&format!("[env: {name}")), "{name} stands in {output}");
    }
    for (name, default) in own {
        assert!(output.contains(&format!("[default: {default}] [env: {name}]")), "{name} stands in {output}");
    }
}
