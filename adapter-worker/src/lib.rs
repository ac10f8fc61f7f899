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
    let answered = match admitted {
        Ok(Admission::Forward(admitted)) => forward(gate, admitted, &request).await,
        Ok(Admission::Reply(reply)) => return messages::whole(reply),
        Err(rejection) => Err(rejection),
    };
    answered.or_else(|rejection| messages::whole(rejection.to_response()))
}

async fn forward(gate: &Gate, admitted: Forward, request: &Request) -> std::result::Result<Response, Rejection> {
    let (head, exchange) = admitted.into_parts();
    let unreachable = |_| exchange.failed(UpstreamFailure::Unreachable);
    let upstream = messages::send(&head, request).await.map_err(unreachable)?;
    let head = messages::response_head(&upstream).map_err(unreachable)?;
    let (Answer::Respond(head) | Answer::Tunnel(head)) = gate.answer(&exchange, head)?;
    messages::streamed(&head, &upstream).map_err(unreachable)
}
