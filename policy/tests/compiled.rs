//! The compiled users: a round trip of everything, and nothing else is read.
#![cfg(feature = "users-file")]
#![allow(clippy::unwrap_used, reason = "a test may panic")]

use proptest::prelude::*;
use sparekey_policy::{Checks, CompiledError, Timestamp, Users};

const NOW: Timestamp = Timestamp::from_seconds(1_795_780_800);

fn users(text: &str) -> Users {
    Users::from_toml(text, NOW, &Checks::OWN_RULES).unwrap()
}

/// One field of a user, as a line of TOML.
fn field() -> impl Strategy<Value = Vec<String>> {
    let number = |name: &'static str, max: u32| {
        prop_oneof![
            Just(String::new()),
            Just(format!("{name} = \"unlimited\"")),
            (1..=max).prop_map(move |number| format!("{name} = {number}")),
        ]
    };
    let budget = ("[1-9][0-9]{0,5}(\\.[0-9]{1,12})?", prop::sample::select(vec!["day", "week", "month", "total"]));
    let lists = (
        prop::option::of(budget).prop_map(|budget| {
            budget.map_or(String::new(), |(usd, per)| format!("budgets = [{{ usd = \"{usd}\", per = \"{per}\" }}]"))
        }),
        prop::option::of("[a-z0-9*./:-]{1,20}")
            .prop_map(|model| model.map_or(String::new(), |model| format!("models = [\"{model}\", \"x\"]"))),
        prop::option::of(any::<std::net::IpAddr>())
            .prop_map(|address| address.map_or(String::new(), |address| format!("networks = [\"{address}/7\"]"))),
        prop::option::of("/[a-z/*]{1,20}")
            .prop_map(|route| route.map_or(String::new(), |route| format!("routes = [\"{route}\"]"))),
        any::<bool>().prop_map(|disabled| format!("disabled = {disabled}")),
        any::<bool>().prop_map(|metered| format!("metered = {metered}")),
    );
    let others = (
        prop::option::of((2000..2099_u32, 1..=12_u32)).prop_map(|date| {
            date.map_or(String::new(), |(year, month)| format!("expires = {year}-{month:02}-15T10:11:12.123456"))
        }),
        prop::option::of("(file|env):[A-Z_]{1,9}")
            .prop_map(|source| source.map_or(String::new(), |source| format!("openai_api_key = \"{source}\""))),
        prop::option::of("proj_[a-z]{1,9}")
            .prop_map(|project| project.map_or(String::new(), |project| format!("openai_project = \"{project}\""))),
        "[0-9a-f]{56}",
    );
    let numbers = (
        number("requests_per_minute", 1_000_000),
        number("concurrent_requests", 64),
        number("tokens_per_minute", 1_000_000_000),
        number("max_output_tokens", 1_000_000_000),
    );
    (lists, others, numbers).prop_map(|((a, b, c, d, e, f), (g, h, i, digest), (j, k, l, m))| {
        let keys = format!(
            "keys = [{{ digest = \"sha256:{digest}{{number}}\", expires = 2027-01-01, label = \"ü \\\" x\" }}]"
        );
        vec![a, b, c, d, e, f, g, h, i, j, k, l, m, keys]
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(100))]

    #[test]
    fn round_trip(
        zone in prop::sample::select(vec!["UTC", "Europe/Berlin", "Australia/Lord_Howe", "Asia/Kathmandu"]),
        fields in prop::collection::vec(field(), 0..5),
    ) {
        let tables = fields.iter().zip(0..).map(|(lines, number)| {
            format!("[users.User-{number}]\n{}\n", lines.join("\n").replace("{number}", &format!("{number:08}")))
        });
        let users = users(&format!("timezone = \"{zone}\"\n{}", tables.collect::<String>()));
        let json = users.to_json();
        prop_assert_eq!(Users::from_json(&json).unwrap(), users, "{}", json);
    }

    /// Damaged text is an error that contains nothing of it, or other valid users.
    #[test]
    fn damaged(at: prop::sample::Index, byte in "[ -~]", cut: bool) {
        let mut json = users(EXAMPLE).to_json();
        let at = at.index(json.len());
        if cut { json.truncate(at) } else { json.replace_range(at..=at, &byte) }
        if let Err(error) = Users::from_json(&json) {
            prop_assert!(!error.to_string().contains("aaaa"), "{}", error);
        }
    }
}

const EXAMPLE: &str = "[users.Tom]\nkeys = [\"sha256:aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa\"]\n\
                       requests_per_minute = 60\nbudgets = [{ usd = \"0.50\", per = \"day\" }]";

#[test]
fn form() {
    let digest = "a".repeat(64);
    assert_eq!(
        users(EXAMPLE).to_json(),
        format!(
            "{{\"version\":1,\"timezone\":{{\"name\":\"UTC\",\"offset\":0,\"transitions\":[]}},\"users\":[{{\"name\":\"Tom\",\
             \"keys\":[{{\"digest\":\"{digest}\"}}],\"routes\":[\"inference\"],\"requests_per_minute\":60,\
             \"budgets\":[{{\"usd\":\"0.50\",\"per\":\"day\"}}]}}]}}"
        )
    );
    // Ten years of changes twice a year.
    let zone = users("timezone = \"Europe/Berlin\"").to_json();
    assert!(zone.len() < 700, "{}", zone.len());
}

#[test]
fn other_values_are_refused() {
    let json = users(EXAMPLE).to_json();
    let read = |from: &str, to: &str| {
        let changed = json.replace(from, to);
        assert_ne!(changed, json);
        Users::from_json(&changed).unwrap_err().to_string()
    };
    for (from, to, message) in [
        (
            "\"version\":1",
            "\"version\":2",
            "the users were compiled in form 2, but this version reads form 1; compile them with the same version",
        ),
        (
            "\"name\":\"Tom\"",
            "\"name\":\"Tom\",\"new_limit\":1",
            "another field of user 1 of the compiled users is missing, invalid or unknown; compile the users file again",
        ),
        (
            "\"requests_per_minute\":60",
            "\"requests_per_minute\":0",
            "requests_per_minute of user 1 of the compiled users is missing, invalid or unknown; compile the users file again",
        ),
        (
            "\"aaaa",
            "\"xaaa",
            "keys of user 1 of the compiled users is missing, invalid or unknown; compile the users file again",
        ),
        (
            "0.50",
            "-0.50",
            "budgets of user 1 of the compiled users is missing, invalid or unknown; compile the users file again",
        ),
        (
            "[\"inference\"]",
            "[]",
            "routes of user 1 of the compiled users is missing, invalid or unknown; compile the users file again",
        ),
        (
            "\"transitions\":[]",
            "\"transitions\":[[5,0],[4,0]]",
            "timezone of the compiled users is missing, invalid or unknown; compile the users file again",
        ),
    ] {
        assert_eq!(read(from, to), message);
    }
    for text in ["", "[]", "null", "5"] {
        assert_eq!(Users::from_json(text), Err(CompiledError::Syntax { at: 0 }), "{text:?}");
    }
    assert_eq!(Users::from_json("{}"), Err(CompiledError::Part { field: "version" }));
    let twice = json.replace("\"users\":[", "\"users\":[{\"name\":\"Tom\"},");
    assert_eq!(Users::from_json(&twice), Err(CompiledError::User { user: 2, field: "name" }));
}
