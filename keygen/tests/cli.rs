//! Runs the binary as a shell does.

use std::{
    io::Write as _,
    process::{Command, Output, Stdio},
};

use sparekey_core::AccessKey;

fn keygen(arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_keygen")).args(arguments).output().unwrap()
}

#[track_caller]
fn run(arguments: &[&str]) -> Vec<String> {
    let output = keygen(arguments);
    let errors = String::from_utf8(output.stderr).unwrap();
    assert!(output.status.success(), "{errors}");
    assert_eq!(errors, "");
    let text = String::from_utf8(output.stdout).unwrap();
    assert!(text.ends_with('\n'));
    text.lines().map(str::to_owned).collect()
}

#[track_caller]
fn assert_rejected(arguments: &[&str], message: &str) {
    let output = keygen(arguments);
    let errors = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(2), "{errors}");
    assert_eq!(output.stdout, b"");
    assert!(errors.contains(message), "{errors}");
}

/// The exit code, the output and the errors of `keygen --digest-of`.
fn digest_of(input: &str) -> (Option<i32>, String, String) {
    let mut command = Command::new(env!("CARGO_BIN_EXE_keygen"));
    command.arg("--digest-of").stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().unwrap();
    child.stdin.take().unwrap().write_all(input.as_bytes()).unwrap();
    let output = child.wait_with_output().unwrap();
    let [text, errors] = [output.stdout, output.stderr].map(|bytes| String::from_utf8(bytes).unwrap());
    (output.status.code(), text, errors)
}

fn users(lines: &[String]) -> Vec<&str> {
    lines.iter().map(|line| AccessKey::parse(line).unwrap().user()).collect()
}

#[test]
fn prints_one_key() {
    let lines = run(&["Tom"]);
    assert_eq!(users(&lines), ["Tom"]);
    assert_eq!(lines[0].len(), "sk-Tom-".len() + 32);
}

#[test]
fn one_line_per_name_in_order() {
    assert_eq!(users(&run(&["Tom", "anna-maria.k_2", "Tom"])), ["Tom", "anna-maria.k_2", "Tom"]);
}

#[test]
fn items_of_existing_keys() {
    let lines = run(&["--digest", "Tom", "Anna"]);
    let (keys, items): (Vec<_>, Vec<_>) = lines.iter().map(|line| line.split_once('\t').unwrap()).unzip();
    let input = format!("\n{}\r\n  {}", keys[0], keys[1]);
    assert_eq!(digest_of(&input), (Some(0), format!("{}\n{}\n", items[0], items[1]), String::new()));
    let (code, output, errors) = digest_of(&format!("{}\nnot-a-key-{}\n", keys[0], "secret"));
    assert_eq!((code, &*output), (Some(1), ""));
    assert!(errors.contains("line 2") && !errors.contains("secret") && !errors.contains(keys[0]), "{errors}");
    assert_eq!(digest_of("\n").0, Some(1));
    assert_rejected(&["--digest-of", "Tom"], "--digest-of");
}

#[test]
fn count_is_per_name() {
    let lines = run(&["--count", "2", "Tom", "Anna"]);
    assert_eq!(users(&lines), ["Tom", "Tom", "Anna", "Anna"]);
    assert_ne!(lines[0], lines[1]);
}

#[test]
fn length_of_the_random_part() {
    assert_eq!(run(&["Tom", "--length", "22"])[0].len(), "sk-Tom-".len() + 22);
    assert_eq!(run(&["Tom", "--length=128"])[0].len(), "sk-Tom-".len() + 128);
    assert_rejected(&["Tom", "--length", "21"], "21 is not in 22..=128");
    assert_rejected(&["Tom", "--length", "129"], "129 is not in 22..=128");
}

#[test]
fn digest_follows_the_key_after_a_tab() {
    let lines = run(&["--digest", "Tom", "Anna"]);
    assert_eq!(lines.len(), 2);
    for line in &lines {
        let (key, item) = line.split_once('\t').unwrap();
        let key = AccessKey::parse(key).unwrap();
        assert_eq!(item, format!("sha256:{}:{}", key.user(), key.digest()));
    }
}

#[test]
fn name_with_leading_dash() {
    assert_eq!(users(&run(&["--", "-Tom-"])), ["-Tom-"]);
}

#[test]
fn invalid_names_report_the_character() {
    assert_rejected(&["T m"], "character 2 is ' '");
    assert_rejected(&["Zoë"], "character 3 is 'ë'");
    assert_rejected(&["Tom,Anna"], "character 4 is ','");
    assert_rejected(&[""], "1 to 64 characters, this one 0");
    assert_rejected(&[&"u".repeat(65)], "1 to 64 characters, this one 65");
}

#[test]
fn one_invalid_name_prints_no_key() {
    assert_rejected(&["Tom", "Anna", "B:b"], "character 2 is ':'");
}

#[test]
fn invalid_arguments() {
    assert_rejected(&[], "<NAME>");
    assert_rejected(&["Tom", "--count", "0"], "0 is not in 1..=10000");
    assert_rejected(&["Tom", "--lenght", "40"], "--length");
}

#[test]
fn help_has_bits_and_examples() {
    let help = run(&["--help"]).join("\n");
    for text in ["128", "190", "bits", "keygen --digest Tom", "sha256:{user}:{hex}"] {
        assert!(help.contains(text), "missing {text:?} in: {help}");
    }
}

#[cfg(target_os = "linux")]
#[test]
fn unwritable_output_fails() {
    let full = std::fs::OpenOptions::new().write(true).open("/dev/full").unwrap();
    let output = Command::new(env!("CARGO_BIN_EXE_keygen")).arg("Tom").stdout(full).output();
    let output = output.unwrap();
    assert_eq!(output.status.code(), Some(1));
    assert!(String::from_utf8(output.stderr).unwrap().starts_with("error: cannot write the keys: "));
}
