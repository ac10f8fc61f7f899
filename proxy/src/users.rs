//! The users file on the native platforms.

use std::fmt;

use sparekey_core::{Keyring, Places, ReadUsers, UserChecks};
use sparekey_policy::{Checks, Enforced, KeySource, Users};

use crate::now;

/// Reads users in TOML.
pub struct TomlUsers<'a, K> {
    /// The fields that the platform enforces.
    pub enforced: Enforced<'static>,
    /// The keys until now, of a value that is read again: a user that they contain may have lost its last key.
    pub before: Option<&'a Keyring>,
    /// Where requests are counted.
    pub places: Places,
    /// Reads the upstream key of a user; an error is the end of a sentence.
    pub read_key: K,
}

impl<K: Fn(&KeySource) -> Result<String, String>> ReadUsers for TomlUsers<'_, K> {
    fn read(&self, text: &str, checks: &UserChecks<'_>) -> Result<Users, Vec<String>> {
        let checks = Checks {
            user_name: &|name| checks.user_name(name),
            route: &|route| checks.route(route),
            has_key: &|name| checks.has_key(name, self.before),
            api_key: &|source| checks.api_key(source, self),
            enforced: self.enforced,
        };
        let users = Users::from_toml(text, now(), &checks);
        users.map_err(|error| error.problems().iter().map(ToString::to_string).collect())
    }

    fn read_key(&self, source: &KeySource) -> Result<String, String> {
        (self.read_key)(source)
    }

    fn places(&self) -> Places {
        self.places
    }
}

impl<K> fmt::Debug for TomlUsers<'_, K> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TomlUsers").field("enforced", &self.enforced).finish_non_exhaustive()
    }
}
