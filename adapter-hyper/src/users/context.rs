//! What the users file is checked against: the same as when the server reads it.

use std::{collections::BTreeMap, path::PathBuf};

use clap::ArgMatches;
use sparekey_core::{AccessKey, Config, ConfigProblem, Keyring, KeyringError, Places, list_items};
use sparekey_policy::{Enforced, KeySource, Users};
use sparekey_proxy::users::TomlUsers;

use crate::commands::Failure;
use crate::config::{
    ledger,
    sources::{Sources, Values},
    users::{self, Recorder},
};

const NO_FILE: &str = "there is no users file: set USERS_FILE or --users-file to its path, as for the server; `sparekey \
                       users add NAME` creates it";
const NOT_A_FILE: &str = "USERS is a variable here, which cannot be changed: store its value in a file, and set \
                          USERS_FILE to its path in place of USERS";

/// The settings of a command.
pub(super) struct Context {
    /// The users file.
    pub(super) path: PathBuf,
    /// The users with keys in `ACCESS_KEYS`, and the number of their keys.
    pub(super) access_keys: BTreeMap<String, usize>,
    /// Whether `ACCESS_KEYS` is set.
    pub(super) has_access_keys: bool,
    /// The ledger, or the problem of `LEDGER`: most commands do not need it.
    ledger: Result<ledger::Location, String>,
    values: Values,
}

impl Context {
    /// Reads the settings.
    pub(super) fn read(flags: ArgMatches) -> Result<Self, Failure> {
        let mut sources = Sources::new(Some(flags));
        let Some(path) = sources.file("USERS").map_err(Failure::Usage)? else {
            let is_variable = sources.values().is_set("USERS");
            return Err(Failure::Usage(if is_variable { NOT_A_FILE } else { NO_FILE }.to_owned()));
        };
        sources.ignore("USERS");
        let values = sources.values();
        // Other secrets need not be readable here.
        let mut problems: Vec<_> = values.problem("ACCESS_KEYS").map(str::to_owned).into_iter().collect();
        let list = values.get("ACCESS_KEYS").unwrap_or_default();
        if let Err(found) = Keyring::parse(list, &[]) {
            // All keys may be in the users file.
            let found = found.iter().filter(|problem| **problem != KeyringError::Empty);
            problems.extend(found.map(|problem| values.with_file(&format!("ACCESS_KEYS {problem}"))));
        }
        if !problems.is_empty() {
            return Err(Failure::Usage(format!("invalid settings:\n  {}", problems.join("\n  "))));
        }
        let mut access_keys = BTreeMap::new();
        for user in list_items(list).filter_map(|(_, item)| user_of(item)) {
            *access_keys.entry(user.to_owned()).or_default() += 1;
        }
        let ledger = ledger::location(&values);
        Ok(Self { path: path.into(), access_keys, has_access_keys: values.is_set("ACCESS_KEYS"), ledger, values })
    }

    /// Returns where the ledger is.
    ///
    /// # Errors
    /// [`Failure::Usage`].
    pub(super) fn ledger(&self) -> Result<&ledger::Location, Failure> {
        self.ledger.as_ref().map_err(|problem| Failure::Usage(problem.clone()))
    }

    /// Reads a users file as the server does.
    ///
    /// # Errors
    /// All problems.
    pub(super) fn validate(&self, text: &str) -> Result<Users, Vec<String>> {
        let path = self.path.to_str();
        self.validate_for(text, users::ENFORCED, |source| match source {
            // The environment of the server is another one.
            KeySource::Env(_) => Ok(UNKNOWN_KEY.to_owned()),
            KeySource::File(_) => users::read_key(source, path),
        })
    }

    /// Reads a users file as a platform does that enforces these fields.
    ///
    /// # Errors
    /// All problems.
    pub(super) fn validate_for(
        &self,
        text: &str,
        enforced: Enforced<'static>,
        read_key: impl Fn(&KeySource) -> Result<String, String>,
    ) -> Result<Users, Vec<String>> {
        if text.trim().is_empty() {
            return Err(vec!["the file is empty".to_owned()]);
        }
        let reader = Recorder::new(TomlUsers { enforced, before: None, places: Places::default(), read_key });
        let config = Config::with_users(
            |name| match name {
                "USERS" => Some(text.to_owned()),
                "ACCESS_KEYS" | "OPENAI_API_KEY" | "AI_GATEWAY_TOKEN" => self.values.get(name).map(str::to_owned),
                _ => None,
            },
            &reader,
        );
        let mut problems = Vec::new();
        let mut key_problems = Vec::new();
        for problem in config.err().iter().flat_map(sparekey_core::ConfigError::problems) {
            let sentence = problem.to_string();
            match problem {
                ConfigProblem::Users(_) | ConfigProblem::Quoted { name: "USERS" } => {
                    problems.push(sentence.strip_prefix("USERS ").unwrap_or(&sentence).to_owned());
                }
                ConfigProblem::AccessKeys(_) if self.has_access_keys => {
                    key_problems.push(self.values.with_file(&sentence));
                }
                _ => {}
            }
        }
        match reader.into_users() {
            Some(users) if problems.is_empty() && (key_problems.is_empty() || has_all_keys(&users)) => Ok(users),
            _ => {
                if !self.has_access_keys && problems.iter().any(|problem| problem.contains("has no key")) {
                    problems.push("ACCESS_KEYS is not set here; if the server has it, set it here too".to_owned());
                }
                // With an invalid list, it is not known who has a key.
                problems.append(&mut key_problems);
                Err(problems)
            }
        }
    }
}

/// Whether the file has a key of each user.
fn has_all_keys(users: &Users) -> bool {
    users.iter().all(|(_, user)| !user.keys.is_empty())
}

/// Stands for a key that is not known here.
const UNKNOWN_KEY: &str = "unknown";

/// The user of an item of `ACCESS_KEYS`.
fn user_of(item: &str) -> Option<&str> {
    match item.strip_prefix("sha256:") {
        Some(rest) => rest.rsplit_once(':').map(|(user, _)| user),
        None => AccessKey::parse(item).ok().map(|key| key.user()),
    }
}
