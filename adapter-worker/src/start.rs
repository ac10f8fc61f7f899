//! The work at load: the runtime compiles a function at its first call, and would do so during the first request.

use std::sync::Arc;

use sparekey_core::{Admission, Config, Gate, rehearsal};
use worker::{
    Env, console_error,
    wasm_bindgen::{self, JsValue, prelude::wasm_bindgen},
    web_sys::{Headers, Request, RequestInit, Response},
};

use crate::{clock, messages, settings};

#[wasm_bindgen(module = "cloudflare:workers")]
extern "C" {
    #[wasm_bindgen(thread_local_v2, js_name = env)]
    static ENV: Env;
}

/// Reads the settings, and passes a made-up exchange through a gate. Each request reads the settings again that are invalid,
/// and reports them.
#[wasm_bindgen(start)]
pub(crate) fn start() {
    ENV.with(settings::prepare);
    if let Err(error) = rehearse() {
        console_error!("the made-up exchange ended early, so the first request will take longer: {error:?}");
    }
}

fn rehearse() -> Result<(), JsValue> {
    let gate = Arc::new(Gate::new(Config::from_lookup(rehearsal::setting).map_err(|_| "settings")?));
    let request = Request::new_with_str_and_init(rehearsal::URL, &RequestInit::new())?;
    append(&request.headers(), &rehearsal::REQUEST)?;
    let (head, fields) = messages::request_head(&request).map_err(|_| "URL")?;
    let Ok(Admission::Forward(admitted)) = gate.admit(head.into(), crate::client, clock::now) else {
        return Err("request".into());
    };
    let (head, exchange) = admitted.into_parts();
    messages::outgoing(&head, &request, &fields, None, None)?;
    let upstream = Response::new()?;
    append(&upstream.headers(), &rehearsal::RESPONSE)?;
    let (head, fields) = messages::response_head(&upstream)?;
    let head = exchange.admit_response_or_upgrade(head).map_err(|_| "response")?;
    messages::streamed(&head, &upstream, None, &fields).map(drop)
}

fn append(headers: &Headers, fields: &[(&str, &str)]) -> Result<(), JsValue> {
    fields.iter().try_for_each(|(name, value)| headers.append(name, value))
}
