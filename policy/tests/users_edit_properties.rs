//! Changes of the users file: what no change may touch.
#![cfg(feature = "users-edit")]
#![allow(clippy::arithmetic_side_effects, clippy::indexing_slicing, clippy::unwrap_used, reason = "a test may panic")]

use proptest::prelude::*;
use sparekey_policy::{Checks, EditError, Moment, NewValue, Timestamp, UserField, Users, UsersDocument, Zone};

const NOW: Timestamp = Timestamp::from_seconds(1_795_780_800);

#[derive(Clone, Debug)]
enum Edit {
    Add,
    Remove,
    AddKey(u8),
    ReplaceKeys(u8),
    ExpireKeys(u8),
    Set(UserField, NewValue),
    Unset(UserField),
}

fn edit() -> impl Strategy<Value = Edit> {
    let values = prop_oneof![
        (1..99_u32).prop_map(|number| (UserField::RequestsPerMinute, NewValue::Number(number))),
        Just((UserField::Models, NewValue::List(vec!["gpt-5*".into(), "o3".into()]))),
        Just((UserField::Models, NewValue::Unlimited)),
        any::<bool>().prop_map(|flag| (UserField::Disabled, NewValue::Flag(flag))),
        "[a-z\"'\\\\]{1,9}".prop_map(|text| (UserField::OpenAiProject, NewValue::Text(text))),
    ];
    let fields = prop::sample::select(vec![UserField::RequestsPerMinute, UserField::Models, UserField::Disabled]);
    prop_oneof![
        Just(Edit::Add),
        Just(Edit::Remove),
        any::<u8>().prop_map(Edit::AddKey),
        any::<u8>().prop_map(Edit::ReplaceKeys),
        (1..60_u8).prop_map(Edit::ExpireKeys),
        values.prop_map(|(field, value)| Edit::Set(field, value)),
        fields.prop_map(Edit::Unset),
    ]
}

fn apply(document: &mut UsersDocument, user: &str, edit: &Edit) -> Result<(), EditError> {
    // Digests of different users differ.
    let digest = |number: u8| format!("sha256:{number:02x}{:062x}", user.len());
    let label = Some("a \"label\"").filter(|_| user.len() > 3);
    match edit {
        Edit::Add => document.add_user(user),
        Edit::Remove => document.remove_user(user),
        Edit::AddKey(number) => document.add_key(user, &digest(*number), label),
        Edit::ReplaceKeys(number) => document.replace_keys(user, &digest(*number), label),
        Edit::ExpireKeys(days) => {
            document.expire_keys(user, &Moment::parse(&format!("{days}d"), NOW, &Zone::utc()).unwrap(), &Zone::utc())
        }
        Edit::Set(field, value) => document.set(user, *field, value),
        Edit::Unset(field) => document.unset(user, *field).map(|_| ()),
    }
}

/// The entry of a user: its form and its lines. No other line of a file contains its marks.
fn entry(user: &str, form: u8) -> String {
    let digest = format!("{:064x}", user.len() + 1_000);
    match form {
        0 => format!("[users.{user}] # <{user}\nkeys = [\"sha256:{digest}\"] # {user}>\n\n"),
        1 => format!(
            "# about <{user}\n[users.{user}]\n\n  # models\n  models=['a',]\n  keys = [\n    \"sha256:{digest}\", # x\n  ] # {user}>\n"
        ),
        _ => format!(
            "[users.{user}] # <{user}\nrequests_per_minute = 7\n[[users.{user}.keys]]\ndigest = \"sha256:{digest}\" # {user}>\n"
        ),
    }
}

proptest! {
    /// After any edits of some users the file can be read, and the lines of the others are the same bytes.
    #[test]
    fn other_users_stay_byte_for_byte(
        forms in prop::collection::vec(0..3_u8, 5),
        edits in prop::collection::vec((0..7_usize, edit()), 1..12),
        windows: bool,
    ) {
        let names = ["A", "Bb", "Ccc", "Dddd", "Eeeee", "Ffffff", "Ggggggg"];
        let entries: Vec<_> = names.iter().zip(&forms).map(|(name, form)| entry(name, *form)).collect();
        let text = format!("# top\ntimezone = 'UTC'\n[limits]\nconcurrent_requests = 8 # c\n\n{}# end\n", entries.concat());
        let text = if windows { text.replace('\n', "\r\n") } else { text };
        let mut document = UsersDocument::parse(&text).unwrap();
        for (user, edit) in &edits {
            let before = document.to_string();
            let result = apply(&mut document, names[*user], edit);
            let after = document.to_string();
            if result.is_err() {
                prop_assert_eq!(&before, &after);
            }
            // What is written is what is stored.
            prop_assert_eq!(UsersDocument::parse(&after).unwrap().to_string(), &*after);
            prop_assert!(after.contains("# top") && after.contains("# c") && after.contains("# end"), "{}", after);
        }
        let after = document.to_string();
        for (index, (name, form)) in names.iter().zip(&forms).enumerate() {
            if edits.iter().all(|(user, _)| *user != index) {
                let expected = entry(name, *form);
                let own = expected.trim_end();
                let own = if windows { own.replace('\n', "\r\n") } else { own.to_owned() };
                prop_assert!(after.contains(&own), "{} is not in:\n{}", own, after);
            }
        }
        // A user may have lost its keys, or have one twice; there is no other problem.
        if let Err(error) = Users::from_toml(&after, NOW, &Checks::OWN_RULES) {
            let is_expected = |message: &str| message.contains("repeats") || message.contains("openai_project");
            prop_assert!(error.problems().iter().all(|problem| is_expected(&problem.to_string())), "{}\n{}", error, after);
        }
    }
}
