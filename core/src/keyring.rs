//! `ACCESS_KEYS`: the access keys of all users.

use std::{collections::HashMap, sync::Arc};

use sparekey_policy::{Limits, Timestamp, Zone};
use subtle::{Choice, ConstantTimeEq};

use crate::{
    access_key::{AccessKey, KeyDigest},
    grant::Grant,
    keyring_error::{ItemError, KeyringError},
    list::{self, Position},
    user_key::UserKey,
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
    users: HashMap<Arc<str>, Entry>,
}

#[derive(Debug, Default)]
pub(crate) struct Entry {
    digests: Vec<KeyDigest>,
    /// `None` for a user without limits.
    grant: Option<Arc<Grant>>,
    is_disabled: bool,
}

impl Keyring {
    /// Parses a list of keys and `sha256:` items, separated by commas or newlines. `owner_keys` must not be in the
    /// list.
    ///
    /// # Errors
    /// Every invalid item, or [`KeyringError::Empty`].
    // Not inlined: a Worker's runtime compiles `Config::read` faster in parts (0.5 ms of the load).
    #[inline(never)]
    pub fn parse(list: &str, owner_keys: &[&str]) -> Result<Self, Vec<KeyringError>> {
        let mut ring = Self::default();
        let mut problems = Vec::new();
        // Once, not for each item: a hash takes 18 µs in a Worker.
        let owner_keys: Vec<_> = owner_keys.iter().map(|key| (*key, KeyDigest::of(key))).collect();
        for (position, item) in list::items(list) {
            if let Err(problem) = ring.add(item, position, &owner_keys) {
                problems.push(problem);
            }
        }
        if problems.is_empty() && ring.users.is_empty() {
            problems.push(KeyringError::Empty);
        }
        if problems.is_empty() { Ok(ring) } else { Err(problems) }
    }

    /// Returns the number of users, and of their keys.
    #[must_use]
    pub fn count(&self) -> (usize, usize) {
        (self.users.len(), self.users.values().map(|entry| entry.digests.len()).sum())
    }

    /// Whether there is such a user. One of the users file may have lost its last key.
    #[must_use]
    pub fn has_user(&self, name: &str) -> bool {
        self.users.contains_key(name)
    }

    /// Returns the users of the users file.
    pub fn limited_users(&self) -> impl Iterator<Item = &Arc<str>> {
        self.grants().map(|(user, _)| user)
    }

    /// Returns the users of the users file whose usage is counted, with the limits of their state in the ledger.
    pub fn metered_users(&self) -> impl Iterator<Item = (&Arc<str>, &Arc<Limits>)> {
        self.grants().filter_map(|(user, grant)| Some((user, grant.ledger_limits()?)))
    }

    /// Returns the time zone of the users file, if it has a user.
    #[must_use]
    pub fn zone(&self) -> Option<&Arc<Zone>> {
        self.grants().next().map(|(_, grant)| &grant.user().limits.zone)
    }

    /// Returns the users of `ACCESS_KEYS` that are not in the users file.
    pub fn unlimited_users(&self) -> impl Iterator<Item = &Arc<str>> {
        self.users.iter().filter(|(_, entry)| entry.grant.is_none()).map(|(user, _)| user)
    }

    /// Returns the users of the users file that have no key.
    pub(crate) fn users_without_key(&self) -> impl Iterator<Item = &Arc<str>> {
        self.users.iter().filter(|(_, entry)| entry.digests.is_empty()).map(|(user, _)| user)
    }

    pub(crate) fn grants(&self) -> impl Iterator<Item = (&Arc<str>, &Arc<Grant>)> {
        self.users.iter().filter_map(|(user, entry)| Some((user, entry.grant.as_ref()?)))
    }

    /// Returns the users all of whose keys end, and when the last one does.
    pub fn expiries(&self) -> impl Iterator<Item = (&Arc<str>, Timestamp)> {
        self.users.iter().filter_map(|(user, entry)| {
            let grant = entry.grant.as_ref()?;
            let all: Option<Vec<_>> = entry.digests.iter().map(|digest| grant.expires(digest)).collect();
            Some((user, all?.into_iter().max()?))
        })
    }

    /// Adds the keys and the limits of a user of the users file.
    pub(crate) fn add_user(&mut self, name: &str, grant: Grant) {
        let entry = self.users.entry(name.into()).or_default();
        for listed in &grant.user().keys {
            let digest = KeyDigest::from(listed.digest);
            if !entry.digests.iter().any(|known| known.ct_eq(&digest).into()) {
                entry.digests.push(digest);
            }
        }
        entry.is_disabled = grant.user().disabled;
        entry.grant = Some(Arc::new(grant));
    }

    /// Returns the user of this key, or `None`. An unknown user and a wrong key take the same time.
    #[must_use]
    pub fn user_of(&self, key: &AccessKey<'_>) -> Option<UserKey> {
        let digest = key.digest();
        let (user, entry) = self.find(key.user(), &digest)?;
        Some(UserKey { user: Arc::clone(user), digest, grant: entry.grant.clone() })
    }

    /// Whether the key is still one of these.
    pub(crate) fn contains(&self, key: &UserKey) -> bool {
        self.find(&key.user, &key.digest).is_some()
    }

    /// The instant at which the key ends.
    pub(crate) fn expires(&self, key: &UserKey) -> Option<Timestamp> {
        self.users.get(&key.user)?.grant.as_ref()?.expires(&key.digest)
    }

    /// The user of a key, unless it is disabled.
    fn find(&self, user: &str, given: &KeyDigest) -> Option<(&Arc<str>, &Entry)> {
        self.find_any(user, given).filter(|(_, entry)| !entry.is_disabled)
    }

    /// The user of a key, also of one who is disabled.
    pub(crate) fn find_any(&self, user: &str, given: &KeyDigest) -> Option<(&Arc<str>, &Entry)> {
        let known = self.users.get_key_value(user);
        let digests = known.map_or(&UNKNOWN_USER[..], |(_, entry)| &entry.digests);
        let found = digests.iter().fold(Choice::from(0), |found, digest| found | digest.ct_eq(given));
        known.filter(|_| bool::from(found))
    }

    fn add(&mut self, item: &str, position: Position, owner_keys: &[(&str, KeyDigest)]) -> Result<(), KeyringError> {
        // Checked before the grammar, which most API keys don't follow, so that the error states the true reason.
        if owner_keys.iter().any(|(key, _)| *key == item) {
            return Err(KeyringError::ApiKey { position });
        }
        if !item.starts_with(DIGEST_ITEM) && is_openai_key(item) {
            return Err(KeyringError::OpenAiKey { position });
        }
        let (user, digest) = read_item(item).map_err(|cause| KeyringError::Item { position, cause })?;
        if owner_keys.iter().any(|(_, owner)| owner.ct_eq(&digest).into()) {
            return Err(KeyringError::ApiKey { position });
        }
        let digests = &mut self.users.entry(user.into()).or_default().digests;
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
pub(crate) fn is_openai_key(key: &str) -> bool {
    ["sk-proj-", "sk-svcacct-", ADMIN_KEY].iter().any(|prefix| key.starts_with(prefix)) || key.contains("T3BlbkFJ")
}

fn read_item(item: &str) -> Result<(&str, KeyDigest), ItemError> {
    let is_separator = |c: char| c.is_whitespace() || c == ';' || c == '|';
    if item.split(is_separator).filter(|part| !part.is_empty()).count() > 1 {
        return Err(ItemError::Separator);
    }
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
        ring.user_of(&AccessKey::parse(key).unwrap()).map(|key| key.user.to_string())
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
            is_rejected(list, &["contains no key; make one with `sparekey keygen NAME`"]);
        }
    }

    #[test]
    fn all_problems_with_positions() {
        let digest = AccessKey::parse(TOM).unwrap().digest();
        is_rejected(
            &format!("{TOM},,sk-Tom-short, {TOM}\nsk-real-realreal,sha256:Tom:00,sha256:Tom:{digest},sk-re_al"),
            &[
                "item 2 (line 1): the random part has 8 to 128 characters, this one 5",
                "item 3 (line 1) repeats an earlier item",
                "item 4 (line 2) is the API key itself; give users keys made with `sparekey keygen NAME`",
                "item 5 (line 2): a digest item is sha256:{user}:{64 hexadecimal digits}",
                "item 6 (line 2) repeats an earlier item",
                "item 7 (line 2) is the API key itself; give users keys made with `sparekey keygen NAME`",
            ],
        );
        for key in ["sk-real-realreal", "sk-re_al"] {
            let list = format!("sha256:Tom:{}", KeyDigest::of(key));
            is_rejected(&list, &["item 1 is the API key itself; give users keys made with `sparekey keygen NAME`"]);
        }
        for list in ["sk-Tom-abcdefgh sk-Ann-abcdefgh", "sk-Tom-abcdefgh;sk-Ann-abcdefgh"] {
            is_rejected(list, &["item 1: keys are separated by commas or newlines"]);
        }
    }
}
