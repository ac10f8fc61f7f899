//! What a users file is checked against.

use crate::{user_field::Enforced, users::KeySource};

/// What the file is checked against, besides its own rules.
pub struct Checks<'a> {
    /// Whether an access key can contain this user name; if not, why.
    pub user_name: &'a dyn Fn(&str) -> Result<(), String>,
    /// Whether this names routes; if not, why.
    pub route: &'a dyn Fn(&str) -> Result<(), String>,
    /// Whether a user may be listed without keys: `ACCESS_KEYS` has one, or the user had one before.
    pub has_key: &'a dyn Fn(&str) -> bool,
    /// Whether an upstream key can be read and used; if not, why.
    pub api_key: &'a dyn Fn(&KeySource) -> Result<(), String>,
    /// The fields that the platform enforces.
    pub enforced: Enforced<'a>,
}

impl Checks<'_> {
    /// Only the rules of the file itself, without those that need other settings.
    pub const OWN_RULES: Self = Self {
        user_name: &|_| Ok(()),
        route: &|_| Ok(()),
        has_key: &|_| true,
        api_key: &|_| Ok(()),
        enforced: Enforced::ALL,
    };
}
