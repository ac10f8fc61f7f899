//! The gate at Cloudflare's edge.
//!
//! **In scope:** turning a `Request` into the head that the core judges, sending what it admits, and putting the
//! head that it gives back on the answer.
//!
//! **Out of scope:** every decision, which is `sparekey-core`'s, and bodies: they pass from stream to stream
//! inside the runtime, and no byte of theirs enters this module's memory.

#![cfg(target_arch = "wasm32")]

mod fields;
mod messages;
mod settings;

use sparekey_core::{Admission, Answer, Forward, Gate, Rejection, UpstreamFailure};
use worker::{
    Context, Env, Result, event,
    wasm_bindgen_futures::JsFuture,
    web_sys::{Request, Response},
};

/// Answers a request.
#[event(fetch)]
async fn serve(request: Request, env: Env, _: Context) -> Result<Response> {
    let gate = match settings::gate(&env).await {
        Ok(gate) => gate,
        Err(error) => return messages::whole(Rejection::misconfigured(&error).to_response()),
    };
    #[cfg(feature = "forced-panic")]
    assert!(!request.url().ends_with("/panic"), "forced");
    let admitted = match messages::request_head(&request) {
        Ok(head) => gate.admit(head),
        Err(headers) => Err(gate.unreadable(&headers)),
    };
    match admitted {
        Ok(Admission::Forward(admitted)) => forward(gate, admitted, &request).await,
        Ok(Admission::Reply(reply)) => messages::whole(reply),
        Err(rejection) => messages::whole(rejection.to_response()),
    }
}

async fn forward(gate: &Gate, admitted: Forward, request: &Request) -> Result<Response> {
    let (head, exchange) = admitted.into_parts();
    let sent = JsFuture::from(messages::send(&head, request)?).await.ok();
    let Some((head, upstream)) = sent.and_then(|upstream| Some((messages::response_head(&upstream)?, upstream))) else {
        return messages::whole(exchange.failed(UpstreamFailure::Unreachable).to_response());
    };
    match gate.answer(&exchange, head) {
        Ok(Answer::Respond(head) | Answer::Tunnel(head)) => messages::streamed(&head, &upstream),
        Err(rejection) => messages::whole(rejection.to_response()),
    }
}
