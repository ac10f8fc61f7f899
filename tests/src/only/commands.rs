//! The subcommands that set up and watch the server: `keygen`, `health`, `completions`, `man`.

use std::process::{Command, Output, Stdio};

use super::{Test, settings_for, start};
use crate::{
    adapter::Running as _,
    case_files::digest,
    server::{RunningServer, binary},
    tls::Authority,
    upstream::Upstream,
};

pub(super) const TESTS: &[Test] = &[
    ("keygen_makes_a_key", keygen),
    ("health_of_a_server", health),
    ("health_over_tls_trusts_the_certificate_of_the_settings", health_over_tls),
    ("completions_are_scripts", completions),
    ("man_page_has_flags_and_commands", man_page),
];

fn run(arguments: &[&str], settings: &[(&str, &str)]) -> Output {
    let mut command = Command::new(binary());
    command.args(arguments).env_clear().envs(settings.iter().copied()).stdin(Stdio::null());
    command.output().expect("the server's program runs")
}

fn keygen() {
    let output = run(&["keygen", "--digest", "Tom"], &[]);
    let text = String::from_utf8(output.stdout).expect("UTF-8");
    let (key, item) = text.trim_end().split_once('\t').expect("a key and its item");
    assert!(key.starts_with("sk-Tom-"), "{key}");
    assert_eq!(item.replace("sha256:Tom:", "sha256:"), digest(key));
    let output = run(&["keygen", "T m"], &[]);
    assert_eq!((output.status.code(), output.stdout.len()), (Some(2), 0));
    let help = String::from_utf8(run(&["keygen", "--help"], &[]).stdout).expect("UTF-8");
    assert!(help.contains("\n  sparekey keygen --digest Tom | cut -f2  "), "{help}");
}

/// The exit code, and the reason.
fn ask(settings: &[(&str, &str)]) -> (Option<i32>, String) {
    let output = run(&["health"], settings);
    (output.status.code(), String::from_utf8(output.stderr).expect("UTF-8"))
}

fn health() {
    let upstream = Upstream::start();
    let proxy = start(upstream.address(), &[]);
    let address = proxy.address().to_string();
    assert_eq!(ask(&[("LISTEN", &address)]), (Some(0), String::new()));
    let port = proxy.address().port().to_string();
    assert_eq!(ask(&[("LISTEN", &format!("0.0.0.0:{port}"))]).0, Some(0));
    // Secrets that cannot be read are not needed.
    assert_eq!(ask(&[("LISTEN", &address), ("OPENAI_API_KEY_FILE", "/not/there")]).0, Some(0));
    drop(proxy);
    let (code, reason) = ask(&[("LISTEN", &address)]);
    assert!(code == Some(1) && reason.contains(&address), "{reason}");
    let named = "no connection to a server, with the LISTEN of these settings";
    assert!(reason.contains(named) && reason.contains("refused") && !reason.contains("upstream"), "{reason}");
    // A program that does not speak HTTP.
    let silent = std::net::TcpListener::bind("127.0.0.1:0").expect("a free port");
    let address = silent.local_addr().expect("an address").to_string();
    let closes = std::thread::spawn(move || drop(silent.accept()));
    let (code, reason) = ask(&[("LISTEN", &address)]);
    assert!(code == Some(1) && reason.contains("/healthz") && !reason.contains("upstream"), "{reason}");
    closes.join().expect("the listener ends");
}

fn health_over_tls() {
    let (authority, other) = (Authority::new(), Authority::new());
    let ((cert, key), (other_cert, _)) = (authority.files("proxy.example"), other.files("proxy.example"));
    let upstream = Upstream::start();
    let settings = settings_for(&format!("http://{}", upstream.address()), &[("TLS_CERT", &cert), ("TLS_KEY", &key)]);
    let proxy = RunningServer::start(&settings);
    let address = proxy.address().to_string();
    assert_eq!(ask(&[("LISTEN", &address), ("TLS_CERT", &cert), ("TLS_KEY", &key)]), (Some(0), String::new()));
    let (code, reason) = ask(&[("LISTEN", &address), ("TLS_CERT", &other_cert), ("TLS_KEY", &key)]);
    assert_eq!(code, Some(1), "{reason}");
}

fn completions() {
    for shell in ["bash", "zsh", "fish", "elvish", "powershell"] {
        let output = run(&["completions", shell], &[]);
        let text = String::from_utf8(output.stdout).expect("UTF-8");
        assert!(output.status.success() && text.contains("max-connections") && text.contains("rotate"), "{shell}");
    }
    let script = run(&["completions", "bash"], &[]).stdout;
    let path = std::env::temp_dir().join(format!("sparekey-completions-{}", std::process::id()));
    std::fs::write(&path, script).expect("write a file");
    // The words after `sparekey --max-c`, as the shell asks for them.
    let ask = "source \"$0\"; COMP_WORDS=(sparekey --max-c); COMP_CWORD=1; _sparekey sparekey --max-c sparekey; \
               echo \"${COMPREPLY[@]}\"";
    let output = Command::new("bash").args(["--norc", "-c", ask]).arg(&path).output().expect("bash runs");
    std::fs::remove_file(path).expect("remove the file");
    let words = String::from_utf8(output.stdout).expect("UTF-8");
    assert_eq!(words.trim(), "--max-connections --max-connections-per-address");
    assert_eq!(run(&["completions", "csh"], &[]).status.code(), Some(2));
}

fn man_page() {
    let output = run(&["man"], &[]);
    let page = String::from_utf8(output.stdout).expect("UTF-8");
    assert!(output.status.success() && page.contains(".TH sparekey 1"), "{page}");
    for part in ["\\-\\-api\\-base", "sparekey\\-keygen(1)", "Examples:"] {
        assert!(page.contains(part), "{part} is missing in {page}");
    }
}
