//! The gate in an [axum](https://docs.rs/axum) service, beside routes of its own:
//! `OPENAI_API_KEY=sk-... ACCESS_KEYS=sk-Tom-... cargo run --package sparekey-core --example embed`.
//!
//! The gate decides about heads and depends on no framework. A service gives it the head of a request, sends the head that it
//! returns, and gives it the head of the response. Bodies pass unchanged.

use std::{error::Error, sync::Arc, time::Duration};

use axum::{
    Router,
    body::Body,
    extract::{Request, State},
    response::Response,
    routing::get,
};
use sparekey_core::{Admission, Config, Exchange, Gate, Rejection, UpstreamFailure};
use sparekey_policy::Timestamp;
use sparekey_upstream::{ErrorKind, Reply, Timeouts, Upgrade, Upstream, client_tls};

const TIMEOUTS: Timeouts = Timeouts { response_head: Duration::from_secs(900), body_idle: Duration::from_secs(600) };

struct App {
    gate: Arc<Gate>,
    upstream: Upstream,
}

#[allow(clippy::disallowed_methods, reason = "a service has its own source of settings")]
#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn Error>> {
    let config = Config::from_lookup(|name| std::env::var(name).ok())?;
    let tls = config.api_base().is_https().then(client_tls).transpose()?;
    let upstream = Upstream::new(tls.as_deref(), None, TIMEOUTS);
    let app = Arc::new(App { gate: Arc::new(Gate::new(config)), upstream });
    let router = Router::new().route("/about", get(|| async { "A service with a proxy in it.\n" })).fallback(proxy);
    let listener = tokio::net::TcpListener::bind("127.0.0.1:8080").await?;
    println!("listening on http://{}", listener.local_addr()?);
    axum::serve(listener, router.with_state(app)).await?;
    Ok(())
}

async fn proxy(State(app): State<Arc<App>>, request: Request) -> Response {
    let (head, body) = request.into_parts();
    // Only users with limits need the address of the client and the time, and here are none.
    let admission = app.gate.admit(head.into(), |_| None, || Timestamp::MAX);
    let response = match admission {
        Ok(Admission::Forward(forward)) => {
            let (head, exchange) = forward.into_parts();
            // WebSockets are left out.
            let reply = app.upstream.send(head, body, Upgrade::Forbidden).await;
            respond(reply, &exchange)
        }
        Ok(Admission::Reply(reply)) => Ok(reply.map(|body| Body::from(body.into_bytes()))),
        // `Config::from_lookup` refuses a users file.
        Ok(Admission::Limited(_) | Admission::Usage(_)) => Err(Rejection::misconfigured()),
        Err(rejection) => Err(rejection),
    };
    response.unwrap_or_else(|rejection| rejection.to_response().map(Body::from))
}

/// The response to the client: secrets are removed from its head, and some are replaced by an error response.
fn respond(reply: Result<Reply, sparekey_upstream::Error>, exchange: &Exchange) -> Result<Response, Rejection> {
    match reply {
        Ok(Reply::Response(response)) => {
            let (head, body) = response.into_parts();
            Ok(Response::from_parts(exchange.admit_response(head)?, Body::new(body)))
        }
        Ok(Reply::Upgraded(_)) => Err(exchange.reject(UpstreamFailure::Interrupted)),
        Err(error) => Err(exchange.reject(match error.kind() {
            ErrorKind::NotSent | ErrorKind::Refused => UpstreamFailure::Unreachable,
            ErrorKind::RequestBody => UpstreamFailure::InvalidBody,
            ErrorKind::Timeout => UpstreamFailure::Timeout,
            ErrorKind::Interrupted | ErrorKind::InvalidResponse => UpstreamFailure::Interrupted,
        })),
    }
}
