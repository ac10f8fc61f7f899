//! The settings of the isolate, and when they are read again.

use std::{
    cell::RefCell,
    pin::pin,
    sync::Arc,
    task::{self, Poll, Waker},
};

use sparekey_core::{CompiledUsers, Config, ConfigError, Gate, Keyring, Places, read_env_key};
use sparekey_policy::{Enforced, UserField};
use worker::{
    Env, console_error, console_warn,
    js_sys::Date,
    wasm_bindgen::JsValue,
    wasm_bindgen_futures::{JsFuture, future_to_promise},
    worker_sys::Context,
};

use crate::{
    bindings::{self, Values},
    limits,
};

/// For how many milliseconds the values are used. A Secrets Store or a KV namespace may have others then.
const MAX_AGE: f64 = 30_000.0;
/// The same for settings that are invalid or cannot be read. Requests without a key must not cause a read each.
const RETRY_PAUSE: f64 = 5_000.0;

/// The settings of the isolate.
struct Loaded {
    /// `None`: no settings were valid yet.
    gate: Option<Arc<Gate>>,
    /// The last valid ones; `None`: the users are unknown.
    values: Option<Values>,
    /// Infinite before the first read has ended.
    read_at: f64,
}

thread_local! {
    static LOADED: RefCell<Loaded> = const { RefCell::new(Loaded { gate: None, values: None, read_at: f64::INFINITY }) };
    /// What was read when the module was loaded, until the first request.
    static PREPARED: RefCell<Option<(Values, Config)>> = const { RefCell::new(None) };
}

/// Reads the settings before the first request. The values of a store can be read by a request only.
pub(crate) fn prepare(env: &Env) {
    if bindings::are_texts(env)
        && let Poll::Ready((values, None)) =
            pin!(bindings::read(env)).poll(&mut task::Context::from_waker(Waker::noop()))
        && let Ok(config) = config(env, &values, None)
    {
        PREPARED.set(Some((values, config)));
    }
}

/// The gate for the next request. After an error, the last one.
pub(crate) async fn gate(env: &Env, context: &Context) -> Option<Arc<Gate>> {
    let now = Date::now();
    if let Some((values, config)) = PREPARED.take() {
        keep(config, Some(values), now);
    }
    let is_due = LOADED.with_borrow_mut(|loaded| {
        let max_age = if loaded.values.is_some() { MAX_AGE } else { RETRY_PAUSE };
        // A clock that was set back counts as too old.
        let is_due = !(0.0..max_age).contains(&(now - loaded.read_at));
        if is_due && loaded.read_at.is_finite() {
            // Other requests don't read meanwhile.
            loaded.read_at = now;
        }
        is_due
    });
    if is_due {
        let env = env.clone();
        let reading = future_to_promise(async move {
            load(&env, now).await;
            Ok(JsValue::UNDEFINED)
        });
        // A client that leaves must not stop it: the last settings would be used for as long again.
        let _ = context.wait_until(&reading);
        let _ = JsFuture::from(reading).await;
    }
    LOADED.with_borrow(|loaded| loaded.gate.clone())
}

/// Reads the settings again. After an error, the last ones stay.
async fn load(env: &Env, now: f64) {
    let (values, failure) = bindings::read(env).await;
    let (last, is_unchanged) = LOADED.with_borrow(|loaded| {
        // Without values the gate is one of unknown users.
        let last = loaded.gate.clone().filter(|_| loaded.values.is_some());
        (last, failure.is_none() && loaded.values.as_ref() == Some(&values))
    });
    if is_unchanged {
        return;
    }
    let has_users = failure.is_some() || get(&values, "USERS").is_some();
    let before = last.as_ref().map(|gate| gate.keys());
    let (config, values) = match failure.map_or_else(|| config(env, &values, before), Err) {
        Ok(config) => (config, Some(values)),
        Err(error) => {
            // For the owner, in the Worker's logs.
            console_error!("invalid settings: {}", error.to_string().replace('\n', "; "));
            LOADED.with_borrow_mut(|loaded| loaded.read_at = now);
            if last.is_some() || !has_users {
                return;
            }
            let Ok(config) = Config::with_unknown_users(|name| get(&values, name)) else { return };
            (config, None)
        }
    };
    keep(config, values, now);
}

fn keep(config: Config, values: Option<Values>, read_at: f64) {
    for warning in config.warnings().iter().filter(|_| values.is_some()) {
        console_warn!("{warning}");
    }
    LOADED.set(Loaded { gate: Some(Arc::new(Gate::new(config))), values, read_at });
}

fn config(env: &Env, values: &Values, before: Option<&Keyring>) -> Result<Config, ConfigError> {
    let has_ledger = bindings::has_ledger(env);
    let users = CompiledUsers {
        enforced: if has_ledger {
            Enforced::ALL
        } else {
            Enforced { fields: &UserField::STATELESS, remedy: limits::LEDGER_REMEDY }
        },
        before,
        places: if has_ledger { Places::Ledger } else { Places::Memory },
        read_key: |source: &_| read_env_key(source, |name| bindings::get(env, name).as_string()),
    };
    let config = Config::with_users(|name| get(values, name), &users)?;
    limits::with_prices(config, get(values, "PRICES"))
}

fn get(values: &Values, name: &str) -> Option<String> {
    values.iter().find(|(set, _)| *set == name).map(|(_, value)| value.clone())
}
