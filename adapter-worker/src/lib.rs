//! The gate as a Cloudflare Worker.
//! **In scope:** converting heads, sending what the core admits. **Out of scope:** decisions, which are the core's;
//! bodies, which stay in the runtime and never enter wasm memory, but for those of users whose models or usage are limited.

#![cfg(target_arch = "wasm32")]

mod bindings;
mod body;
mod clock;
mod fields;
#[cfg(feature = "limits")]
mod limits;
#[cfg(not(feature = "limits"))]
#[path = "no_limits.rs"]
mod limits;
mod messages;
mod settings;
mod start;
mod timeout;

use std::net::IpAddr;

use http::HeaderMap;
use sparekey_core::{Admission, Forward, HeadFailure, ModelCheck, Rejection, ReplyBody, UpstreamFailure};
use sparekey_metering::{MODEL_LIST_MAX, Target, filter_models, read_request};
use worker::{
    Env, console_error,
    js_sys::Uint8Array,
    wasm_bindgen::{JsValue, prelude::wasm_bindgen},
    web_sys::{Request, Response},
    worker_sys::Context,
};

#[cfg(feature = "limits")]
use crate::limits::Incoming;
use crate::{body::ReadBody, fields::Fields, limits::Open};

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
    let (head, fields) = match messages::request_head(&request) {
        Ok(parts) => parts,
        Err(headers) => return messages::whole(gate.reject_head(HeadFailure::Target, Some(&headers)).to_response()),
    };
    let response = match gate.admit(head.into(), client, clock::now) {
        Ok(Admission::Forward(admitted)) => forward(admitted, None, &request, &fields, None).await,
        #[cfg(feature = "limits")]
        Ok(Admission::Limited(limited)) => {
            return limits::respond(limited, Incoming { request, fields, env, context }).await;
        }
        #[cfg(feature = "limits")]
        Ok(Admission::Usage(usage)) => {
            let incoming = Incoming { request, fields, env, context };
            return messages::whole(limits::usage(&usage, incoming).await);
        }
        #[cfg(not(feature = "limits"))]
        Ok(Admission::Limited(limited)) => match limited.reserve(None) {
            // Without a store, no limit of a user needs a state.
            Ok(check) => forward_checked(check, &request, &fields, &context, None).await,
            Err(rejection) => Err(rejection),
        },
        #[cfg(not(feature = "limits"))]
        Ok(Admission::Usage(usage)) => return messages::whole(usage.reply_without_reports()),
        Ok(Admission::Reply(reply)) => return messages::whole(reply.map(ReplyBody::into_bytes)),
        Err(rejection) => Err(rejection),
    };
    response.or_else(|rejection| messages::whole(rejection.to_response()))
}

/// The address of the client, which
/// [Cloudflare sets](https://developers.cloudflare.com/fundamentals/reference/http-headers/#cf-connecting-ip).
fn client(headers: &HeaderMap) -> Option<IpAddr> {
    headers.get("cf-connecting-ip")?.to_str().ok()?.parse().ok()
}

/// Sends a request if its user may use the models that it names.
async fn forward_checked(
    check: ModelCheck,
    request: &Request,
    fields: &Fields,
    context: &Context,
    open: Option<Open>,
) -> Forwarded {
    let reject = |failure| check.reject_body(failure);
    let (mut body, mut facts) = (None, None);
    if let Some(source) = check.facts_source() {
        body = body::read(request, &check, source, context).await.map_err(reject)?;
        let target = Target { source, path: check.path(), query: check.query() };
        let bytes = body.as_ref().map_or(&[][..], |body| &body.bytes);
        let read = read_request(target, check.content_types(), check.content_encodings(), bytes);
        facts = Some(read.map_err(reject)?);
    }
    forward(check.admit(facts.as_ref())?, body, request, fields, open).await
}

/// Sends an admitted request; with `body`, if that was read.
async fn forward(
    mut admitted: Forward,
    mut body: Option<ReadBody>,
    request: &Request,
    fields: &Fields,
    mut open: Option<Open>,
) -> Forwarded {
    if open.is_some() {
        admitted = admitted.unencoded();
    }
    let (head, exchange) = admitted.into_parts();
    let interrupted = |_| exchange.reject(UpstreamFailure::Interrupted);
    let bytes = body.as_mut().map(|body| Uint8Array::from(&*std::mem::take(&mut body.bytes)));
    if let Some(open) = &mut open {
        open.sending(&head.headers);
    }
    let signal = open.as_ref().and_then(Open::signal);
    let sending = messages::send(&head, request, fields, bytes.as_ref(), signal.as_ref());
    let upstream = limits::send(&mut open, sending).await.map_err(|failure| exchange.reject(failure))?;
    drop(body);
    let (mut head, fields) = messages::response_head(&upstream).map_err(interrupted)?;
    if let Some(open) = &mut open {
        open.responded(&head);
    }
    if exchange.may_concern_owner(&head) {
        let text = body::read_error(&upstream).await;
        if let Some(text) = exchange.owner_error(&mut head, &text) {
            console_error!("upstream refused the owner's credentials or quota, user {}: {text}", exchange.user());
        }
    }
    let head = exchange.admit_response_or_upgrade(head)?;
    if exchange.filters_models(&head) {
        let list = body::read_response(&upstream, MODEL_LIST_MAX).await.map_err(|failure| exchange.reject(failure))?;
        let list = filter_models(&list, |model| exchange.allows_model(model));
        return messages::whole(exchange.filtered_models(head, list)?).map_err(interrupted);
    }
    let body = match open {
        Some(open) if head.status.is_informational() => open.keep(),
        Some(open) => open.body(&head, &upstream),
        None => upstream.body(),
    };
    messages::streamed(&head, &upstream, body.as_ref(), &fields).map_err(interrupted)
}
