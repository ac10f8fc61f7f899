//! All users: those of the users file, and those with keys in `ACCESS_KEYS` only.

use std::collections::BTreeSet;

use sparekey_policy::{Timestamp, User, Users};

use super::context::Context;

/// A user.
#[derive(Clone, Copy)]
pub(super) struct UserOverview<'a> {
    pub(super) name: &'a str,
    /// `None` for a user without an entry, and so without limits.
    pub(super) entry: Option<&'a User>,
    /// Keys in `ACCESS_KEYS`.
    pub(super) access_keys: usize,
}

impl<'a> UserOverview<'a> {
    /// All users, sorted by name.
    pub(super) fn all(context: &'a Context, users: &'a Users) -> Vec<Self> {
        let names = users.iter().map(|(name, _)| name).chain(context.access_keys.keys().map(String::as_str));
        let names: BTreeSet<_> = names.collect();
        let overview = |name| Self {
            name,
            entry: users.get(name),
            access_keys: context.access_keys.get(name).copied().unwrap_or_default(),
        };
        names.into_iter().map(overview).collect()
    }

    /// The number of keys in both places.
    pub(super) fn keys(&self) -> usize {
        self.access_keys + self.entry.map_or(0, |entry| entry.keys.len())
    }

    /// When the last key stops: the earlier of the user's expiry and that of the last key.
    pub(super) fn expires(&self) -> Option<Timestamp> {
        let entry = self.entry?;
        let ends = entry.keys.iter().map(|key| key.expires.unwrap_or(Timestamp::MAX)).max();
        let last = ends.filter(|last| self.access_keys == 0 && *last < Timestamp::MAX);
        [entry.expires, last].into_iter().flatten().min()
    }

    /// `active`, `disabled` or `expired`.
    pub(super) fn state(&self, now: Timestamp) -> &'static str {
        if self.entry.is_some_and(|entry| entry.disabled) {
            "disabled"
        } else if self.expires().is_some_and(|expires| expires <= now) {
            "expired"
        } else {
            "active"
        }
    }
}
