//! The binary, as a shell runs it.

use std::process::{Command, Output};

use sparekey_core::AccessKey;

fn keygen(arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_keygen")).args(arguments).output().unwrap()
}

#[track_caller]
fn printed(arguments: &[&str]) -> Vec<String> {
    let output = keygen(arguments);
    let errors = String::from_utf8(output.stderr).unwrap();
    assert!(output.status.success(), "{errors}");
    assert_eq!(errors, "");
    let text = String::from_utf8(output.stdout).unwrap();
    assert!(text.ends_with('\n'));
    text.lines().map(str::to_owned).collect()
}

#[track_caller]
fn refused(arguments: &[&str], reason: &str) {
    let output = keygen(arguments);
    let errors = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(2), "{errors}");
    assert_eq!(output.stdout, b"");
    assert!(errors.contains(reason), "{errors}");
}

fn users(lines: &[String]) -> Vec<&str> {
    lines.iter().map(|line| AccessKey::parse(line).unwrap().user()).collect()
}

#[test]
fn one_key_and_nothing_else() {
    let lines = printed(&["Tom"]);
    assert_eq!(users(&lines), ["Tom"]);
    assert_eq!(lines[0].len(), "sk-Tom-".len() + 32);
}

#[test]
fn one_line_for_each_name_in_their_order() {
    assert_eq!(users(&printed(&["Tom", "anna-maria.k_2", "Tom"])), ["Tom", "anna-maria.k_2", "Tom"]);
}

#[test]
fn count_is_for_each_name() {
    let lines = printed(&["--count", "2", "Tom", "Anna"]);
    assert_eq!(users(&lines), ["Tom", "Tom", "Anna", "Anna"]);
    assert_ne!(lines[0], lines[1]);
}

#[test]
fn length_is_the_random_part_s() {
    assert_eq!(printed(&["Tom", "--length", "22"])[0].len(), "sk-Tom-".len() + 22);
    assert_eq!(printed(&["Tom", "--length=128"])[0].len(), "sk-Tom-".len() + 128);
    refused(&["Tom", "--length", "21"], "21 is not in 22..=128");
    refused(&["Tom", "--length", "129"], "129 is not in 22..=128");
}

#[test]
fn digest_follows_the_key_after_a_tab() {
    let lines = printed(&["--digest", "Tom", "Anna"]);
    assert_eq!(lines.len(), 2);
    for line in &lines {
        let (key, item) = line.split_once('\t').unwrap();
        let key = AccessKey::parse(key).unwrap();
        assert_eq!(item, format!("sha256:{}:{}", key.user(), key.digest()));
    }
}

#[test]
fn a_name_may_begin_with_a_dash() {
    assert_eq!(users(&printed(&["--", "-Tom-"])), ["-Tom-"]);
}

#[test]
fn a_bad_name_is_refused_with_its_character_and_place() {
    refused(&["T m"], "character 2 is ' '");
    refused(&["Zoë"], "character 3 is 'ë'");
    refused(&["Tom,Anna"], "character 4 is ','");
    refused(&[""], "1 to 64 characters, this one 0");
    refused(&[&"u".repeat(65)], "1 to 64 characters, this one 65");
}

#[test]
fn one_bad_name_among_good_ones_prints_no_key() {
    refused(&["Tom", "Anna", "B:b"], "character 2 is ':'");
}

#[test]
fn nothing_asked_or_too_much_is_refused() {
    refused(&[], "<NAME>");
    refused(&["Tom", "--count", "0"], "0 is not in 1..=10000");
    refused(&["Tom", "--lenght", "40"], "--length");
}

#[test]
fn help_tells_of_bits_and_gives_examples() {
    let help = printed(&["--help"]).join("\n");
    for told in ["128", "190", "bits", "keygen --digest Tom", "sha256:{user}:{hex}"] {
        assert!(help.contains(told), "{told} is missing from: {help}");
    }
}

#[cfg(target_os = "linux")]
#[test]
fn output_that_can_t_be_written_is_a_failure() {
    let full = std::fs::OpenOptions::new().write(true).open("/dev/full").unwrap();
    let output = Command::new(env!("CARGO_BIN_EXE_keygen")).arg("Tom").stdout(full).output();
    let output = output.unwrap();
    assert_eq!(output.status.code(), Some(1));
    assert!(String::from_utf8(output.stderr).unwrap().starts_with("error: can't print: "));
}
