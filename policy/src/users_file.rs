//! The users file: TOML, as owners write it.
//!
//! Everything is checked when the file is read, and all problems are reported at once. No message contains a key, a
//! digest, or another value of the file.

mod checks;
pub(crate) mod date;
mod fields;
mod key;
mod merge;
mod value;

pub use checks::Checks;

use std::{collections::BTreeMap, sync::Arc};

use self::{
    fields::{Fields, Scope},
    key::KeyEntry,
    merge::merge,
};
use crate::{
    timestamp::Timestamp,
    toml_file::{
        Problem,
        problem::Problems,
        syntax_problem,
        tree::{Node, Tree, Value},
    },
    users::{User, Users},
    zone::Zone,
};

const NO_KEY: &str =
    "has no key: neither keys here nor an item in ACCESS_KEYS; make one with `sparekey keygen --digest NAME`";

/// All problems of a users file. Its `Display` prints one per line.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[error("{}", self.problems.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n"))]
pub struct UsersFileError {
    problems: Vec<Problem>,
}

impl UsersFileError {
    /// Returns the problems, in the order of their lines.
    #[must_use]
    pub fn problems(&self) -> &[Problem] {
        &self.problems
    }
}

impl Users {
    /// Reads a users file. Time zones are read for the years around `now`.
    ///
    /// # Errors
    /// All problems, with their lines. A file that is not TOML has one.
    pub fn from_toml(text: &str, now: Timestamp, checks: &Checks<'_>) -> Result<Self, UsersFileError> {
        let tree = Tree::parse(text).map_err(|error| syntax_error(text, &error))?;
        let mut problems = Problems::new(text);
        let mut file = File::default();
        for (name, node) in tree.entries() {
            match name.as_str() {
                "timezone" => file.zone = time_zone(node, now, &mut problems),
                "limits" => file.limits = Some(node),
                "users" => file.users = Some(node),
                _ => problems.add(node, "is not part of a users file, which has timezone, [limits] and [users.NAME]"),
            }
        }
        let users = file.read(checks, &mut problems);
        problems.finish().map_err(|problems| UsersFileError { problems })?;
        Ok(users)
    }
}

/// The parts of the file.
#[derive(Default)]
struct File<'a> {
    zone: Option<Zone>,
    limits: Option<&'a Node>,
    users: Option<&'a Node>,
}

impl File<'_> {
    fn read(self, checks: &Checks<'_>, problems: &mut Problems<'_>) -> Users {
        let zone = Arc::new(self.zone.unwrap_or_else(Zone::utc));
        let limits = self.limits.filter(|limits| is_table(limits, problems));
        let defaults = limits.map(|limits| Fields::read(limits, Scope::Limits, &zone, checks, problems));
        let defaults = defaults.unwrap_or_default();
        let mut digests = BTreeMap::new();
        let mut users = BTreeMap::new();
        let listed = self.users.filter(|users| is_table(users, problems));
        for (name, node) in listed.map(Node::entries).unwrap_or_default() {
            check_name(name, node, checks, problems);
            if is_table(node, problems) {
                let fields = Fields::read(node, Scope::User, &zone, checks, problems);
                check_digests(name, &fields.keys, &mut digests, problems);
                if fields.keys.is_empty() && !fields.has_invalid_keys && !(checks.has_key)(name) {
                    problems.add(node, NO_KEY);
                }
                let user: User = merge(fields, &defaults, &zone, problems);
                users.insert(name.to_owned(), user);
            }
        }
        Users { zone, users }
    }
}

pub(crate) fn syntax_error(text: &str, error: &toml_edit::TomlError) -> UsersFileError {
    UsersFileError { problems: vec![syntax_problem(text, error)] }
}

fn time_zone(node: &Node, now: Timestamp, problems: &mut Problems<'_>) -> Option<Zone> {
    let zone = if let Value::String(name) = &node.value { Zone::iana(name, now) } else { None };
    if zone.is_none() {
        problems.add(node, "must be a name of the IANA time zone database, such as \"Europe/Berlin\" or \"UTC\"");
    }
    zone
}

fn is_table(node: &Node, problems: &mut Problems<'_>) -> bool {
    let is_table = matches!(node.value, Value::Table(_));
    if !is_table {
        problems.add(node, "must be a table");
    }
    is_table
}

fn check_name(name: &str, node: &Node, checks: &Checks<'_>, problems: &mut Problems<'_>) {
    if looks_like_key(name) {
        problems.add(node, "must be the name of a user, not a key; its keys belong in keys");
    } else if let Err(reason) = (checks.user_name)(name) {
        problems.add(node, &format!("cannot be the name of a user: {reason}"));
    }
}

/// Whether a name is `sk-{user}-{random}`: a key in the place of a name.
fn looks_like_key(name: &str) -> bool {
    let random = name.strip_prefix("sk-").and_then(|rest| rest.rsplit_once('-')).map(|(_, random)| random);
    random.is_some_and(|random| random.len() >= 8 && random.bytes().all(|byte| byte.is_ascii_alphanumeric()))
}

/// Checks that a digest is not that of another user, and that no digest is repeated.
fn check_digests<'a>(
    name: &str,
    keys: &[KeyEntry<'a>],
    digests: &mut BTreeMap<[u8; 32], &'a Node>,
    problems: &mut Problems<'_>,
) {
    for key in keys {
        if key.user.is_some_and(|user| user != name) {
            problems.add(key.node, "is a digest of another user's key; each key belongs under the user in it");
        }
        if let Some(first) = digests.insert(key.listed.digest, key.node) {
            problems.add(key.node, &format!("repeats the key of line {}", problems.line(first)));
        }
    }
}
