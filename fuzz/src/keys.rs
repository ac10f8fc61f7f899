//! Access keys and `ACCESS_KEYS`.

use std::collections::HashSet;

use sparekey_core::{AccessKey, Keyring};

use crate::fixtures::API_KEY;

/// Checks that [`AccessKey::parse`] accepts exactly the keys of the grammar, with their user.
pub(crate) fn access_key(input: &[u8]) {
    let Ok(text) = std::str::from_utf8(input) else { return };
    assert_eq!(AccessKey::parse(text).ok().map(|key| key.user()), parse_user(text), "{text:?}");
}

/// Checks that a valid list admits exactly its keys, and that an invalid list has an error per invalid item, with no
/// key in the messages.
pub(crate) fn access_keys(input: &[u8]) {
    let Ok(text) = std::str::from_utf8(input) else { return };
    // A `#` begins a comment.
    let lines = text.split('\n').map(|line| line.split_once('#').map_or(line, |(keys, _)| keys));
    let items: Vec<&str> =
        lines.flat_map(|line| line.split(',')).map(str::trim).filter(|item| !item.is_empty()).collect();
    let (_, api_key) = parse_item(API_KEY).expect("the API key has the form of an access key");
    let mut entries = HashSet::new();
    let is_valid = |item: &str| {
        let entry = parse_item(item).filter(|entry| entry.1 != api_key && !is_openai_key(item));
        entry.is_some_and(|entry| entries.insert(entry))
    };
    let invalid = items.len() - items.iter().copied().map(is_valid).filter(|valid| *valid).count();
    match Keyring::parse(text, &[API_KEY]) {
        Ok(keyring) => {
            assert!(!items.is_empty() && invalid == 0, "accepted: {text:?}");
            for key in items.iter().filter_map(|item| AccessKey::parse(item).ok()) {
                assert_eq!(keyring.user_of(&key).as_ref().map(|found| &**found.user()), Some(key.user()));
                let other = format!("sk-{}-NobodyHasThisKey1234567", key.user());
                let admitted = AccessKey::parse(&other).is_ok_and(|other| keyring.user_of(&other).is_some());
                assert_eq!(admitted, parse_item(&other).is_some_and(|entry| entries.contains(&entry)), "{other}");
            }
        }
        Err(errors) => {
            assert_eq!(errors.len(), invalid.max(usize::from(items.is_empty())), "{text:?}: {errors:?}");
            let message = errors.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n");
            let keys = items.iter().filter(|item| parse_user(item).is_some());
            for random in keys.filter_map(|key| key.rsplit('-').next()).filter(|random| random.len() >= 12) {
                assert!(!message.contains(random), "{message}");
            }
        }
    }
}

/// Returns the user of `sk-{user}-{random}`: the simplest implementation of the grammar.
fn parse_user(text: &str) -> Option<&str> {
    let is_user_char = |c: char| c.is_ascii_alphanumeric() || c == '.' || c == '_' || c == '-';
    let (user, random) = text.strip_prefix("sk-")?.rsplit_once('-')?;
    let is_valid = !user.is_empty()
        && user.len() <= 64
        && user.chars().all(is_user_char)
        && random.len() >= 8
        && random.len() <= 128
        && random.chars().all(|c| c.is_ascii_alphanumeric());
    is_valid.then_some(user)
}

/// Whether a key, not a digest item, looks like one of OpenAI's.
fn is_openai_key(item: &str) -> bool {
    let prefixes = ["sk-proj-", "sk-svcacct-", "sk-admin-"];
    !item.starts_with("sha256:")
        && (item.contains("T3BlbkFJ") || prefixes.iter().any(|prefix| item.starts_with(prefix)))
}

/// Returns the user and the digest of a valid item of `ACCESS_KEYS`.
fn parse_item(item: &str) -> Option<(String, String)> {
    if let Some((user, digits)) = item.strip_prefix("sha256:").and_then(|rest| rest.rsplit_once(':')) {
        let is_digest = digits.len() == 64 && digits.bytes().all(|digit| digit.is_ascii_hexdigit());
        let is_user = parse_user(&format!("sk-{user}-12345678")) == Some(user);
        return (is_digest && is_user).then(|| (user.to_owned(), digits.to_ascii_lowercase()));
    }
    let user = parse_user(item)?;
    Some((user.to_owned(), AccessKey::parse(item).ok()?.digest().to_string()))
}
