//! The gate as a Cloudflare Worker.
//! **In scope:** converting heads, sending what the core admits. **Out of scope:** decisions, which are the core's;
//! bodies, which stay in the runtime and never enter wasm memory, but for those of users whose models are limited.

#![cfg(target_arch = "wasm32")]

mod bindings;
mod body;
mod fields;
mod messages;
mod settings;

use std::net::IpAddr;

use http::HeaderMap;
use sparekey_core::{Admission, Forward, HeadFailure, Limited, Rejection, ReplyBody, UpstreamFailure};
use sparekey_metering::{Target, filter_models, read_request};
use worker::{
    Env, console_error,
    js_sys::Uint8Array,
    wasm_bindgen::{JsValue, prelude::wasm_bindgen},
    web_sys::{Request, Response},
    worker_sys::Context,
};

use crate::{body::ReadBody, fields::Fields};

type Forwarded = Result<Response, Rejection>;

/// Responds to a request. `worker::event` would add 8 KB (gzipped) for errors that this crate does not have.
///
/// # Errors
/// The runtime's own, which it logs.
///
/// # Panics
/// Never, but for the feature `forced-panic`.
#[wasm_bindgen(
    wasm_bindgen = worker::wasm_bindgen,
    wasm_bindgen_futures = worker::wasm_bindgen_futures,
    js_sys = worker::js_sys
)]
pub async fn fetch(request: Request, env: Env, context: Context) -> Result<Response, JsValue> {
    let Some(gate) = settings::gate(&env, &context).await else {
        return messages::whole(Rejection::misconfigured().to_response());
    };
    #[cfg(feature = "forced-panic")]
    assert!(!request.url().ends_with("/panic"), "forced");
    let response = match messages::request_head(&request) {
        Ok((head, fields)) => match gate.admit(head.into(), client, settings::now) {
            Ok(Admission::Forward(admitted)) => forward(admitted, None, &request, &fields).await,
            Ok(Admission::Limited(limited)) => forward_limited(limited, &request, &fields, &context).await,
            Ok(Admission::Usage(usage)) => return messages::whole(usage.reply_without_reports()),
            Ok(Admission::Reply(reply)) => return messages::whole(reply.map(ReplyBody::into_bytes)),
            Err(rejection) => Err(rejection),
        },
        Err(headers) => Err(gate.reject_head(HeadFailure::Target, Some(&headers))),
    };
    response.or_else(|rejection| messages::whole(rejection.to_response()))
}

/// The address of the client, which
/// [Cloudflare sets](https://developers.cloudflare.com/fundamentals/reference/http-headers/#cf-connecting-ip).
fn client(headers: &HeaderMap) -> Option<IpAddr> {
    headers.get("cf-connecting-ip")?.to_str().ok()?.parse().ok()
}

async fn forward_limited(limited: Box<Limited>, request: &Request, fields: &Fields, context: &Context) -> Forwarded {
    // Without a store, no limit of a user needs a state.
    let check = limited.reserve(None)?;
    let reject = |failure| check.reject_body(failure);
    let (mut body, mut facts) = (None, None);
    if let Some(source) = check.facts_source() {
        body = body::read(request, &check, source, context).await.map_err(reject)?;
        let target = Target { source, path: check.path(), query: check.query() };
        let bytes = body.as_ref().map_or(&[][..], |body| &body.bytes);
        let read = read_request(target, check.content_types(), check.content_encodings(), bytes);
        facts = Some(read.map_err(reject)?);
    }
    forward(check.admit(facts.as_ref())?, body, request, fields).await
}

/// Sends an admitted request; with `body`, if that was read.
async fn forward(admitted: Forward, mut body: Option<ReadBody>, request: &Request, fields: &Fields) -> Forwarded {
    let (head, exchange) = admitted.into_parts();
    let interrupted = |_| exchange.reject(UpstreamFailure::Interrupted);
    let bytes = body.as_mut().map(|body| Uint8Array::from(&*std::mem::take(&mut body.bytes)));
    let upstream = messages::send(&head, request, fields, bytes.as_ref()).await.map_err(interrupted)?;
    drop(body);
    let (head, fields) = messages::response_head(&upstream).map_err(interrupted)?;
    if exchange.refuses_credentials(&head) {
        let text = body::read_response(&upstream).await.unwrap_or_default();
        let text = exchange.mask_secrets(&String::from_utf8_lossy(&text));
        console_error!("upstream refused the owner's credentials, user {}: {text}", exchange.user());
    }
    let head = exchange.admit_response_or_upgrade(head)?;
    if exchange.filters_models(&head) {
        let list = body::read_response(&upstream).await.map_err(|failure| exchange.reject(failure))?;
        let list = filter_models(&list, |model| exchange.allows_model(model));
        return messages::whole(exchange.filtered_models(head, list)?).map_err(interrupted);
    }
    messages::streamed(&head, &upstream, &fields).map_err(interrupted)
}
