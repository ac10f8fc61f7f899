//! `ACCESS_KEYS`: the keys that open the door.

use std::{collections::HashMap, sync::Arc};

use subtle::{Choice, ConstantTimeEq};

use crate::access_key::{AccessKey, KeyDigest, KeyError, check_user};

/// What a digest item begins with: `sha256:{user}:{64 hexadecimal digits}`.
const DIGEST_ITEM: &str = "sha256:";

/// Compared where the user is unknown, so that the work done is the same.
const NOBODY: [KeyDigest; 1] = [KeyDigest::ZERO];

/// The keys that open the door, by user. Holds digests only.
#[derive(Debug, Default)]
pub struct Keyring {
    users: HashMap<Arc<str>, Vec<KeyDigest>>,
}

impl Keyring {
    /// Reads a comma or newline separated list of keys and `sha256:` items; `real` are keys that must
    /// not be among them.
    ///
    /// # Errors
    /// Every item that can't be used, or [`KeyringError::Empty`].
    pub fn parse(list: &str, real: &[&str]) -> Result<Self, Vec<KeyringError>> {
        let mut ring = Self::default();
        let mut problems = Vec::new();
        let items = list.split([',', '\n']).map(str::trim).filter(|item| !item.is_empty());
        for (place, item) in (1..).zip(items) {
            if let Err(problem) = ring.take(item, place, real) {
                problems.push(problem);
            }
        }
        if problems.is_empty() && ring.users.is_empty() {
            problems.push(KeyringError::Empty);
        }
        if problems.is_empty() { Ok(ring) } else { Err(problems) }
    }

    /// The user whom this key was given to, or `None`. An unknown user and a wrong secret cost the same.
    #[must_use]
    pub fn user_of(&self, key: &AccessKey<'_>) -> Option<&Arc<str>> {
        let presented = key.digest();
        let known = self.users.get_key_value(key.user());
        let digests = known.map_or(&NOBODY[..], |(_, digests)| digests);
        let found = digests.iter().fold(Choice::from(0), |found, digest| found | digest.ct_eq(&presented));
        known.map(|(user, _)| user).filter(|_| found.into())
    }

    fn take(&mut self, item: &str, place: usize, real: &[&str]) -> Result<(), KeyringError> {
        // Before the grammar: most real keys don't follow it, and the owner should hear the true reason.
        if real.contains(&item) {
            return Err(KeyringError::RealKey { place });
        }
        let (user, digest) = read_item(item).map_err(|cause| KeyringError::Item { place, cause })?;
        if real.iter().any(|key| KeyDigest::of(key).ct_eq(&digest).into()) {
            return Err(KeyringError::RealKey { place });
        }
        let digests = self.users.entry(user.into()).or_default();
        if digests.iter().any(|known| known.ct_eq(&digest).into()) {
            return Err(KeyringError::Duplicate { place });
        }
        // Nearly everybody has one key.
        digests.reserve_exact(1);
        digests.push(digest);
        Ok(())
    }
}

fn read_item(item: &str) -> Result<(&str, KeyDigest), ItemError> {
    let Some(rest) = item.strip_prefix(DIGEST_ITEM) else {
        let key = AccessKey::parse(item)?;
        return Ok((key.user(), key.digest()));
    };
    let (user, digits) = rest.rsplit_once(':').ok_or(ItemError::Digest)?;
    check_user(user)?;
    Ok((user, KeyDigest::from_hex(digits).ok_or(ItemError::Digest)?))
}

/// Why `ACCESS_KEYS` can't be used. Places count from 1, over the items that are not empty.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
pub enum KeyringError {
    /// No item at all.
    #[error("holds no key; make one with `keygen NAME`")]
    Empty,
    /// An item that is neither a key nor a digest.
    #[error("item {place}: {cause}")]
    Item {
        /// The item's place.
        place: usize,
        /// What is wrong with it.
        cause: ItemError,
    },
    /// An item that stands there already.
    #[error("item {place} repeats an earlier one")]
    Duplicate {
        /// The item's place.
        place: usize,
    },
    /// The owner's own key, which must never be given away.
    #[error("item {place} is the real key itself; give people keys made with `keygen NAME`")]
    RealKey {
        /// The item's place.
        place: usize,
    },
}

/// What is wrong with an item of `ACCESS_KEYS`.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
pub enum ItemError {
    /// Not a key.
    #[error(transparent)]
    Key(#[from] KeyError),
    /// Begins with `sha256:`, but does not go on as it must.
    #[error("a digest item is sha256:{{user}}:{{64 hexadecimal digits}}")]
    Digest,
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
    fn refused(list: &str, messages: &[&str]) {
        let problems = Keyring::parse(list, &["sk-real-realreal", "sk-re_al"]).unwrap_err();
        assert_eq!(problems.iter().map(ToString::to_string).collect::<Vec<_>>(), messages);
    }

    #[test]
    fn items_are_trimmed_and_empty_ones_ignored() {
        let list = format!(",\r\n {TOM} ,, \n\tsk-Ann-12345678\n");
        assert_eq!(user_of(&list, TOM).as_deref(), Some("Tom"));
        assert_eq!(user_of(&list, "sk-Ann-12345678").as_deref(), Some("Ann"));
        assert_eq!(user_of(&list, "sk-Ann-abcdefgh"), None);
        assert_eq!(user_of(&list, "sk-Eve-abcdefgh"), None);
    }

    #[test]
    fn a_user_may_have_two_keys_and_digests() {
        let digest = AccessKey::parse("sk-Tom-zzzzzzzz").unwrap().digest();
        let list = format!("{TOM},sha256:Tom:{digest}");
        assert_eq!(user_of(&list, TOM).as_deref(), Some("Tom"));
        assert_eq!(user_of(&list, "sk-Tom-zzzzzzzz").as_deref(), Some("Tom"));
        assert_eq!(user_of(&list, "sk-Tom-abcdefgi"), None);
    }

    #[test]
    fn an_empty_list_never_opens_the_door() {
        for list in ["", " ", ",", ",,\n , \t"] {
            refused(list, &["holds no key; make one with `keygen NAME`"]);
        }
    }

    #[test]
    fn every_problem_is_named_by_place() {
        let digest = AccessKey::parse(TOM).unwrap().digest();
        refused(
            &format!("{TOM},,sk-Tom-short, {TOM}\nsk-real-realreal,sha256:Tom:00,sha256:Tom:{digest},sk-re_al"),
            &[
                "item 2: the random part has 8 to 128 characters, this one 5",
                "item 3 repeats an earlier one",
                "item 4 is the real key itself; give people keys made with `keygen NAME`",
                "item 5: a digest item is sha256:{user}:{64 hexadecimal digits}",
                "item 6 repeats an earlier one",
                "item 7 is the real key itself; give people keys made with `keygen NAME`",
            ],
        );
    }
}
