//! Changes of a users file. Comments, order and formatting of everything else stay.
//!
//! A document is parsed, changed and written again. Nothing is validated here besides the syntax: a caller reads the
//! result with [`Users::from_toml`](crate::Users::from_toml) before it stores it.

mod comments;
mod entry;
mod keys;
mod moment;
mod new_value;

pub use moment::Moment;
pub use new_value::NewValue;

use std::fmt;

use toml_edit::{DocumentMut, InlineTable, Item, Table, Value};

use crate::{
    timestamp::Timestamp,
    user_field::UserField,
    users_file::{UsersFileError, syntax_error},
    zone::Zone,
};

const BYTE_ORDER_MARK: char = '\u{feff}';

/// The content of a file without users. A server refuses an empty file, because it may be a file that was cut.
const NO_USERS: &str = "# No users.\n";

/// A users file that can be changed. Its `Display` writes the file.
///
/// A file with `\r\n` is written with `\r\n` on all lines.
#[derive(Clone, Debug)]
pub struct UsersDocument {
    document: DocumentMut,
    has_byte_order_mark: bool,
    has_carriage_returns: bool,
}

/// Why a change is not possible. The document is unchanged.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum EditError {
    /// The user has no entry.
    #[error("has no entry in the users file")]
    NoEntry,
    /// The user has an entry.
    #[error("already has an entry in the users file")]
    Exists,
    /// A value stands in place of a table or a list.
    #[error("has an entry that is not as the users file must be")]
    Malformed,
}

impl UsersDocument {
    /// Parses a users file.
    ///
    /// # Errors
    /// The first error of syntax.
    pub fn parse(text: &str) -> Result<Self, UsersFileError> {
        let document = text.parse().map_err(|error| syntax_error(text, &error))?;
        Ok(Self {
            document,
            has_byte_order_mark: text.starts_with(BYTE_ORDER_MARK),
            has_carriage_returns: text.contains("\r\n"),
        })
    }

    /// Returns the time zone of dates: `timezone`, and UTC if it is missing or invalid.
    #[must_use]
    pub fn zone(&self, now: Timestamp) -> Zone {
        let name = self.document.get("timezone").and_then(Item::as_str);
        name.and_then(|name| Zone::iana(name, now)).unwrap_or_else(Zone::utc)
    }

    /// Whether the user has an entry.
    #[must_use]
    pub fn contains(&self, user: &str) -> bool {
        let users = self.document.get("users").and_then(Item::as_table_like);
        users.is_some_and(|users| users.contains_key(user))
    }

    /// Adds an entry that sets nothing, at the end of the file.
    ///
    /// # Errors
    /// [`EditError::Exists`], [`EditError::Malformed`].
    pub fn add_user(&mut self, user: &str) -> Result<(), EditError> {
        if self.contains(user) {
            return Err(EditError::Exists);
        }
        let position = comments::last_position(self.document.as_table_mut()).saturating_add(1);
        let root = self.document.as_table_mut();
        let is_blank = root.is_empty();
        if !root.contains_key("users") {
            let mut users = Table::new();
            users.set_implicit(true);
            root.insert("users", Item::Table(users));
        }
        match root.get_mut("users") {
            Some(Item::Table(users)) => {
                let mut entry = Table::new();
                entry.set_position(Some(position));
                users.insert(user, Item::Table(entry));
            }
            Some(Item::Value(Value::InlineTable(users))) => {
                entry::put_inline(users, user, Value::InlineTable(InlineTable::new()));
                return Ok(());
            }
            _ => return Err(EditError::Malformed),
        }
        // The comments at the end of the file stay in front of the new entry.
        let mut before = self.document.trailing().as_str().unwrap_or_default().to_owned();
        if !before.is_empty() && !before.ends_with('\n') {
            before.push('\n');
        }
        let is_apart = before == "\n" || before.ends_with("\n\n") || (is_blank && before.is_empty());
        if !is_apart {
            before.push('\n');
        }
        self.document.set_trailing("");
        if let Ok(Item::Table(entry)) = entry::find(&mut self.document, user) {
            entry.decor_mut().set_prefix(before);
        }
        Ok(())
    }

    /// Removes a user's entry, and the comment lines directly above it.
    ///
    /// # Errors
    /// [`EditError::NoEntry`].
    pub fn remove_user(&mut self, user: &str) -> Result<(), EditError> {
        let place = comments::Place::of(entry::find(&mut self.document, user)?);
        let kept = match self.document.get_mut("users") {
            Some(Item::Table(users)) => {
                let kept = users.get_key_value(user).map(|(key, item)| comments::above(key, item));
                let kept = kept.map(|above| comments::detached(&above).to_owned()).unwrap_or_default();
                comments::remove_from(users, user, &kept)
            }
            Some(Item::Value(Value::InlineTable(users))) => {
                entry::remove_inline(users, user);
                String::new()
            }
            _ => return Err(EditError::NoEntry),
        };
        comments::keep(&mut self.document, place, &kept);
        if self.document.to_string().trim().is_empty() {
            self.document.set_trailing(NO_USERS);
        }
        Ok(())
    }

    /// Sets a field of a user.
    ///
    /// # Errors
    /// [`EditError::NoEntry`], [`EditError::Malformed`].
    pub fn set(&mut self, user: &str, field: UserField, value: &NewValue) -> Result<(), EditError> {
        entry::put(entry::find(&mut self.document, user)?, field.name(), value.to_toml())
    }

    /// Removes a field of a user, so that the default applies. Returns whether it was set.
    ///
    /// # Errors
    /// [`EditError::NoEntry`], [`EditError::Malformed`].
    pub fn unset(&mut self, user: &str, field: UserField) -> Result<bool, EditError> {
        let entry = entry::find(&mut self.document, user)?;
        let place = comments::Place::of(entry);
        match entry {
            Item::Table(table) => {
                let Some((key, item)) = table.get_key_value(field.name()) else { return Ok(false) };
                let kept = comments::whole(&comments::above(key, item)).to_owned();
                let kept = comments::remove_from(table, field.name(), &kept);
                comments::keep(&mut self.document, place, &kept);
                Ok(true)
            }
            Item::Value(Value::InlineTable(table)) => Ok(entry::remove_inline(table, field.name())),
            Item::None | Item::Value(_) | Item::ArrayOfTables(_) => Err(EditError::Malformed),
        }
    }

    /// Whether the entry of a user sets a field. If not, the default applies.
    #[must_use]
    pub fn sets(&self, user: &str, field: UserField) -> bool {
        let users = self.document.get("users").and_then(Item::as_table_like);
        let entry = users.and_then(|users| users.get(user)).and_then(Item::as_table_like);
        entry.is_some_and(|entry| entry.contains_key(field.name()))
    }

    /// Returns the number of a user's keys in this file.
    #[must_use]
    pub fn key_count(&self, user: &str) -> usize {
        let users = self.document.get("users").and_then(Item::as_table_like);
        let entry = users.and_then(|users| users.get(user)).and_then(Item::as_table_like);
        entry.and_then(|entry| entry.get("keys")).map_or(0, keys::count)
    }

    /// Adds a key of a user by its digest, `sha256:{64 hexadecimal digits}`, with the owner's note.
    ///
    /// # Errors
    /// [`EditError::NoEntry`], [`EditError::Malformed`].
    pub fn add_key(&mut self, user: &str, digest: &str, label: Option<&str>) -> Result<(), EditError> {
        keys::add(entry::find(&mut self.document, user)?, digest, label)
    }

    /// Replaces all keys of a user by one.
    ///
    /// # Errors
    /// [`EditError::NoEntry`], [`EditError::Malformed`].
    pub fn replace_keys(&mut self, user: &str, digest: &str, label: Option<&str>) -> Result<(), EditError> {
        entry::put(entry::find(&mut self.document, user)?, UserField::Keys.name(), keys::list(digest, label))
    }

    /// Lets all keys of a user expire at an instant, but for those that expire earlier. Times are those of `zone`.
    ///
    /// # Errors
    /// [`EditError::NoEntry`], [`EditError::Malformed`].
    pub fn expire_keys(&mut self, user: &str, at: &Moment, zone: &Zone) -> Result<(), EditError> {
        keys::expire(entry::find(&mut self.document, user)?, at, zone)
    }
}

impl fmt::Display for UsersDocument {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = self.document.to_string();
        if self.has_byte_order_mark && !text.starts_with(BYTE_ORDER_MARK) {
            write!(f, "{BYTE_ORDER_MARK}")?;
        }
        if self.has_carriage_returns {
            return f.write_str(&text.replace("\r\n", "\n").replace('\n', "\r\n"));
        }
        f.write_str(&text)
    }
}
