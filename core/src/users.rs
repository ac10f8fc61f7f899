//! `USERS`: the users with limits.

use std::fmt;

use sparekey_policy::{Enforced, KeySource, User, UserField, Users};
use subtle::ConstantTimeEq as _;

use crate::{
    access_key::{AccessKey, KeyDigest},
    grant::Grant,
    keyring::{ADMIN_KEY, Keyring},
    open_routes::OpenRoutes,
    places::Places,
    secret::Secret,
};

/// Reads the users on a platform.
pub trait ReadUsers {
    /// Reads the value of `USERS`.
    ///
    /// # Errors
    /// All problems, one sentence each; none contains a secret.
    fn read(&self, text: &str, checks: &UserChecks<'_>) -> Result<Users, Vec<String>>;

    /// Reads the upstream key of one user.
    ///
    /// # Errors
    /// Why it cannot be read: the end of a sentence that begins with the name of the field.
    fn read_key(&self, source: &KeySource) -> Result<String, String>;

    /// Returns where requests are counted.
    fn places(&self) -> Places;
}

/// The checks of users that need other settings.
#[derive(Clone, Copy, Debug)]
pub struct UserChecks<'a> {
    /// `None` if `ACCESS_KEYS` is invalid.
    keys: Option<&'a Keyring>,
    owner_keys: &'a [&'a str],
}

/// Reads the compiled form of users, for a platform that cannot read the users file.
pub struct CompiledUsers<'a, K> {
    /// The fields that the platform enforces.
    pub enforced: Enforced<'static>,
    /// The keys until now, of a value that is read again: a user that they contain may have lost its last key.
    pub before: Option<&'a Keyring>,
    /// Where requests are counted.
    pub places: Places,
    /// Reads the upstream key of a user; an error is the end of a sentence.
    pub read_key: K,
}

/// A platform without users.
pub(crate) struct NoUsers;

impl UserChecks<'_> {
    /// Whether an access key can contain this user name.
    ///
    /// # Errors
    /// Why not.
    pub fn user_name(&self, name: &str) -> Result<(), String> {
        AccessKey::check_user(name).map_err(|error| error.to_string())
    }

    /// Whether this names routes.
    ///
    /// # Errors
    /// Why not.
    pub fn route(&self, route: &str) -> Result<(), String> {
        // A comma would separate two of them.
        let is_one = !route.contains([',', '\n', '\r']) && !route.trim().is_empty();
        let is_valid = is_one && OpenRoutes::parse(Some(route), false).is_ok();
        let forms = "must be inference, data, compatible, ephemeral, all, or a path that begins with '/', such as \
                     /v1/custom/*";
        if is_valid { Ok(()) } else { Err(forms.to_owned()) }
    }

    /// Whether an upstream key can be read and used.
    ///
    /// # Errors
    /// Why not.
    pub fn api_key(&self, source: &KeySource, reader: &dyn ReadUsers) -> Result<(), String> {
        read_key(source, reader, self.owner_keys).map(drop)
    }

    /// Whether `ACCESS_KEYS` has a key of this user, or may have one because it is invalid, or the keys before contained the
    /// user.
    #[must_use]
    pub fn has_key(&self, name: &str, before: Option<&Keyring>) -> bool {
        self.keys.is_none_or(|keys| keys.has_user(name)) || before.is_some_and(|before| before.has_user(name))
    }
}

impl<K> CompiledUsers<'_, K> {
    fn refused_field(&self, name: &str, user: &User) -> Option<String> {
        UserField::ALL.into_iter().filter(|field| user.has(*field)).find_map(|field| {
            let problem = self.enforced.check(field).err()?;
            Some(format!("users.{name}.{} {problem}", field.name()))
        })
    }
}

impl<K: Fn(&KeySource) -> Result<String, String>> ReadUsers for CompiledUsers<'_, K> {
    fn read(&self, text: &str, checks: &UserChecks<'_>) -> Result<Users, Vec<String>> {
        let users = Users::from_json(text).map_err(|error| vec![error.to_string()])?;
        // The other checks are those of the users file.
        let mut problems = Vec::new();
        for (name, user) in users.iter() {
            // It becomes a part of a header's value.
            if let Err(problem) = checks.user_name(name) {
                problems.push(format!("users has a name that no key can have: {problem}"));
            } else if user.keys.is_empty() && !checks.has_key(name, self.before) {
                problems.push(format!("users.{name} has no key, here or in ACCESS_KEYS"));
            }
        }
        // One says it for all: the same ledger is missing.
        if problems.is_empty()
            && let Some(problem) = users.iter().find_map(|(name, user)| self.refused_field(name, user))
        {
            problems.push(problem);
        }
        if problems.is_empty() { Ok(users) } else { Err(problems) }
    }

    fn read_key(&self, source: &KeySource) -> Result<String, String> {
        (self.read_key)(source)
    }

    fn places(&self) -> Places {
        self.places
    }
}

impl<K> fmt::Debug for CompiledUsers<'_, K> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CompiledUsers").field("enforced", &self.enforced).finish_non_exhaustive()
    }
}

/// Reads the upstream key of a user on a platform without files. `get` returns the value of a variable.
///
/// # Errors
/// The end of a sentence that begins with the name of the field.
pub fn read_env_key(source: &KeySource, get: impl FnOnce(&str) -> Option<String>) -> Result<String, String> {
    match source {
        KeySource::Env(name) => get(name).ok_or_else(|| format!("names the variable {name}, which is not set")),
        KeySource::File(_) => Err("names a file, and this platform has none; use env:VARIABLE".to_owned()),
    }
}

impl ReadUsers for NoUsers {
    fn read(&self, _: &str, _: &UserChecks<'_>) -> Result<Users, Vec<String>> {
        Err(vec!["is not supported on this platform: remove it, because a limit is never ignored".to_owned()])
    }

    fn read_key(&self, _: &KeySource) -> Result<String, String> {
        Err("is not supported on this platform".to_owned())
    }

    fn places(&self) -> Places {
        Places::default()
    }
}

/// Reads users and adds them to the keys of `ACCESS_KEYS`, which may be invalid. Returns all problems.
pub(crate) fn add(
    text: &str,
    reader: &dyn ReadUsers,
    owner_keys: &[&str],
    keys: &mut Keyring,
    are_keys_valid: bool,
) -> Vec<String> {
    let listed = are_keys_valid.then_some(&*keys);
    let users = match reader.read(text, &UserChecks { keys: listed, owner_keys }) {
        Ok(users) => users,
        Err(problems) => return problems,
    };
    let owner_digests: Vec<_> = owner_keys.iter().map(|key| KeyDigest::of(key)).collect();
    let mut problems = Vec::new();
    for (name, user) in users {
        let is_owner_key = |digest| owner_digests.iter().any(|owner| owner.ct_eq(&KeyDigest::from(digest)).into());
        if user.keys.iter().any(|listed| is_owner_key(listed.digest)) {
            problems.push(format!(
                "users.{name}.keys has the API key itself; give users keys made with `sparekey keygen NAME`"
            ));
        }
        let api_key = user.api_key.as_ref().map(|source| read_key(source, reader, owner_keys)).transpose();
        let api_key = api_key.map_err(|problem| format!("openai_api_key {problem}"));
        let grant = api_key.and_then(|api_key| Grant::new(user, api_key, reader.places()));
        match grant {
            Ok(grant) => keys.add_user(&name, grant),
            Err(problem) => problems.push(format!("users.{name}.{problem}")),
        }
    }
    problems
}

fn read_key(source: &KeySource, reader: &dyn ReadUsers, owner_keys: &[&str]) -> Result<Secret, String> {
    let key = Secret::parse(reader.read_key(source)?.trim());
    let key = key.ok_or("names a key that does not consist of visible ASCII characters without spaces")?;
    if owner_keys.contains(&key.expose()) {
        return Err("is OPENAI_API_KEY itself; remove it, or set a key of another project".to_owned());
    }
    if key.expose().starts_with(ADMIN_KEY) {
        return Err("is an admin key, which no model accepts; set a key of a project".to_owned());
    }
    Ok(key)
}
