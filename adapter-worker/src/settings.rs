//! Settings from variables, secrets and Secrets Store bindings, read once per isolate.

use std::collections::BTreeMap;
use std::sync::{Arc, OnceLock};

use sparekey_core::{Config, ConfigError, Gate, SETTINGS};
use worker::{
    Env, SecretStore, console_warn,
    js_sys::Reflect,
    wasm_bindgen::{JsCast as _, JsValue},
};

static GATE: OnceLock<Arc<Gate>> = OnceLock::new();

/// The gate of the isolate. After an error, the next request reads again: a Secrets Store may have been unreachable.
pub(crate) async fn gate(env: &Env) -> Result<&'static Arc<Gate>, ConfigError> {
    if let Some(gate) = GATE.get() {
        return Ok(gate);
    }
    let mut settings = BTreeMap::new();
    for setting in SETTINGS {
        let binding = Reflect::get(env, &JsValue::from(setting.name)).unwrap_or_default();
        // A binding that cannot be read must not count as a setting that is not set.
        let value = value(binding).await.map_err(|_| ConfigError::unreadable(setting.name))?;
        settings.extend(value.map(|value| (setting.name, value)));
    }
    let config = Config::from_lookup(|name| settings.get(name).cloned())?;
    for warning in config.warnings() {
        console_warn!("{warning}");
    }
    Ok(GATE.get_or_init(|| Arc::new(Gate::new(config))))
}

async fn value(binding: JsValue) -> worker::Result<Option<String>> {
    match binding.as_string() {
        None if !binding.is_undefined() => SecretStore::unchecked_from_js(binding).get().await,
        text => Ok(text),
    }
}
