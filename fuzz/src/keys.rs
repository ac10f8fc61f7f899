//! Access keys, and the list of them.

use std::collections::HashSet;

use sparekey_core::{AccessKey, Keyring};

use crate::gate::REAL;

/// What is a key by the grammar is taken with its user, and nothing else is.
pub(crate) fn access_key(input: &[u8]) {
    let Ok(text) = std::str::from_utf8(input) else { return };
    assert_eq!(AccessKey::parse(text).ok().map(|key| key.user()), user_by_the_grammar(text), "{text:?}");
}

/// A list that is taken opens for its keys, with their users, and for nothing else; every item that is bad is told,
/// and no key.
pub(crate) fn access_keys(input: &[u8]) {
    let Ok(text) = std::str::from_utf8(input) else { return };
    let items: Vec<&str> = text.split([',', '\n']).map(str::trim).filter(|item| !item.is_empty()).collect();
    let (_, real) = read(REAL).expect("it is a key");
    let mut known = HashSet::new();
    let bad = items.iter().filter(|item| !read(item).is_some_and(|read| read.1 != real && known.insert(read))).count();
    match Keyring::parse(text, &[REAL]) {
        Ok(keyring) => {
            assert!(!items.is_empty() && bad == 0, "{text:?} is taken");
            for key in items.iter().filter_map(|item| AccessKey::parse(item).ok()) {
                assert_eq!(keyring.user_of(&key).map(|user| &**user), Some(key.user()));
                let other = format!("sk-{}-NobodyHasThisKey1234567", key.user());
                let opens = AccessKey::parse(&other).is_ok_and(|other| keyring.user_of(&other).is_some());
                assert_eq!(opens, read(&other).is_some_and(|other| known.contains(&other)), "{other}");
            }
        }
        Err(errors) => {
            assert_eq!(errors.len(), bad.max(usize::from(items.is_empty())), "{text:?}: {errors:?}");
            let said = errors.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n");
            let random = items
                .iter()
                .filter(|item| user_by_the_grammar(item).is_some())
                .filter_map(|item| item.rsplit('-').next());
            for random in random.filter(|random| random.len() >= 12) {
                assert!(!said.contains(random), "{said}");
            }
        }
    }
}

/// `sk-{user}-{random}`, in the plainest words.
fn user_by_the_grammar(text: &str) -> Option<&str> {
    let is_user = |c: char| c.is_ascii_alphanumeric() || c == '.' || c == '_' || c == '-';
    let (user, random) = text.strip_prefix("sk-")?.rsplit_once('-')?;
    let good = !user.is_empty()
        && user.len() <= 64
        && user.chars().all(is_user)
        && random.len() >= 8
        && random.len() <= 128
        && random.chars().all(|c| c.is_ascii_alphanumeric());
    good.then_some(user)
}

/// The user and the digest of an item of the list, if it is one.
fn read(item: &str) -> Option<(String, String)> {
    if let Some((user, digits)) = item.strip_prefix("sha256:").and_then(|rest| rest.rsplit_once(':')) {
        let is_digest = digits.len() == 64 && digits.bytes().all(|digit| digit.is_ascii_hexdigit());
        // A name is good where a key of that name is one.
        let is_user = user_by_the_grammar(&format!("sk-{user}-12345678")) == Some(user);
        return (is_digest && is_user).then(|| (user.to_owned(), digits.to_ascii_lowercase()));
    }
    let user = user_by_the_grammar(item)?;
    Some((user.to_owned(), AccessKey::parse(item).ok()?.digest().to_string()))
}
