//! The work at load: the runtime compiles a function at its first call, and would do so during the first request.

use sparekey_core::{Admission, Rehearsal};
use worker::{
    Env,
    wasm_bindgen::{self, JsValue, prelude::wasm_bindgen},
    web_sys::{Headers, Request, RequestInit, Response},
};

use crate::{messages, settings};

#[wasm_bindgen(module = "cloudflare:workers")]
extern "C" {
    #[wasm_bindgen(thread_local_v2, js_name = env)]
    static ENV: Env;
}

/// Reads the settings, and passes a made-up exchange through the gate. Errors are ignored: each request does the same, and
/// reports its own.
#[wasm_bindgen(start)]
pub(crate) fn start() {
    ENV.with(settings::prepare);
    let _ = rehearse();
}

fn rehearse() -> Result<(), JsValue> {
    let Some(Rehearsal { gate }) = Rehearsal::new() else { return Ok(()) };
    let request = Request::new_with_str_and_init(Rehearsal::URL, &RequestInit::new())?;
    append(&request.headers(), &Rehearsal::REQUEST)?;
    let Ok((head, fields)) = messages::request_head(&request) else { return Ok(()) };
    let Ok(Admission::Forward(admitted)) = gate.admit(head.into(), crate::client, settings::now) else { return Ok(()) };
    let (head, exchange) = admitted.into_parts();
    messages::outgoing(&head, &request, &fields, None, None)?;
    let upstream = Response::new()?;
    append(&upstream.headers(), &Rehearsal::RESPONSE)?;
    let (head, fields) = messages::response_head(&upstream)?;
    let Ok(head) = exchange.admit_response_or_upgrade(head) else { return Ok(()) };
    messages::streamed(&head, &upstream, None, &fields).map(drop)
}

fn append(headers: &Headers, fields: &[(&str, &str)]) -> Result<(), JsValue> {
    fields.iter().try_for_each(|(name, value)| headers.append(name, value))
}
