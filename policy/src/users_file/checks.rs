//! What a users file is checked against.

use crate::user_field::UserField;

/// What the file is checked against, besides its own rules.
pub struct Checks<'a> {
    /// Whether an access key can contain this user name; if not, why.
    pub user_name: &'a dyn Fn(&str) -> Result<(), String>,
    /// Whether this names routes; if not, why.
    pub route: &'a dyn Fn(&str) -> Result<(), String>,
    /// Whether `ACCESS_KEYS` has a key of this user.
    pub has_key: &'a dyn Fn(&str) -> bool,
    /// The fields that the platform enforces. A file that sets another one is refused, because a limit is never ignored.
    pub enforced: &'a [UserField],
}
