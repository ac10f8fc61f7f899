//! Validated users.

use std::{
    collections::{BTreeMap, btree_map},
    fmt,
    sync::Arc,
};

use crate::{
    limits::Limits, model_pattern::ModelPattern, network::Network, timestamp::Timestamp, user_field::UserField,
    zone::Zone,
};

/// The users that have limits, or keys, of their own. A user who is not listed has no limits.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Users {
    pub(crate) zone: Arc<Zone>,
    pub(crate) users: BTreeMap<String, User>,
}

/// One user.
#[derive(Clone, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub struct User {
    /// The keys in the users file. A user can have keys elsewhere too.
    pub keys: Vec<ListedKey>,
    /// The instant from which on all keys of the user are refused.
    pub expires: Option<Timestamp>,
    /// Whether all keys of the user are refused.
    pub disabled: bool,
    /// The networks of the user's clients; `None` for any.
    pub networks: Option<Vec<Network>>,
    /// The routes within those that are open, as written; `None` for all of them.
    pub routes: Option<Vec<String>>,
    /// The models; `None` for any.
    pub models: Option<Vec<ModelPattern>>,
    /// The limits that depend on earlier requests.
    pub limits: Limits,
    /// Where the upstream key of this user's own is stored.
    pub api_key: Option<KeySource>,
    /// The value of `openai-project`.
    pub project: Option<String>,
}

/// A key of a user.
#[derive(Clone, Eq, PartialEq)]
#[non_exhaustive]
pub struct ListedKey {
    /// The SHA-256 of the whole key. It is not shown.
    pub digest: [u8; 32],
    /// The instant from which on the key is refused.
    pub expires: Option<Timestamp>,
    /// The owner's note.
    pub label: Option<String>,
}

/// Where a key is stored. The key itself is read by others.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum KeySource {
    /// `file:{path}`, relative to the users file.
    File(String),
    /// `env:{variable}`.
    Env(String),
}

impl Users {
    /// Returns the time zone of the periods.
    #[must_use]
    pub fn zone(&self) -> &Arc<Zone> {
        &self.zone
    }

    /// Returns the user of this name, if listed.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&User> {
        self.users.get(name)
    }

    /// Returns all users, sorted by name.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &User)> {
        self.users.iter().map(|(name, user)| (name.as_str(), user))
    }
}

/// Returns all users, sorted by name.
impl IntoIterator for Users {
    type Item = (String, User);
    type IntoIter = btree_map::IntoIter<String, User>;

    fn into_iter(self) -> Self::IntoIter {
        self.users.into_iter()
    }
}

impl User {
    /// Whether the field restricts this user, or gives it something.
    #[must_use]
    pub fn has(&self, field: UserField) -> bool {
        match field {
            UserField::Keys => !self.keys.is_empty(),
            UserField::Expires => self.expires.is_some() || self.keys.iter().any(|key| key.expires.is_some()),
            UserField::Disabled => self.disabled,
            UserField::Networks => self.networks.is_some(),
            UserField::Routes => self.routes.is_some(),
            UserField::Models => self.models.is_some(),
            UserField::RequestsPerMinute => self.limits.requests_per_minute.is_some(),
            UserField::ConcurrentRequests => self.limits.concurrent_requests.is_some(),
            UserField::Budgets => !self.limits.budgets.is_empty(),
            UserField::TokensPerMinute => self.limits.tokens_per_minute.is_some(),
            UserField::MaxOutputTokens => self.limits.max_output_tokens.is_some(),
            UserField::Metered => self.limits.metered,
            UserField::OpenAiApiKey => self.api_key.is_some(),
            UserField::OpenAiProject => self.project.is_some(),
        }
    }

    /// Whether the user's clients may have this address.
    #[must_use]
    pub fn allows_address(&self, address: std::net::IpAddr) -> bool {
        self.networks.as_ref().is_none_or(|networks| networks.iter().any(|network| network.contains(address)))
    }

    /// Whether the user may use this model.
    #[must_use]
    pub fn allows_model(&self, model: &str) -> bool {
        self.models.as_ref().is_none_or(|models| models.iter().any(|pattern| pattern.matches(model)))
    }
}

impl ListedKey {
    /// Returns the key with this digest, 64 hexadecimal digits in either case.
    #[must_use]
    pub fn from_hex(digest: &str) -> Option<Self> {
        let mut bytes = [0; 32];
        if digest.len() != 64 {
            return None;
        }
        for (byte, pair) in bytes.iter_mut().zip(digest.as_bytes().chunks(2)) {
            *byte = pair.iter().try_fold(0_u8, |byte, digit| {
                let digit = char::from(*digit).to_digit(16).and_then(|digit| u8::try_from(digit).ok())?;
                Some(byte.wrapping_shl(4) | digit)
            })?;
        }
        Some(Self { digest: bytes, expires: None, label: None })
    }
}

impl KeySource {
    /// Parses `file:{path}` or `env:{variable}`.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        if let Some(path) = text.strip_prefix("file:") {
            return (!path.trim().is_empty() && !path.contains('\0')).then(|| Self::File(path.to_owned()));
        }
        let variable = text.strip_prefix("env:")?;
        let is_name = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_';
        let starts_well = variable.bytes().next().is_some_and(|first| !first.is_ascii_digit());
        (starts_well && variable.bytes().all(is_name)).then(|| Self::Env(variable.to_owned()))
    }
}

/// Writes it as [`KeySource::parse`] reads it.
impl fmt::Display for KeySource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File(path) => write!(f, "file:{path}"),
            Self::Env(variable) => write!(f, "env:{variable}"),
        }
    }
}

impl fmt::Debug for ListedKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ListedKey").field("expires", &self.expires).field("label", &self.label).finish_non_exhaustive()
    }
}
