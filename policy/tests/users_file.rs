//! The users file: what it means, and the message of each mistake.
#![cfg(feature = "users-file")]
#![allow(
    clippy::arithmetic_side_effects,
    clippy::indexing_slicing,
    clippy::string_slice,
    clippy::unwrap_used,
    reason = "a test may panic"
)]

use proptest::prelude::*;
use sparekey_policy::{Checks, Enforced, KeySource, Period, Timestamp, Usd, User, UserField, Users, UsersFileError};

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

#[test]
fn every_field() {
    let text = format!(
        r#"
timezone = "Europe/Berlin"

[limits]
requests_per_minute = 60
concurrent_requests = 8

[users.Tom]
keys = ["sha256:{A}", {{ digest = "sha256:Tom:{B}", expires = 2026-12-01, label = "old laptop" }}]
expires = 2027-07-01
budgets = [{{ usd = 5, per = "month" }}, {{ usd = "0.50", per = "day" }}]
tokens_per_minute = 200_000
models = ["gpt-5*", "text-embedding-3-*"]
max_output_tokens = 8192
routes = ["inference", "/v1/custom/*"]
networks = ["203.0.113.0/24", "2001:db8::1"]
disabled = false
metered = true
openai_api_key = "file:tom.key"
openai_project = "proj_abc"

[users.Ann]
"#
    );
    let users = read(&text).unwrap();
    assert_eq!(users.zone().name(), "Europe/Berlin");
    let tom = users.get("Tom").unwrap();
    assert_eq!(tom.keys[0].digest, [0xaa; 32]);
    assert_eq!(tom.keys[1].digest, [0xbb; 32]);
    assert_eq!(tom.keys[1].expires, Some(Timestamp::from_seconds(1_796_079_600)), "00:00 in winter is 23:00 UTC");
    assert_eq!(tom.keys[1].label.as_deref(), Some("old laptop"));
    assert!(!format!("{tom:?}").contains("170, 170"), "Debug shows no digest");
    assert_eq!(tom.expires, Some(Timestamp::from_seconds(1_814_392_800)), "00:00 in summer is 22:00 UTC");
    assert_eq!(tom.limits.budgets.get(Period::Month), Usd::parse("5"));
    assert_eq!(tom.limits.budgets.get(Period::Day), Usd::parse("0.5"));
    assert_eq!(tom.limits.budgets.get(Period::Week), None);
    assert_eq!(tom.limits.tokens_per_minute.unwrap().get(), 200_000);
    assert_eq!(tom.limits.max_output_tokens.unwrap().get(), 8_192);
    assert_eq!(tom.limits.requests_per_minute.unwrap().get(), 60);
    assert_eq!(tom.limits.concurrency(), Some(8));
    assert!(tom.allows_model("gpt-5-mini") && !tom.allows_model("gpt-4o"));
    assert!(tom.allows_address("203.0.113.9".parse().unwrap()) && !tom.allows_address("203.0.114.9".parse().unwrap()));
    assert_eq!(tom.routes.as_deref().unwrap(), ["inference", "/v1/custom/*"]);
    assert!(tom.limits.metered && !tom.disabled);
    assert_eq!(tom.api_key, Some(KeySource::File("tom.key".to_owned())));
    assert_eq!(tom.project.as_deref(), Some("proj_abc"));

    let ann = users.get("Ann").unwrap();
    assert!(ann.keys.is_empty() && ann.models.is_none() && ann.networks.is_none() && ann.expires.is_none());
    assert_eq!(ann.routes.as_deref().unwrap(), ["inference"]);
    assert_eq!(ann.limits.requests_per_minute.unwrap().get(), 60);
    assert!(!ann.limits.is_metered());
    assert!(users.get("Eve").is_none());
}

#[test]
fn files_of_windows_editors() {
    let text = "\u{feff}[users.Tom]\r\ndisabled = true\r\n";
    assert!(tom(text).disabled);
    assert_eq!(read(&format!("{text}x = 1\r\n")).unwrap_err().problems()[0].line, 3);
}

#[test]
fn empty_file_is_valid() {
    assert_eq!(read("# no user yet\n").unwrap().iter().count(), 0);
}

#[test]
fn defaults_are_lifted() {
    let defaults = "[limits]\nrequests_per_minute = 1\nconcurrent_requests = 1\ntokens_per_minute = 1\n\
                    max_output_tokens = 1\nbudgets = [{ usd = 1, per = \"day\" }]\nmodels = [\"a\"]\n\
                    networks = [\"10.0.0.0/8\"]\nroutes = [\"/v1/a\"]\nexpires = 2026-01-01\nmetered = true\n[users.Tom]\n";
    let limited = tom(defaults);
    for field in UserField::ALL.into_iter().filter(|field| field.is_limit()) {
        assert!(limited.has(field), "{field:?}");
    }
    let lifted = tom(&format!(
        "{defaults}requests_per_minute = \"unlimited\"\nconcurrent_requests = \"unlimited\"\n\
         tokens_per_minute = \"unlimited\"\nmax_output_tokens = \"unlimited\"\nbudgets = []\nmodels = [\"*\"]\n\
         networks = \"unlimited\"\nroutes = \"unlimited\"\nexpires = \"unlimited\"\nmetered = false"
    ));
    for field in UserField::ALL {
        assert!(!lifted.has(field), "{field:?}");
    }
    assert!(!lifted.limits.needs_state());
    // Own lists replace those of the defaults.
    let budgets = tom(&format!("{defaults}budgets = [{{ usd = 2, per = \"week\" }}]")).limits.budgets;
    assert_eq!(budgets.iter().collect::<Vec<_>>(), [(Period::Week, Usd::parse("2").unwrap())]);
}

#[test]
fn dates() {
    let expires = |zone: &str, date: &str| {
        let text = format!("timezone = \"{zone}\"\n[users.Tom]\nexpires = {date}");
        tom(&text).expires.unwrap().as_micros() / 1_000
    };
    assert_eq!(expires("UTC", "2027-01-01"), 1_798_761_600_000);
    assert_eq!(expires("Asia/Kathmandu", "2027-01-01T05:45:00"), 1_798_761_600_000);
    assert_eq!(expires("Asia/Kathmandu", "2027-01-01 00:00:00.25Z"), 1_798_761_600_250);
    assert_eq!(expires("Asia/Kathmandu", "2026-12-31T19:00:00-05:00"), 1_798_761_600_000);
    // Midnight does not exist on the day on which Santiago sets its clocks.
    assert_eq!(expires("America/Santiago", "2027-09-05"), expires("America/Santiago", "2027-09-05T01:00:00"));
    let message = "must be a date such as 2027-01-01, or a time such as 2027-01-01T18:00:00, without quotes";
    for date in ["\"2027-01-01\"", "18:00:00", "20270101", "true"] {
        is_refused_line(&format!("expires = {date}"), &format!("expires {message}"));
    }
    assert!(read("[users.Tom]\nexpires = 2027-02-29").is_err());
}

#[test]
fn wrong_values() {
    for (line, message) in [
        ("requests_per_minute = 0", "requests_per_minute must be a whole number from 1 to 1000000, or \"unlimited\""),
        ("requests_per_minute = -1", "requests_per_minute must be a whole number from 1 to 1000000, or \"unlimited\""),
        ("requests_per_minute = 1.5", "requests_per_minute must be a whole number from 1 to 1000000, or \"unlimited\""),
        ("requests_per_minute = nan", "requests_per_minute must be a whole number from 1 to 1000000, or \"unlimited\""),
        (
            "requests_per_minute = \"none\"",
            "requests_per_minute must be a whole number from 1 to 1000000, or \"unlimited\"",
        ),
        ("concurrent_requests = 1001", "concurrent_requests must be a whole number from 1 to 1000, or \"unlimited\""),
        (
            "tokens_per_minute = 4294967297",
            "tokens_per_minute must be a whole number from 1 to 1000000000, or \"unlimited\"",
        ),
        ("max_output_tokens = [1]", "max_output_tokens must be a whole number from 1 to 1000000000, or \"unlimited\""),
        ("disabled = \"no\"", "disabled must be true or false"),
        ("metered = 1", "metered must be true or false"),
        ("models = []", "models must be a list of models, with one at least, or \"unlimited\""),
        ("models = \"gpt-5\"", "models must be a list of models, with one at least, or \"unlimited\""),
        (
            "models = [\"gpt 5\"]",
            "models item 1 must be a model name without spaces, in which * stands for any characters",
        ),
        ("models = [5]", "models item 1 must be a text in quotes"),
        ("routes = []", "routes must be a list of routes, with one at least, or \"unlimited\""),
        ("routes = [\"inference\", \"x\"]", "routes item 2 must be a family or a path"),
        ("networks = []", "networks must be a list of networks, with one at least, or \"unlimited\""),
        (
            "networks = [\"10.0.0.0/33\"]",
            "networks item 1 must be an address or a network such as 203.0.113.0/24 or 2001:db8::/32",
        ),
        ("budgets = 5", "budgets must be a list such as [{ usd = 5, per = \"month\" }], or \"unlimited\""),
        (
            "budgets = [{ usd = 5 }]",
            "budgets item 1 must have an amount and a period, such as { usd = 5, per = \"month\" }",
        ),
        ("budgets = [5]", "budgets item 1 must have an amount and a period, such as { usd = 5, per = \"month\" }"),
        (
            "budgets = [{ usd = 5, per = \"year\" }]",
            "budgets item 1.per must be \"day\", \"week\", \"month\" or \"total\"",
        ),
        (
            "budgets = [{ usd = 0.5, per = \"day\" }]",
            "budgets item 1.usd must be a whole number or in quotes, such as \"0.50\", so that no fraction is rounded",
        ),
        (
            "budgets = [{ usd = inf, per = \"day\" }]",
            "budgets item 1.usd must be a whole number or in quotes, such as \"0.50\", so that no fraction is rounded",
        ),
        (
            "budgets = [{ usd = 0, per = \"day\" }]",
            "budgets item 1.usd must be an amount of US dollars above 0 and up to 9000000, such as 5 or \"0.50\"",
        ),
        (
            "budgets = [{ usd = \"-1\", per = \"day\" }]",
            "budgets item 1.usd must be an amount of US dollars above 0 and up to 9000000, such as 5 or \"0.50\"",
        ),
        (
            "budgets = [{ usd = 10000000, per = \"day\" }]",
            "budgets item 1.usd must be an amount of US dollars above 0 and up to 9000000, such as 5 or \"0.50\"",
        ),
        (
            "budgets = [{ usd = 1, per = \"day\", x = 1 }]",
            "budgets item 1.x is not a field of a budget; its fields are usd and per",
        ),
        (
            "budgets = [{ usd = 1, per = \"day\" }, { usd = 2, per = \"day\" }]",
            "budgets item 2 is the second budget per day; a user has at most one",
        ),
        (
            "openai_project = \"a b\"",
            "openai_project must be the id of a project: visible ASCII characters, without spaces",
        ),
        (
            "openai_api_key = \"sk-proj-abcdefgh\"",
            "openai_api_key must say where the key is stored: \"file:{path}\" or \"env:{variable}\"",
        ),
        ("openai_api_key = \"env:NOT_SET\"", "openai_api_key names a variable that is not set"),
        (
            "openai_api_key = \"env:A-B\"",
            "openai_api_key must say where the key is stored: \"file:{path}\" or \"env:{variable}\"",
        ),
        ("keys = \"sha256:00\"", "keys must be a list of digests: [\"sha256:…\"]"),
    ] {
        is_refused_line(line, message);
    }
}

#[test]
fn wrong_keys() {
    let form = "must be \"sha256:{64 hexadecimal digits}\", as `sparekey keygen --digest NAME` prints it, or \
                { digest = \"sha256:…\", expires = 2027-01-01, label = \"laptop\" }";
    for item in [A, "sha256:00", &format!("sha256:{A}0"), &format!("md5:{A}"), ""] {
        is_refused_line(&format!("keys = [\"{item}\"]"), &format!("keys item 1 {form}"));
    }
    is_refused_line("keys = [{ label = \"x\" }]", &format!("keys item 1 {form}"));
    is_refused_line(
        "keys = [\"sk-Tom-abcdefgh\"]",
        "keys item 1 is a key in plain text, which must not be stored; write its digest: \"sha256:\" and the output of \
         `printf %s KEY | sha256sum`, or make a new key with `sparekey keygen --digest NAME`",
    );
    is_refused_line(
        &format!("keys = [\"sha256:Ann:{A}\"]"),
        "keys item 1 is a digest of another user's key; each key belongs under the user in it",
    );
    is_refused_line(
        &format!("keys = [{{ digest = \"sha256:{A}\", name = \"x\" }}]"),
        "keys item 1.name is not a field of a key; its fields are digest, expires and label",
    );
    let again = A.to_uppercase();
    is_refused(
        &format!(
            "[users.Tom]\nkeys = [\"sha256:{A}\",\n  \"sha256:Tom:{again}\"]\n[users.Ann]\nkeys = [\"sha256:{A}\"]"
        ),
        &[
            "line 3: users.Tom.keys item 2 repeats the key of line 2",
            "line 5: users.Ann.keys item 1 repeats the key of line 3",
        ],
    );
}

#[test]
fn all_problems_at_once_in_the_order_of_lines() {
    is_refused(
        "timezone = \"Mars/Olympus\"\n\
         zone = 1\n\
         [limits]\n\
         keys = []\n\
         request_per_minute = 5\n\
         [users.Tom]\n\
         expire = 2027-01-01\n\
         disabled = 1\n\
         [users.Eve]\n\
         disabled = true\n\
         [users.\"T m\"]\n\
         keys = [\"sha256:aa\"]\n\
         [users]\n\
         Ann = 5\n",
        &[
            "line 1: timezone must be a name of the IANA time zone database, such as \"Europe/Berlin\" or \"UTC\"",
            "line 2: zone is not part of a users file, which has timezone, [limits] and [users.NAME]",
            "line 4: limits.keys is not a field here; the fields are expires, networks, routes, models, \
             requests_per_minute, concurrent_requests, budgets, tokens_per_minute, max_output_tokens, metered",
            "line 5: limits.request_per_minute is not a field here; the fields are expires, networks, routes, models, \
             requests_per_minute, concurrent_requests, budgets, tokens_per_minute, max_output_tokens, metered",
            "line 7: users.Tom.expire is not a field here; the fields are keys, expires, disabled, networks, routes, \
             models, requests_per_minute, concurrent_requests, budgets, tokens_per_minute, max_output_tokens, metered, \
             openai_api_key, openai_project",
            "line 8: users.Tom.disabled must be true or false",
            "line 9: users.Eve has no key: neither keys here nor an item in ACCESS_KEYS; make one with \
             `sparekey keygen --digest NAME`",
            "line 11: users.\"T m\" cannot be the name of a user: it has a space",
            "line 12: users.\"T m\".keys item 1 must be \"sha256:{64 hexadecimal digits}\", as `sparekey keygen --digest NAME` \
             prints it, or { digest = \"sha256:…\", expires = 2027-01-01, label = \"laptop\" }",
            "line 14: users.Ann must be a table",
        ],
    );
}

#[test]
fn syntax() {
    is_refused(
        "[users.Tom]\n\nkeys = [\"sha256:00\"\n",
        &["line 3: the file cannot be read: unclosed array, expected `]`"],
    );
    is_refused("[users.Tom]\ndisabled = true\ndisabled = false", &["line 3: the file cannot be read: duplicate key"]);
    is_refused("[users.Tom]\n[users.Tom]", &["line 2: the file cannot be read: duplicate key"]);
    is_refused("limits = 5", &["line 1: limits must be a table"]);
    is_refused("[[users]]", &["line 1: users must be a table"]);
}

#[test]
fn names_that_are_keys_are_refused_and_not_shown() {
    is_refused(
        &format!(
            "[users.sk-Tom-abcdefgh]\nkeys = [\"sha256:{A}\"]\n[users.sk]\nkeys = [\"sha256:{B}\"]\n[users.{A}]\nx = 1"
        ),
        &[
            "line 1: users.… must be the name of a user, not a key; its keys belong in keys",
            "line 5: users.… has no key: neither keys here nor an item in ACCESS_KEYS; make one with `sparekey keygen --digest NAME`",
            "line 6: users.….x is not a field here; the fields are keys, expires, disabled, networks, routes, models, \
             requests_per_minute, concurrent_requests, budgets, tokens_per_minute, max_output_tokens, metered, \
             openai_api_key, openai_project",
        ],
    );
}

#[test]
fn metered_users_have_at_most_64_open_requests() {
    let message = "must be at most 64 for users with budgets, tokens_per_minute, max_output_tokens or metered";
    is_refused(
        "[limits]\nconcurrent_requests = 65\n[users.Tom]\nmetered = true\n[users.Ann]\nmax_output_tokens = 9",
        &[&format!("line 2: limits.concurrent_requests {message}")],
    );
    is_refused_line("concurrent_requests = 65\nmetered = true", &format!("concurrent_requests {message}"));
    assert_eq!(tom("[users.Tom]\nmetered = true").limits.concurrency(), Some(8));
    assert_eq!(tom("[users.Tom]\nmetered = true\nconcurrent_requests = \"unlimited\"").limits.concurrency(), Some(64));
    assert_eq!(tom("[users.Tom]\nconcurrent_requests = 1000").limits.concurrency(), Some(1_000));
}

#[test]
fn limits_that_are_not_enforced_are_refused() {
    let text = "[limits]\nbudgets = [{ usd = 1, per = \"day\" }]\n[users.Tom]\nmetered = true\nrequests_per_minute = 1";
    let enforced = [UserField::RequestsPerMinute, UserField::Routes];
    let error = read_enforcing(text, Enforced { fields: &enforced, remedy: "set LEDGER" }).unwrap_err();
    let reason = "is not enforced without a ledger: set LEDGER, or remove it, because a limit is never ignored";
    assert_eq!(error.to_string(), format!("line 2: limits.budgets {reason}\nline 4: users.Tom.metered {reason}"));
}

proptest! {
    /// Whatever is broken, no message contains a key or a digest.
    #[test]
    fn messages_contain_no_secret(at in 0..400_usize, length in 0..4_usize, insert in "[ \"\\[\\]{}=.,#\n'a-]{0,3}") {
        const SECRET: &str = "wMtF9kkGDuQ2";
        let text = format!(
            "timezone = \"UTC\"\n[users.Tom]\nkeys = [\"sk-Tom-{SECRET}\", \"sha256:{SECRET}\", {{ digest = \"sha256:Tom:{SECRET}\" }}]\n\
             openai_api_key = \"{SECRET}\"\nmodels = [\"{SECRET} x\"]\nsk-Tom-{SECRET} = 1\n[users.sk-Ann-{SECRET}]\n\
             keys = [\"sha256:{SECRET}:{A}\"]\ndisabled = \"{SECRET}\"\n",
        );
        let at = at % text.len();
        let end = (at + length).min(text.len());
        let broken = format!("{}{insert}{}", &text[..at], &text[end..]);
        // A secret that was cut apart is none.
        prop_assume!(broken.matches(SECRET).count() == text.matches(SECRET).count());
        if let Err(error) = read(&broken) {
            prop_assert!(!error.to_string().contains(SECRET), "{}", error);
            let debug = format!("{error:?}");
            prop_assert!(!debug.contains(SECRET));
            prop_assert!(!error.to_string().contains("aaaaaaaaaa"));
        }
    }

    /// Any text, and any values of the fields, are users or problems with a line of the text.
    #[test]
    fn any_values(
        text in any::<String>(),
        fields in prop::sample::subsequence(&UserField::ALL[..], 0..=14),
        values in prop::collection::vec(prop::sample::select(&VALUES[..]), 14),
        in_limits: bool,
    ) {
        let fields: Vec<_> = fields.iter().zip(values).map(|(field, value)| format!("{} = {value}\n", field.name())).collect();
        let table = if in_limits { "[limits]\n" } else { "[users.Tom]\n" };
        for text in [format!("{table}{}", fields.concat()), text] {
            if let Err(error) = read(&text) {
                let lines = text.split('\n').count();
                prop_assert!(!error.problems().is_empty());
                prop_assert!(error.problems().iter().all(|problem| (1..=lines).contains(&problem.line)));
            }
        }
    }
}

const VALUES: [&str; 22] = [
    "1",
    "0",
    "-1",
    "9223372036854775807",
    "0.5",
    "nan",
    "true",
    "2027-01-01",
    "9999-12-31T23:59:60Z",
    "00:00:00",
    "\"\"",
    "\"unlimited\"",
    "\"file:x\"",
    "[]",
    "[[]]",
    "[1, \"*\"]",
    "[\"::/0\"]",
    "{}",
    "[{}]",
    "{ a = 1 }",
    "[{ usd = \"9223372.9\", per = \"day\" }, { per = 1 }]",
    "[{ digest = 1, expires = 1 }, \"sha256:\"]",
];
