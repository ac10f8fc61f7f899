//! Temporary access keys, and the demo.

use std::{net::SocketAddr, process::Command};

use super::{
    Test,
    settings::{ALL_INTERFACES, LOOPBACK, settings},
};
use crate::{
    adapter::Settings,
    case_files::{API_KEY, GATEWAY_TOKEN, KEY},
    process::Process,
    raw_connection::RawConnection,
    server::{binary, listening_on},
    upstream::RespondingUpstream,
    wire::error_code,
};

pub(super) const TESTS: &[Test] = &[
    ("temporary_key_on_a_terminal", temporary_key),
    ("no_temporary_key_without_a_terminal", no_terminal),
    ("stdout_has_only_the_key_and_its_commands", standard_output),
    ("demo_needs_no_settings", demo),
    ("demo_ignores_the_owners_settings", demo_of_an_owner),
    ("demo_uses_configured_access_keys", demo_with_keys),
    ("demo_enforces_limits", demo_with_limits),
];

/// Runs a program on a terminal of its own, and ends it at its own end.
const TERMINAL: &str = "
import ctypes, os, pty, sys
pid, terminal = pty.fork()
if pid == 0:
    PR_SET_PDEATHSIG, SIGKILL = 1, 9
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, SIGKILL)
    os.execv(sys.argv[1], sys.argv[1:])
while data := os.read(terminal, 4096):
    os.write(1, data)
";

/// The temporary key that a server prints.
fn printed_key(process: &Process) -> String {
    process.wait_for(|line| Some(line.split_once("An access key for this run: ")?.1.to_owned()))
}

fn status(proxy: SocketAddr, authorization: &str) -> u16 {
    let mut client = RawConnection::connect(proxy);
    client.send(format!("GET /v1/models HTTP/1.1\r\nhost: x\r\nauthorization: {authorization}\r\n\r\n"));
    client.head().status()
}

fn temporary_key() {
    let upstream = RespondingUpstream::start(|_| b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok".to_vec());
    let base = format!("http://{}", upstream.address());
    let mut before = KEY.to_owned();
    for keys in ["", "  "] {
        let list = [("OPENAI_API_KEY", API_KEY), ("API_BASE", base.as_str()), ("ACCESS_KEYS", keys)];
        let list = settings(&[&list[..], &[("LISTEN", LOOPBACK)]].concat());
        let process = Process::start(Command::new("python3").args(["-c", TERMINAL]).arg(binary()), &list);
        let proxy = process.wait_for(listening_on);
        let key = printed_key(&process).trim().to_owned();
        process.wait_for(|line| (line.trim() == "END").then_some(()));
        let output = process.output();
        let curl = format!("curl http://{proxy}/v1/models -H 'Authorization: Bearer {key}'");
        assert!(output.contains(&curl) && output.contains("from openai import OpenAI"), "{output}");
        assert_eq!(status(proxy, &format!("Bearer {key}")), 200);
        for other in ["", "Bearer", "Bearer ", "Bearer ,", &format!("Bearer {API_KEY}"), &format!("Bearer {before}")] {
            assert_eq!(status(proxy, other), 401, "{other}");
        }
        before = key;
    }
}

/// Standard output may be a log.
fn no_terminal() {
    let list = settings(&[("OPENAI_API_KEY", API_KEY), ("LISTEN", LOOPBACK)]);
    let (status, output) = Process::start(&mut Command::new(binary()), &list).wait();
    assert!(status.code() == Some(2) && output.contains("ACCESS_KEYS contains no key"), "{output}");
}

fn standard_output() {
    let list = settings(&[("LISTEN", LOOPBACK)]);
    let shell = |script: &str, list: &Settings| {
        Process::start(Command::new("/bin/sh").args(["-c", &format!("exec \"$0\" {script}")]).arg(binary()), list)
    };
    // The log goes to standard error and does not contain the key, so that a pipe receives only the key.
    let stdout = shell("--demo 2>/dev/null", &list);
    let key = printed_key(&stdout);
    stdout.wait_for(|line| (line.trim() == "END").then_some(()));
    assert!(!stdout.output().contains("listening on"), "{}", stdout.output());
    let mut stderr = shell("--demo >/dev/null", &list);
    stderr.wait_for(listening_on);
    stderr.signal("TERM");
    let (_, output) = stderr.wait();
    assert!(!output.contains("sk-me-") && key.starts_with("sk-me-"), "{output}");
    // Problems go to standard error.
    let (status, output) = shell("2>/dev/null", &settings(&[])).wait();
    assert_eq!((status.code(), output.as_str()), (Some(2), ""));
    let (status, output) = shell("check 2>/dev/null", &settings(&[("OPENAI_API_KEY", "no\tkey")])).wait();
    assert_eq!((status.code(), output.as_str()), (Some(2), ""));
}

/// Starts the demo with these flags and settings; it must accept this key and no other.
fn demo_with(flags: &[&str], list: &[(&str, &str)], key: Option<&str>) {
    // Any address: the demo's key is of no use elsewhere.
    let list = settings(&[&[("LISTEN", ALL_INTERFACES)], list].concat());
    let process = Process::start(Command::new(binary()).arg("--demo").args(flags), &list);
    let address = process.wait_for(listening_on);
    let key = key.map_or_else(|| printed_key(&process), str::to_owned);
    let mut client = RawConnection::connect(address);
    client.send(format!("GET /v1/models HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {key}\r\n\r\n"));
    let head = client.head();
    assert_eq!(head.status(), 200);
    assert!(String::from_utf8(client.body(&head)).unwrap().contains("gpt-5.4-mini"));
    client.send("GET /v1/models HTTP/1.1\r\nhost: x\r\nauthorization: Bearer sk-a-12345678\r\n\r\n");
    let head = client.head();
    assert_eq!(error_code(&client.body(&head)), "invalid_api_key");
}

fn demo() {
    demo_with(&[], &[], None);
}

fn demo_of_an_owner() {
    demo_with(
        &[],
        &[("OPENAI_API_KEY", API_KEY), ("API_BASE", "http://127.0.0.1:1"), ("AI_GATEWAY_TOKEN", GATEWAY_TOKEN)],
        None,
    );
    demo_with(&[], &[("OPENAI_API_KEY", "no\tkey"), ("API_BASE", "nowhere"), ("ALLOWED_ORIGINS", "nowhere")], None);
    demo_with(&["--api-base", "nowhere", "--allowed-origins", "nowhere"], &[], None);
    // The key files are not read.
    demo_with(&[], &[("OPENAI_API_KEY_FILE", "/not/there"), ("AI_GATEWAY_TOKEN_FILE", "/not/there")], None);
}

fn demo_with_keys() {
    demo_with(&[], &[("ACCESS_KEYS", KEY)], Some(KEY));
}

fn demo_with_limits() {
    let list = settings(&[("LISTEN", LOOPBACK), ("ACCESS_KEYS", KEY), ("USERS", "[users.Tom]\nroutes = [\"data\"]")]);
    let process = Process::start(Command::new(binary()).arg("--demo"), &list);
    let mut client = RawConnection::connect(process.wait_for(listening_on));
    client.send(format!("GET /v1/models HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {KEY}\r\n\r\n"));
    let head = client.head();
    assert_eq!((head.status(), &*error_code(&client.body(&head))), (403, "route_not_allowed"));
}
