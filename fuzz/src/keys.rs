//! Access keys, and the list of them.

use sparekey_core::{AccessKey, Keyring, PREFIX, RANDOM_MAX, RANDOM_MIN, USER_MAX};

/// What is a key is written in one way only, and tells its parts.
pub(crate) fn access_key(input: &[u8]) {
    let Ok(text) = std::str::from_utf8(input) else { return };
    let Ok(key) = AccessKey::parse(text) else { return };
    let random = text.rsplit('-').next().expect("a text has a last part");
    assert_eq!(format!("{PREFIX}{}-{random}", key.user()), text);
    assert!((1..=USER_MAX).contains(&key.user().len()), "{text}");
    assert!((RANDOM_MIN..=RANDOM_MAX).contains(&random.len()), "{text}");
    assert!(text.is_ascii() && !text.contains(['\r', '\n', ' ', ',', '"', '/', '\\']), "{text}");
}

/// A list that is taken opens for its keys, with their users, and for nothing else; one that is not shows no key.
pub(crate) fn access_keys(input: &[u8]) {
    let Ok(text) = std::str::from_utf8(input) else { return };
    let items = || text.split([',', '\n']).map(str::trim).filter(|item| !item.is_empty());
    match Keyring::parse(text, &["sk-proj-RealRealRealReal"]) {
        Ok(keyring) => {
            assert!(items().next().is_some(), "an empty list opens nothing");
            for key in items().filter_map(|item| AccessKey::parse(item).ok()) {
                assert_eq!(keyring.user_of(&key).map(|user| &**user), Some(key.user()));
            }
            for user in items().filter_map(|item| AccessKey::parse(item).ok()).map(|key| key.user().to_owned()) {
                let other = format!("{PREFIX}{user}-NobodyHasThisKey1234567");
                let other = AccessKey::parse(&other).expect("it is a key");
                assert!(keyring.user_of(&other).is_none() || text.contains("NobodyHas") || text.contains("sha256:"));
            }
        }
        Err(errors) => {
            assert!(!errors.is_empty());
            let said = errors.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n");
            for random in
                items().filter(|item| AccessKey::parse(item).is_ok()).filter_map(|item| item.rsplit('-').next())
            {
                assert!(random.len() < 12 || !said.contains(random), "{said}");
            }
        }
    }
}
