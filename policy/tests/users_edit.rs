//! Changes of the users file: exact texts.
#![cfg(feature = "users-edit")]
#![allow(
    clippy::arithmetic_side_effects,
    clippy::indexing_slicing,
    clippy::string_slice,
    clippy::unwrap_used,
    reason = "a test may panic"
)]

use sparekey_policy::{Budgets, EditError, Moment, NewValue, Period, Timestamp, Usd, UserField, UsersDocument, Zone};

const NOW: Timestamp = Timestamp::from_seconds(1_795_780_800);

/// A file with comments at each place that is not one of a user's own lines.
const FILE: &str = r#"# The group
timezone = "Europe/Berlin"   # where we live

[limits]
requests_per_minute = 60

# --- students ---

# Tom's thesis
[users.Tom]   # room 12
keys = [
  "sha256:aa",   # laptop
  { digest = "sha256:bb", expires = 2026-12-01 },
]
# until the exam
models = ["gpt-5*"]   # both

[users."a.b"]
  keys = [ 'sha256:cc' ]

# Eve left in May
"#;

#[track_caller]
fn is_edited(before: &str, edit: impl FnOnce(&mut UsersDocument), after: &str) {
    let mut document = UsersDocument::parse(before).unwrap();
    edit(&mut document);
    assert_eq!(document.to_string(), after);
}

/// Applies a change to [`FILE`], and expects these lines in place of those.
#[track_caller]
fn changes(edit: impl FnOnce(&mut UsersDocument), old: &str, new: &str) {
    assert!(FILE.contains(old));
    is_edited(FILE, edit, &FILE.replace(old, new));
}

fn set(document: &mut UsersDocument, user: &str, field: UserField, value: &NewValue) {
    document.set(user, field, value).unwrap();
}

fn moment(text: &str, zone: &Zone) -> Moment {
    Moment::parse(text, NOW, zone).unwrap()
}

#[test]
fn nothing_changes_without_an_edit() {
    for text in [FILE, "", "\n", "# no line end", "users = { Tom = { } }\n"] {
        is_edited(text, |_| (), text);
    }
}

#[test]
fn new_users_stand_at_the_end() {
    let add = |document: &mut UsersDocument| {
        document.add_user("Ann").unwrap();
        document.add_key("Ann", "sha256:dd", None).unwrap();
        set(document, "Ann", UserField::ConcurrentRequests, &NewValue::Number(4));
    };
    let entry = "[users.Ann]\nkeys = [\"sha256:dd\"]\nconcurrent_requests = 4\n";
    is_edited("", add, entry);
    is_edited("# Users\n", add, &format!("# Users\n\n{entry}"));
    is_edited("timezone = \"UTC\"\n", add, &format!("timezone = \"UTC\"\n\n{entry}"));
    is_edited("[users]\n", add, &format!("[users]\n\n{entry}"));
    is_edited("[users]\nTom = {}\n# end", add, &format!("[users]\nTom = {{}}\n# end\n\n{entry}"));
    is_edited("users.Tom.disabled = true\n", add, &format!("users.Tom.disabled = true\n\n{entry}"));
    is_edited("[users.Tom]\n[limits]\n", add, &format!("[users.Tom]\n[limits]\n\n{entry}"));
    is_edited(FILE, add, &format!("{FILE}\n{entry}"));
    is_edited(
        "users = { Tom = {} }\n",
        add,
        "users = { Tom = {}, Ann = { keys = [\"sha256:dd\"], concurrent_requests = 4 } }\n",
    );
}

#[test]
fn names_with_dots_are_quoted() {
    is_edited("", |document| document.add_user("a.b").unwrap(), "[users.\"a.b\"]\n");
    changes(
        |document| set(document, "a.b", UserField::Disabled, &NewValue::Flag(true)),
        "'sha256:cc' ]\n",
        "'sha256:cc' ]\n  disabled = true\n",
    );
}

#[test]
fn set_fields() {
    changes(
        |document| set(document, "Tom", UserField::Models, &NewValue::List(vec!["gpt-5*".into(), "o3".into()])),
        "models = [\"gpt-5*\"]   # both",
        "models = [\"gpt-5*\", \"o3\"]   # both",
    );
    changes(
        |document| {
            let mut budgets = Budgets::default();
            budgets.set(Period::Month, Usd::parse("5").unwrap());
            budgets.set(Period::Day, Usd::parse("0.000000000001").unwrap());
            set(document, "Tom", UserField::Budgets, &NewValue::Budgets(budgets));
        },
        "models = [\"gpt-5*\"]   # both\n",
        "models = [\"gpt-5*\"]   # both\nbudgets = [{ usd = \"0.000000000001\", per = \"day\" }, { usd = 5, per = \"month\" }]\n",
    );
    changes(
        |document| set(document, "Tom", UserField::Models, &NewValue::Unlimited),
        "models = [\"gpt-5*\"]   # both",
        "models = \"unlimited\"   # both",
    );
    changes(
        |document| {
            let until = moment("2027-01-31 18:00", &Zone::utc());
            set(document, "Tom", UserField::Expires, &NewValue::Moment(until));
            set(document, "Tom", UserField::OpenAiProject, &NewValue::Text("proj_a".into()));
        },
        "# both\n",
        "# both\nexpires = 2027-01-31T18:00:00\nopenai_project = \"proj_a\"\n",
    );
    is_edited(
        "[users]\nTom = { keys = [] } # room 12\n",
        |document| set(document, "Tom", UserField::Disabled, &NewValue::Flag(true)),
        "[users]\nTom = { keys = [], disabled = true } # room 12\n",
    );
    is_edited(
        "users.Tom.keys = [] # a\nusers.Ann.keys = []\n",
        |document| set(document, "Tom", UserField::Disabled, &NewValue::Flag(true)),
        "users.Tom.keys = [] # a\nusers.Tom.disabled = true\nusers.Ann.keys = []\n",
    );
}

#[test]
fn unset_fields() {
    changes(
        |document| assert!(document.unset("Tom", UserField::Models).unwrap()),
        "models = [\"gpt-5*\"]   # both\n",
        "",
    );
    changes(
        |document| assert!(document.unset("Tom", UserField::Keys).unwrap()),
        &FILE[FILE.find("keys = [\n").unwrap()..FILE.find("# until").unwrap()],
        "",
    );
    is_edited(
        "[users.Tom]\nkeys = []\n# last\ndisabled = true # x\n# end\n",
        |document| assert!(document.unset("Tom", UserField::Disabled).unwrap()),
        "[users.Tom]\nkeys = []\n# last\n# end\n",
    );
    is_edited(
        "[users]\nTom = { keys = [], disabled = true }\n",
        |document| assert!(document.unset("Tom", UserField::Disabled).unwrap()),
        "[users]\nTom = { keys = [] }\n",
    );
    is_edited(FILE, |document| assert!(!document.unset("Tom", UserField::Expires).unwrap()), FILE);
}

#[test]
fn remove_users() {
    let start = FILE.find("# Tom's").unwrap();
    let end = FILE.find("\n[users.\"a.b\"]").unwrap();
    changes(|document| document.remove_user("Tom").unwrap(), &FILE[start - 1..end], "");
    changes(|document| document.remove_user("a.b").unwrap(), "\n[users.\"a.b\"]\n  keys = [ 'sha256:cc' ]\n", "");
    is_edited(
        "[users]\n# Tom's\nTom = { keys = [] }\nAnn = {}\n",
        |document| document.remove_user("Tom").unwrap(),
        "[users]\nAnn = {}\n",
    );
    is_edited(
        "users = { Tom = {}, Ann = {} }\n",
        |document| document.remove_user("Ann").unwrap(),
        "users = { Tom = {} }\n",
    );
    is_edited(
        "# Top\n\nusers.Tom.keys = []\nusers.Ann.keys = []\n",
        |document| document.remove_user("Tom").unwrap(),
        "users.Ann.keys = []\n# Top\n",
    );
    is_edited(
        "[users.Tom]\n[[users.Tom.keys]]\ndigest = \"sha256:aa\"\n[users.Ann]\n",
        |document| document.remove_user("Tom").unwrap(),
        "[users.Ann]\n",
    );
}

/// A server refuses an empty file.
#[test]
fn file_without_users_is_not_empty() {
    is_edited("[users.Tom]\n", |document| document.remove_user("Tom").unwrap(), "# No users.\n");
}

#[test]
fn add_keys() {
    changes(
        |document| document.add_key("Tom", "sha256:dd", None).unwrap(),
        "expires = 2026-12-01 },\n]",
        "expires = 2026-12-01 },\n  \"sha256:dd\",\n]",
    );
    changes(
        |document| document.add_key("a.b", "sha256:dd", None).unwrap(),
        "[ 'sha256:cc' ]",
        "[ 'sha256:cc', \"sha256:dd\" ]",
    );
    for (before, after) in [
        ("", "keys = [\"sha256:dd\"]\n"),
        ("keys = []\n", "keys = [\"sha256:dd\"]\n"),
        ("keys = [\"a\"] # x\n", "keys = [\"a\", \"sha256:dd\"] # x\n"),
        ("keys = [\n  \"a\"\n]\n", "keys = [\n  \"a\",\n  \"sha256:dd\"\n]\n"),
        ("keys = [\n  \"a\" # x\n]\n", "keys = [\n  \"a\", # x\n  \"sha256:dd\"\n]\n"),
        ("keys = [\n\t\"a\", # x\n]\n", "keys = [\n\t\"a\", # x\n\t\"sha256:dd\",\n]\n"),
        (
            "[[users.Tom.keys]]\ndigest = \"a\"\n",
            "[[users.Tom.keys]]\ndigest = \"a\"\n\n[[users.Tom.keys]]\ndigest = \"sha256:dd\"\n",
        ),
    ] {
        let entry = |text| format!("[users.Tom]\n{text}[users.Ann]\n");
        is_edited(&entry(before), |document| document.add_key("Tom", "sha256:dd", None).unwrap(), &entry(after));
    }
}

#[test]
fn labels() {
    is_edited(
        "[users.Tom]\n",
        |document| {
            document.add_key("Tom", "sha256:dd", Some("old \"laptop\"")).unwrap();
            document.add_key("Tom", "sha256:ee", Some("phone")).unwrap();
        },
        "[users.Tom]\nkeys = [{ digest = \"sha256:dd\", label = 'old \"laptop\"' }, { digest = \"sha256:ee\", label = \"phone\" }]\n",
    );
    is_edited(
        "[[users.Tom.keys]]\ndigest = \"a\"\n",
        |document| document.add_key("Tom", "sha256:dd", Some("phone")).unwrap(),
        "[[users.Tom.keys]]\ndigest = \"a\"\n\n[[users.Tom.keys]]\ndigest = \"sha256:dd\"\nlabel = \"phone\"\n",
    );
}

#[test]
fn replace_keys() {
    changes(
        |document| document.replace_keys("Tom", "sha256:dd", None).unwrap(),
        &FILE[FILE.find("keys = [\n").unwrap()..FILE.find("# until").unwrap()],
        "keys = [\"sha256:dd\"]\n",
    );
    is_edited(
        "[[users.Tom.keys]]\ndigest = \"a\"\n[users.Ann]\n",
        |document| document.replace_keys("Tom", "sha256:dd", None).unwrap(),
        "[users.Tom]\nkeys = [\"sha256:dd\"]\n[users.Ann]\n",
    );
}

#[test]
fn expire_keys() {
    let zone = Zone::iana("Europe/Berlin", NOW).unwrap();
    for (at, first, second) in [
        ("2026-11-30", "{ digest = \"sha256:aa\", expires = 2026-11-30 }", "2026-11-30"),
        ("2026-12-24", "{ digest = \"sha256:aa\", expires = 2026-12-24 }", "2026-12-01"),
    ] {
        let old = "  \"sha256:aa\",   # laptop\n  { digest = \"sha256:bb\", expires = 2026-12-01 },";
        let new = format!("  {first},   # laptop\n  {{ digest = \"sha256:bb\", expires = {second} }},");
        changes(|document| document.expire_keys("Tom", &moment(at, &zone), &zone).unwrap(), old, &new);
    }
    is_edited(
        "[[users.Tom.keys]]\ndigest = \"a\"\n[users.Ann]\n",
        |document| document.expire_keys("Tom", &moment("2026-12-24", &zone), &zone).unwrap(),
        "[[users.Tom.keys]]\ndigest = \"a\"\nexpires = 2026-12-24\n[users.Ann]\n",
    );
    is_edited(
        "[users.Tom]\nkeys = [{ digest = \"a\", label = \"b\" }]\n",
        |document| document.expire_keys("Tom", &moment("2026-12-24", &zone), &zone).unwrap(),
        "[users.Tom]\nkeys = [{ digest = \"a\", label = \"b\", expires = 2026-12-24 }]\n",
    );
}

#[test]
fn impossible_edits_change_nothing() {
    let mut document = UsersDocument::parse("[users]\nTom = 1\n").unwrap();
    assert_eq!(document.add_user("Tom"), Err(EditError::Exists));
    assert_eq!(document.remove_user("Ann"), Err(EditError::NoEntry));
    assert_eq!(document.set("Ann", UserField::Disabled, &NewValue::Flag(true)), Err(EditError::NoEntry));
    assert_eq!(document.set("Tom", UserField::Disabled, &NewValue::Flag(true)), Err(EditError::Malformed));
    assert_eq!(document.add_key("Tom", "sha256:dd", None), Err(EditError::Malformed));
    assert_eq!(document.to_string(), "[users]\nTom = 1\n");
    let mut document = UsersDocument::parse("users = 1\n").unwrap();
    assert_eq!(document.add_user("Tom"), Err(EditError::Malformed));
    assert_eq!(document.to_string(), "users = 1\n");
}

#[test]
fn files_of_windows_editors() {
    is_edited(
        "\u{feff}[users.Tom]\r\nkeys = []\r\n",
        |document| set(document, "Tom", UserField::Disabled, &NewValue::Flag(true)),
        "\u{feff}[users.Tom]\r\nkeys = []\r\ndisabled = true\r\n",
    );
}
