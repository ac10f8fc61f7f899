//! `USERS`, read again while the function runs.

use std::{
    cell::{Cell, RefCell},
    collections::HashMap,
    sync::Arc,
    time::{Duration, SystemTime},
};

use arc_swap::ArcSwap;
use sparekey_core::{Config, ConfigError, ConfigProblem, Gate, Keyring, Places, read_env_key};
use sparekey_policy::{Enforced, KeySource, PriceTable, UserField};
use sparekey_proxy::users::TomlUsers;

use crate::{
    prices,
    secrets::{self, USERS},
    settings,
};

/// For how long a valid value is used.
const MAX_AGE: Duration = Duration::from_secs(60);
/// How long a failure is remembered: short for an owner who has corrected a setting. Requests without a key must not cause
/// a lookup each.
pub(crate) const RETRY_PAUSE: Duration = Duration::from_secs(5);

const WITHOUT_LEDGER: Enforced<'static> =
    Enforced { fields: &UserField::STATELESS, remedy: "set LEDGER=dynamodb:TABLE (adapter-lambda/README.md)" };

/// The gate, and where its users are.
pub(crate) struct ReloadedUsers {
    /// Returns a setting by its name.
    get: fn(&str) -> Option<String>,
    /// The other settings that are given by name.
    secrets: HashMap<&'static str, String>,
    /// The owner's; `None`: those of the release.
    prices: Option<PriceTable>,
    gate: Arc<ArcSwap<Gate>>,
    /// The value of the gate; `None` without a valid one.
    current: RefCell<Option<Value>>,
    /// The system time, which does not stop while the environment is frozen.
    read_at: Cell<SystemTime>,
}

/// `None`: it is not set.
type Value = Option<String>;

impl ReloadedUsers {
    /// Reads the settings and the users. Without valid users, the gate refuses each request with a key.
    ///
    /// # Errors
    /// All problems, if other settings are invalid.
    pub(crate) async fn init(
        get: fn(&str) -> Option<String>,
        secrets: HashMap<&'static str, String>,
        prices: Option<PriceTable>,
        now: SystemTime,
    ) -> Result<Self, ConfigError> {
        let value = fetch(get, secrets::START_TIMEOUT).await;
        let has_users = !matches!(value, Ok(None));
        let read =
            value.and_then(|value| Ok((config(get, &secrets, prices.as_ref(), value.as_ref(), None)?, Some(value))));
        let (config, current) = match read {
            Ok(read) => read,
            Err(error) if !has_users => return Err(error),
            Err(error) => {
                let config = Config::with_unknown_users(|name| lookup(get, &secrets, name));
                let config = config.map_err(|others| joined(&error, &others))?;
                log(&error);
                (config, None)
            }
        };
        let gate = Arc::new(ArcSwap::from_pointee(gate(config)));
        Ok(Self { get, secrets, prices, gate, current: RefCell::new(current), read_at: Cell::new(now) })
    }

    /// Returns the gate, which changes with the users.
    pub(crate) fn gate(&self) -> Arc<ArcSwap<Gate>> {
        Arc::clone(&self.gate)
    }

    /// Reads the users again if the value is too old. After a failure, the last gate stays.
    pub(crate) async fn refresh(&self, now: SystemTime) {
        let max_age = if self.current.borrow().is_some() { MAX_AGE } else { RETRY_PAUSE };
        // An error means that the clock was set back.
        if now.duration_since(self.read_at.get()).is_ok_and(|age| age < max_age) {
            return;
        }
        // Before the lookup, so that concurrent requests don't read too.
        self.read_at.set(now);
        // The extension is running: a failure is not its start.
        let Err(error) = self.reload(fetch(self.get, Duration::ZERO).await) else { return };
        log(&error);
    }

    fn reload(&self, value: Result<Value, ConfigError>) -> Result<(), ConfigError> {
        let value = value?;
        if self.current.borrow().as_ref() != Some(&value) {
            let config =
                config(self.get, &self.secrets, self.prices.as_ref(), value.as_ref(), Some(self.gate.load().keys()))?;
            self.gate.store(Arc::new(gate(config)));
            self.current.replace(Some(value));
        }
        Ok(())
    }
}

/// Returns the value of a setting.
pub(crate) fn lookup(
    get: fn(&str) -> Option<String>,
    secrets: &HashMap<&'static str, String>,
    name: &str,
) -> Option<String> {
    secrets.get(name).cloned().or_else(|| get(name))
}

/// The value of the variable, or of the parameter or secret that a variable names.
async fn fetch(get: fn(&str) -> Option<String>, start_timeout: Duration) -> Result<Value, ConfigError> {
    let named = secrets::fetch(get, USERS, start_timeout).await;
    Ok(named.map_err(|problem| vec![ConfigProblem::Adapter(problem)])?.or_else(|| get(USERS)))
}

fn config(
    get: fn(&str) -> Option<String>,
    secrets: &HashMap<&'static str, String>,
    prices: Option<&PriceTable>,
    users: Option<&String>,
    before: Option<&Keyring>,
) -> Result<Config, ConfigError> {
    let has_ledger = settings::has_ledger(get);
    let reader = TomlUsers {
        enforced: if has_ledger { Enforced::ALL } else { WITHOUT_LEDGER },
        before,
        places: if has_ledger { Places::Ledger } else { Places::Memory },
        read_key: |source: &KeySource| read_env_key(source, get),
    };
    let value = |name: &str| if name == USERS { users.cloned() } else { lookup(get, secrets, name) };
    let config = Config::with_users(value, &reader)?;
    // The table takes memory and time.
    if config.keys().metered_users().next().is_none() {
        return Ok(config);
    }
    Ok(config.with_prices(prices.cloned().map_or_else(prices::shipped, Ok)?))
}

fn gate(config: Config) -> Gate {
    for warning in config.warnings() {
        tracing::warn!("{warning}");
    }
    Gate::new(config)
}

fn joined(error: &ConfigError, others: &ConfigError) -> ConfigError {
    let mut problems = error.problems().to_vec();
    problems.extend(others.problems().iter().filter(|other| !error.problems().contains(other)).cloned());
    problems.into()
}

pub(crate) fn log(error: &ConfigError) {
    tracing::error!("invalid settings: {}", error.to_string().replace('\n', "; "));
}

#[cfg(test)]
mod tests;
