//! The users file: what it means, and the message of each mistake.
#![cfg(feature = "users-file")]
#![allow(
    clippy::arithmetic_side_effects,
    clippy::indexing_slicing,
    clippy::string_slice,
    clippy::unwrap_used,
    reason = "a test may panic"
)]

mod meaning;
mod mistakes;
mod properties;

use sparekey_policy::{Checks, Enforced, KeySource, Timestamp, User, Users, UsersFileError};

const NOW: Timestamp = Timestamp::from_seconds(1_795_780_800);

const A: &str = "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa";
const B: &str = "BBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBB";

fn check_name(name: &str) -> Result<(), String> {
    if name.contains(' ') { Err("it has a space".to_owned()) } else { Ok(()) }
}

fn check_route(route: &str) -> Result<(), String> {
    if route.starts_with('/') || route == "inference" { Ok(()) } else { Err("must be a family or a path".to_owned()) }
}

fn check_api_key(source: &KeySource) -> Result<(), String> {
    if *source == KeySource::Env("NOT_SET".to_owned()) {
        Err("names a variable that is not set".to_owned())
    } else {
        Ok(())
    }
}

fn read(text: &str) -> Result<Users, UsersFileError> {
    read_enforcing(text, Enforced::ALL)
}

fn read_enforcing(text: &str, enforced: Enforced<'_>) -> Result<Users, UsersFileError> {
    let has_key = |name: &str| name == "Tom" || name == "Ann";
    Users::from_toml(
        text,
        NOW,
        &Checks { user_name: &check_name, route: &check_route, has_key: &has_key, api_key: &check_api_key, enforced },
    )
}

fn tom(text: &str) -> User {
    read(text).unwrap().get("Tom").unwrap().clone()
}

#[track_caller]
fn is_refused(text: &str, messages: &[&str]) {
    let error = read(text).unwrap_err();
    assert_eq!(error.problems().iter().map(ToString::to_string).collect::<Vec<_>>(), messages, "{text}");
}

/// Checks the message of one line in Tom's table, which is line 2.
#[track_caller]
fn is_refused_line(line: &str, message: &str) {
    is_refused(&format!("[users.Tom]\n{line}"), &[&format!("line 2: users.Tom.{message}")]);
}
