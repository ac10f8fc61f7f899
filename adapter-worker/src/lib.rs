//! The gate as a Cloudflare Worker.
//!
//! **In scope:** converting a `Request` to the head that the core decides about, sending what it admits, and writing the
//! filtered head to the response.
//!
//! **Out of scope:** decisions, which are `sparekey-core`'s; bodies, which pass from stream to stream inside the runtime
//! and never enter wasm memory.

#![cfg(target_arch = "wasm32")]

mod fields;
mod messages;
mod settings;

use http::StatusCode;
use sparekey_core::{Admission, Forward, Rejection, UpstreamFailure};
use worker::{
    Context, Env, Result, event,
    web_sys::{Request, Response},
};

use crate::fields::Fields;

/// Responds to a request.
#[event(fetch)]
async fn serve(request: Request, env: Env, _: Context) -> Result<Response> {
    let gate = match settings::gate(&env).await {
        Ok(gate) => gate,
        Err(error) => return messages::whole(Rejection::misconfigured(&error).to_response()),
    };
    #[cfg(feature = "forced-panic")]
    assert!(!request.url().ends_with("/panic"), "forced");
    let response = match messages::request_head(&request) {
        Ok((head, fields)) => match gate.admit(head.into()) {
            Ok(Admission::Forward(admitted)) => forward(admitted, &request, &fields).await,
            Ok(Admission::Reply(reply)) => return messages::whole(reply),
            Err(rejection) => Err(rejection),
        },
        Err(headers) => Err(gate.reject_unparsable(&headers)),
    };
    response.or_else(|rejection| messages::whole(rejection.to_response()))
}

async fn forward(admitted: Forward, request: &Request, fields: &Fields) -> std::result::Result<Response, Rejection> {
    let (head, exchange) = admitted.into_parts();
    let unreachable = |_| exchange.reject(UpstreamFailure::Unreachable);
    let upstream = messages::send(&head, request, fields).await.map_err(unreachable)?;
    let (head, fields) = messages::response_head(&upstream).map_err(unreachable)?;
    // The runtime's `fetch` returns status 101 only together with a WebSocket.
    let head = match head.status {
        StatusCode::SWITCHING_PROTOCOLS => exchange.admit_upgrade(head)?,
        _ => exchange.admit_response(head)?,
    };
    messages::streamed(&head, &upstream, &fields).map_err(unreachable)
}
