//! Values of variables, secrets, Secrets Store bindings and the KV namespace of users.

use sparekey_core::{ConfigError, ConfigProblem, SETTINGS};
use worker::{
    Env,
    js_sys::{Array, Function, Promise, Reflect},
    wasm_bindgen::{JsCast as _, JsValue},
    wasm_bindgen_futures::JsFuture,
};

/// The KV namespace of users, and its key.
const USERS_KV: (&str, &str) = ("USERS_KV", "users");

/// The binding of the ledger's class.
pub(crate) const LEDGER: &str = "LEDGER";

/// The owner's price table.
const PRICES: &str = "PRICES";

/// Names and values; a map is 2 KB of code more.
pub(crate) type Values = Vec<(&'static str, String)>;

/// Reads all settings. The error is that of a binding that cannot be read, which must not count as one that is not set.
pub(crate) async fn read(env: &Env) -> (Values, Option<ConfigError>) {
    let mut values = Values::new();
    let names = SETTINGS.iter().map(|setting| setting.name).filter(|name| *name != "USERS");
    for name in names.chain(has_ledger(env).then_some(PRICES)) {
        match value(get(env, name)).await {
            Ok(value) => values.extend(value.map(|value| (name, value))),
            Err(_) => return (Values::new(), Some(ConfigError::unreadable(name))),
        }
    }
    match users(env).await {
        Ok(users) => values.extend(users.map(|users| ("USERS", users))),
        Err(error) => return (values, Some(error)),
    }
    (values, None)
}

/// Whether all settings are texts, which can be read when the module is loaded.
pub(crate) fn are_texts(env: &Env) -> bool {
    let names = SETTINGS.iter().map(|setting| setting.name).chain([PRICES, USERS_KV.0]);
    names.map(|name| get(env, name)).all(|binding| binding.is_undefined() || binding.is_string())
}

async fn users(env: &Env) -> Result<Option<String>, ConfigError> {
    let problem = |text: &str| ConfigError::from(vec![ConfigProblem::Adapter(text.to_owned())]);
    let (users, kv) = (get(env, "USERS"), get(env, USERS_KV.0));
    if kv.is_undefined() {
        return value(users).await.map_err(|_| ConfigError::unreadable("USERS"));
    }
    if !users.is_undefined() {
        return Err(problem("USERS and USERS_KV are both set; keep one"));
    }
    let users = call_get(&kv, &Array::of1(&USERS_KV.1.into())).await;
    users.map(Some).map_err(|_| problem("USERS_KV returns no value of the key users"))
}

/// Whether the Worker has a ledger.
pub(crate) fn has_ledger(env: &Env) -> bool {
    cfg!(feature = "limits") && !get(env, LEDGER).is_undefined()
}

/// A binding; `undefined` if there is none.
pub(crate) fn get(env: &Env, name: &str) -> JsValue {
    Reflect::get(env, &name.into()).unwrap_or_default()
}

/// The value of a variable, of a secret or of a Secrets Store binding.
async fn value(binding: JsValue) -> Result<Option<String>, JsValue> {
    match binding.as_string() {
        None if !binding.is_undefined() => call_get(&binding, &Array::new()).await.map(Some),
        text => Ok(text),
    }
}

/// Calls a binding's `get`. A store without the value is an error.
async fn call_get(store: &JsValue, arguments: &Array) -> Result<String, JsValue> {
    let get: Function = Reflect::get(store, &"get".into())?.dyn_into()?;
    let value = JsFuture::from(Promise::resolve(&get.apply(store, arguments)?)).await?;
    value.as_string().ok_or(value)
}
