//! The gate as a Cloudflare Worker.
//! **In scope:** converting heads, sending what the core admits. **Out of scope:** decisions, which are the core's;
//! bodies, which stay in the runtime and never enter wasm memory.

#![cfg(target_arch = "wasm32")]

mod fields;
mod messages;
mod settings;

use sparekey_core::{Admission, Forward, HeadFailure, Rejection, UpstreamFailure};
use worker::{
    Context, Env, Result, console_error, event,
    web_sys::{Request, Response},
};

/// Responds to a request.
#[event(fetch)]
async fn serve(request: Request, env: Env, _: Context) -> Result<Response> {
    let gate = match settings::gate(&env).await {
        Ok(gate) => gate,
        Err(error) => {
            // For the owner, in the Worker's logs.
            console_error!("invalid settings: {}", error.to_string().replace('\n', "; "));
            return messages::whole(Rejection::misconfigured().to_response());
        }
    };
    #[cfg(feature = "forced-panic")]
    assert!(!request.url().ends_with("/panic"), "forced");
    let response = match messages::request_head(&request) {
        Ok((head, fields)) => match gate.admit(head.into()) {
            Ok(Admission::Forward(admitted)) => forward(admitted, &request, &fields).await,
            Ok(Admission::Reply(reply)) => return messages::whole(reply),
            Err(rejection) => Err(rejection),
        },
        Err(headers) => Err(gate.reject_head(HeadFailure::Target, Some(&headers))),
    };
    response.or_else(|rejection| messages::whole(rejection.to_response()))
}

async fn forward(
    admitted: Forward,
    request: &Request,
    fields: &fields::Fields,
) -> std::result::Result<Response, Rejection> {
    let (head, exchange) = admitted.into_parts();
    let unreachable = |_| exchange.reject(UpstreamFailure::Unreachable);
    let upstream = messages::send(&head, request, fields).await.map_err(unreachable)?;
    let (head, fields) = messages::response_head(&upstream).map_err(unreachable)?;
    let head = exchange.admit_response_or_upgrade(head)?;
    messages::streamed(&head, &upstream, &fields).map_err(unreachable)
}
