//! Settings from variables, secrets and Secrets Store bindings, read once per isolate.

use std::{collections::BTreeMap, sync::OnceLock};

use sparekey_core::{Config, ConfigError, Gate, SETTINGS};
use worker::{
    Env, SecretStore,
    js_sys::Reflect,
    wasm_bindgen::{JsCast as _, JsValue},
};

static GATE: OnceLock<Gate> = OnceLock::new();

/// The isolate's gate.
///
/// # Errors
/// Wrong settings; they are read again for the next request, since a Secrets Store may only have been away.
pub(crate) async fn gate(env: &Env) -> Result<&'static Gate, ConfigError> {
    if let Some(gate) = GATE.get() {
        return Ok(gate);
    }
    let mut settings = BTreeMap::new();
    for setting in SETTINGS {
        let bound = Reflect::get(env, &JsValue::from(setting.name)).unwrap_or_default();
        // A setting that is bound and can't be read must not count as one that is not set.
        let value = value(bound).await.map_err(|_| ConfigError::unreadable(setting.name))?;
        settings.extend(value.map(|value| (setting.name, value)));
    }
    let config = Config::from_lookup(|name| settings.get(name).cloned())?;
    Ok(GATE.get_or_init(|| Gate::new(config)))
}

async fn value(bound: JsValue) -> worker::Result<Option<String>> {
    match bound.as_string() {
        None if !bound.is_undefined() => SecretStore::unchecked_from_js(bound).get().await,
        text => Ok(text),
    }
}
