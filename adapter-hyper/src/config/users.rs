//! The users file: which of its fields the server enforces, and where the upstream keys of users are.

use std::{
    cell::RefCell,
    env, fs,
    path::{Path, PathBuf},
};

use sparekey_core::{Places, ReadUsers, UserChecks};
use sparekey_policy::{Enforced, KeySource, Users};
use sparekey_proxy::users::TomlUsers;

use super::sources::read_text;

/// The fields that the server enforces. A file with another one is refused.
pub(crate) const ENFORCED: Enforced<'static> = Enforced::ALL;

/// Keeps the users that were read.
pub(crate) struct Recorder<'a, K> {
    inner: TomlUsers<'a, K>,
    users: RefCell<Option<Users>>,
}

impl<'a, K> Recorder<'a, K> {
    pub(crate) fn new(inner: TomlUsers<'a, K>) -> Self {
        Self { inner, users: RefCell::new(None) }
    }

    /// Returns the users; `None` if there are none, or they are invalid.
    pub(crate) fn into_users(self) -> Option<Users> {
        self.users.into_inner()
    }
}

impl<K: Fn(&KeySource) -> Result<String, String>> ReadUsers for Recorder<'_, K> {
    fn read(&self, text: &str, checks: &UserChecks<'_>) -> Result<Users, Vec<String>> {
        let users = self.inner.read(text, checks)?;
        *self.users.borrow_mut() = Some(users.clone());
        Ok(users)
    }

    fn read_key(&self, source: &KeySource) -> Result<String, String> {
        self.inner.read_key(source)
    }

    fn places(&self) -> Places {
        self.inner.places()
    }
}

/// The file of a key, which is relative to the users file.
pub(super) fn key_file(source: &KeySource, users_file: Option<&str>) -> Option<PathBuf> {
    let KeySource::File(path) = source else { return None };
    let folder = users_file.map(Path::new).and_then(Path::parent);
    Some(folder.map_or_else(|| path.into(), |folder| folder.join(path)))
}

/// Reads the upstream key of a user.
///
/// # Errors
/// The end of a sentence.
pub(crate) fn read_key(source: &KeySource, users_file: Option<&str>) -> Result<String, String> {
    match source {
        KeySource::Env(name) => {
            let shown = if looks_like_secret(name) { "an environment variable" } else { name };
            env::var(name).map_err(|_| format!("names {shown}, which is not set"))
        }
        KeySource::File(path) => {
            let file = key_file(source, users_file).unwrap_or_default();
            let shown = if looks_like_secret(path) { "a file".to_owned() } else { file.display().to_string() };
            // A pipe can be read once, and a reload would wait for it.
            if fs::metadata(&file).is_ok_and(|metadata| !metadata.is_file()) {
                return Err(format!("names {shown}, which is no regular file"));
            }
            read_text(file).map_err(|error| format!("names {shown}, which cannot be read: {error}"))
        }
    }
}

/// Whether the name of a file or variable may be the key itself by mistake.
fn looks_like_secret(name: &str) -> bool {
    const LENGTH: usize = 24;
    let is_random = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit();
    let has_word_breaks = name.contains(['/', '.', ' ']) || name.contains('_') && !name.bytes().any(is_random);
    name.contains("sk-") || name.len() >= LENGTH && !has_word_breaks
}
