//! `ACCESS_KEYS`: the access keys of all users.

use std::{collections::HashMap, sync::Arc};

use subtle::{Choice, ConstantTimeEq};

use crate::{
    access_key::{AccessKey, KeyDigest, KeyError},
    headers, list,
};

/// Prefix of a digest item: `sha256:{user}:{64 hexadecimal digits}`.
const DIGEST_ITEM: &str = "sha256:";

/// Prefix of OpenAI's [admin keys](https://platform.openai.com/docs/api-reference/administration).
pub(crate) const ADMIN_KEY: &str = "sk-admin-";

/// Compared for an unknown user, so that an unknown user and a wrong key take the same time.
const UNKNOWN_USER: [KeyDigest; 1] = [KeyDigest::ZERO];

/// The access keys by user. It stores digests only.
#[derive(Debug, Default)]
pub struct Keyring {
    users: HashMap<Arc<str>, Vec<KeyDigest>>,
}

/// Why `ACCESS_KEYS` is invalid. Positions count from 1 and skip empty items.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum KeyringError {
    /// No item at all.
    #[error("contains no key; make one with `keygen NAME`")]
    Empty,
    /// An item that is neither a key nor a digest item.
    #[error("item {position}: {cause}")]
    Item {
        /// The item's position.
        position: usize,
        /// Why it is invalid.
        cause: ItemError,
    },
    /// Another API key of OpenAI: its user may spend without this proxy.
    #[error("item {position} is an API key of OpenAI; give users keys made with `keygen NAME`")]
    OpenAiKey {
        /// The item's position.
        position: usize,
    },
    /// An item that occurs twice.
    #[error("item {position} repeats an earlier item")]
    Duplicate {
        /// The item's position.
        position: usize,
    },
    /// The owner's API key or gateway token, which must stay secret.
    #[error("item {position} is the API key itself; give users keys made with `keygen NAME`")]
    ApiKey {
        /// The item's position.
        position: usize,
    },
}

/// Why an item of `ACCESS_KEYS` is invalid.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum ItemError {
    /// Not an access key.
    #[error(transparent)]
    Key(#[from] KeyError),
    /// It begins with `sha256:`, but is not a digest item.
    #[error("a digest item is sha256:{{user}}:{{64 hexadecimal digits}}")]
    Digest,
}

impl Keyring {
    /// Parses a list of keys and `sha256:` items, separated by commas or newlines. `owner_keys` must not be in the
    /// list.
    ///
    /// # Errors
    /// Every invalid item, or [`KeyringError::Empty`].
    pub fn parse(list: &str, owner_keys: &[&str]) -> Result<Self, Vec<KeyringError>> {
        let mut ring = Self::default();
        let mut problems = Vec::new();
        for (position, item) in list::items(list) {
            if let Err(problem) = ring.add(item, position, owner_keys) {
                problems.push(problem);
            }
        }
        if problems.is_empty() && ring.users.is_empty() {
            problems.push(KeyringError::Empty);
        }
        if problems.is_empty() { Ok(ring) } else { Err(problems) }
    }

    /// Returns the user of this key, or `None`. An unknown user and a wrong key take the same time.
    #[must_use]
    pub fn user_of(&self, key: &AccessKey<'_>) -> Option<&Arc<str>> {
        let given = key.digest();
        let known = self.users.get_key_value(key.user());
        let digests = known.map_or(&UNKNOWN_USER[..], |(_, digests)| digests);
        let found = digests.iter().fold(Choice::from(0), |found, digest| found | digest.ct_eq(&given));
        known.map(|(user, _)| user).filter(|_| found.into())
    }

    /// Whether a text contains one of these keys.
    pub(crate) fn occurs_in(&self, text: &[u8]) -> bool {
        headers::positions(text, AccessKey::PREFIX)
            .any(|start| self.is_prefix_key(text.get(start..).unwrap_or_default()))
    }

    /// Whether a text begins with one of these keys.
    fn is_prefix_key(&self, text: &[u8]) -> bool {
        const MAX: usize = AccessKey::PREFIX.len() + AccessKey::USER_MAX + 1 + AccessKey::RANDOM_MAX;
        let text = text.get(..MAX).unwrap_or(text);
        let length = text.iter().take_while(|byte| byte.is_ascii_alphanumeric() || b"._-".contains(byte)).count();
        let text = text.get(..length).and_then(|text| str::from_utf8(text).ok()).unwrap_or_default();
        // The user may contain dashes, so each one may be the last.
        text.match_indices('-').skip(1).any(|(dash, _)| {
            let random = text.get(dash..).unwrap_or_default().bytes().skip(1).take_while(u8::is_ascii_alphanumeric);
            let end = dash.saturating_add(1).saturating_add(random.count());
            let key = AccessKey::parse(text.get(..end).unwrap_or_default());
            key.is_ok_and(|key| self.user_of(&key).is_some())
        })
    }

    fn add(&mut self, item: &str, position: usize, owner_keys: &[&str]) -> Result<(), KeyringError> {
        // Checked before the grammar, which most API keys don't follow, so that the error states the true reason.
        if owner_keys.contains(&item) {
            return Err(KeyringError::ApiKey { position });
        }
        if !item.starts_with(DIGEST_ITEM) && is_openai_key(item) {
            return Err(KeyringError::OpenAiKey { position });
        }
        let (user, digest) = read_item(item).map_err(|cause| KeyringError::Item { position, cause })?;
        if owner_keys.iter().any(|key| KeyDigest::of(key).ct_eq(&digest).into()) {
            return Err(KeyringError::ApiKey { position });
        }
        let digests = self.users.entry(user.into()).or_default();
        if digests.iter().any(|known| known.ct_eq(&digest).into()) {
            return Err(KeyringError::Duplicate { position });
        }
        // Nearly all users have one key: `push` alone would allocate for four.
        digests.reserve_exact(1);
        digests.push(digest);
        Ok(())
    }
}

/// Whether a key looks like one of OpenAI's: their prefixes, or the Base64 of "OpenAI" within.
fn is_openai_key(item: &str) -> bool {
    ["sk-proj-", "sk-svcacct-", ADMIN_KEY].iter().any(|prefix| item.starts_with(prefix)) || item.contains("T3BlbkFJ")
}

fn read_item(item: &str) -> Result<(&str, KeyDigest), ItemError> {
    let Some(rest) = item.strip_prefix(DIGEST_ITEM) else {
        let key = AccessKey::parse(item)?;
        return Ok((key.user(), key.digest()));
    };
    let (user, digits) = rest.rsplit_once(':').ok_or(ItemError::Digest)?;
    AccessKey::check_user(user)?;
    Ok((user, KeyDigest::from_hex(digits).ok_or(ItemError::Digest)?))
}

#[cfg(test)]
mod tests {
    use super::*;

    const TOM: &str = "sk-Tom-abcdefgh";

    fn user_of(list: &str, key: &str) -> Option<String> {
        let ring = Keyring::parse(list, &[]).unwrap();
        ring.user_of(&AccessKey::parse(key).unwrap()).map(ToString::to_string)
    }

    #[track_caller]
    fn is_rejected(list: &str, messages: &[&str]) {
        let problems = Keyring::parse(list, &["sk-real-realreal", "sk-re_al"]).unwrap_err();
        assert_eq!(problems.iter().map(ToString::to_string).collect::<Vec<_>>(), messages);
    }

    #[test]
    fn items_are_trimmed_and_empty_items_skipped() {
        let list = format!(",\r\n {TOM} ,, \n\tsk-Ann-12345678\n");
        assert_eq!(user_of(&list, TOM).as_deref(), Some("Tom"));
        assert_eq!(user_of(&list, "sk-Ann-12345678").as_deref(), Some("Ann"));
        assert_eq!(user_of(&list, "sk-Ann-abcdefgh"), None);
        assert_eq!(user_of(&list, "sk-Eve-abcdefgh"), None);
    }

    #[test]
    fn keys_are_found_in_a_text() {
        let ring = Keyring::parse("sk-anna-maria.k-abcdefgh,sk-Tom-ABCDEFGH", &[]).unwrap();
        for text in [
            "sk-Tom-ABCDEFGH",
            "/x/sk-Tom-ABCDEFGH.png",
            "key=sk-anna-maria.k-abcdefgh&a=b",
            "protocol.sk-anna-maria.k-abcdefgh-",
            "sk-sk-Tom-ABCDEFGH",
        ] {
            assert!(ring.occurs_in(text.as_bytes()), "{text}");
        }
        for text in ["sk-Tom-ABCDEFGI", "sk-learn-documentation", "sk-Tom-", "sk-", "", "sk-Tom-ABCDEFGHI", "task-Tom"]
        {
            assert!(!ring.occurs_in(text.as_bytes()), "{text}");
        }
        assert!(!ring.occurs_in(b"\xffsk-Tom-\xff"));
    }

    #[test]
    fn user_with_two_keys() {
        let digest = AccessKey::parse("sk-Tom-zzzzzzzz").unwrap().digest();
        let list = format!("{TOM},sha256:Tom:{digest}");
        assert_eq!(user_of(&list, TOM).as_deref(), Some("Tom"));
        assert_eq!(user_of(&list, "sk-Tom-zzzzzzzz").as_deref(), Some("Tom"));
        assert_eq!(user_of(&list, "sk-Tom-abcdefgi"), None);
    }

    #[test]
    fn empty_list_is_rejected() {
        for list in ["", " ", ",", ",,\n , \t"] {
            is_rejected(list, &["contains no key; make one with `keygen NAME`"]);
        }
    }

    #[test]
    fn all_problems_with_positions() {
        let digest = AccessKey::parse(TOM).unwrap().digest();
        is_rejected(
            &format!("{TOM},,sk-Tom-short, {TOM}\nsk-real-realreal,sha256:Tom:00,sha256:Tom:{digest},sk-re_al"),
            &[
                "item 2: the random part has 8 to 128 characters, this one 5",
                "item 3 repeats an earlier item",
                "item 4 is the API key itself; give users keys made with `keygen NAME`",
                "item 5: a digest item is sha256:{user}:{64 hexadecimal digits}",
                "item 6 repeats an earlier item",
                "item 7 is the API key itself; give users keys made with `keygen NAME`",
            ],
        );
    }
}
