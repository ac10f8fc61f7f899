//! One request from start to end, for the adapters that run natively: the server and Lambda.
//!
//! **In scope:** the steps of a request, once: record, admit, send, filter, stream or tunnel, finish. The record's
//! sinks, the access log among them.
//!
//! **Out of scope:** decisions about heads (`sparekey-core`), connections to the upstream (`sparekey-upstream`),
//! listeners and platforms (the adapters).

mod access_log;
mod body;
mod dropped_headers;
pub mod log;
mod log_queue;
mod record;
mod tunnel;

use std::{net::IpAddr, sync::Arc};

use arc_swap::ArcSwap;
use bytes::Bytes;
use http::{Response, request};
use sparekey_core::{Admission, Exchange, Forward, Gate, Rejection, RequestHead, UpstreamFailure};
use sparekey_upstream::{ErrorKind, Reply, Upgrade, Upstream};
use tokio::time::{Instant, timeout_at};

use self::dropped_headers::DroppedHeaders;
pub use self::{
    access_log::AccessLog,
    body::Body,
    record::{End, RequestLog, RequestRecord, Sink, Sinks},
    tunnel::Tunnel,
};

type BoxError = Box<dyn std::error::Error + Send + Sync>;

/// The gate and the sinks of a process.
#[derive(Clone, Debug)]
pub struct Proxy {
    /// Loaded once per request, so that new settings apply to the next request on an open connection.
    gate: Arc<ArcSwap<Gate>>,
    sinks: Sinks,
    dropped_headers: Arc<DroppedHeaders>,
}

/// What happens to a request. Exhaustive: an adapter has to handle both.
#[derive(Debug)]
pub enum Decision {
    /// Send it to the upstream.
    Forward(Admitted),
    /// Send this response to the client: a rejection, or one that needs no upstream.
    Respond(Response<Body>),
}

/// An admitted request and its record.
#[derive(Debug)]
pub struct Admitted {
    forward: Forward,
    log: RequestLog,
}

/// What the client gets for an admitted request. Exhaustive: an adapter has to handle both.
#[derive(Debug)]
pub enum Outcome {
    /// A response. If it is the upstream's, the exchange can replace it by an error response.
    Response(Response<Body>, Option<Exchange>),
    /// A response with status 101, then bytes both ways.
    Tunnel(Response<()>, Tunnel),
}

impl Proxy {
    /// Creates a proxy. `gate` may be replaced at any time.
    #[must_use]
    pub fn new(gate: Arc<ArcSwap<Gate>>, sinks: Sinks) -> Self {
        Self { gate, sinks, dropped_headers: Arc::default() }
    }

    /// Returns the sinks of the request records.
    #[must_use]
    pub fn sinks(&self) -> &Sinks {
        &self.sinks
    }

    /// Records a request and decides about it. `client` is the address of the client, if known.
    #[must_use]
    pub fn admit(&self, head: request::Parts, client: Option<IpAddr>) -> Decision {
        let gate = self.gate.load();
        let head = RequestHead::from(head);
        let mut log = RequestLog::start(&head.parts().method, || gate.loggable_path(&head), client, &self.sinks);
        match gate.admit(head) {
            Ok(Admission::Forward(forward)) => {
                log.user(forward.user());
                self.dropped_headers.warn_once(forward.dropped_headers());
                self.sinks.dropped_headers(forward.dropped_headers().len());
                Decision::Forward(Admitted { forward, log })
            }
            Ok(Admission::Reply(reply)) => Decision::Respond(Body::own(reply, log)),
            Err(rejection) => Decision::Respond(Body::rejection(&rejection, log)),
        }
    }
}

impl Admitted {
    /// Sends the request to the upstream and filters the response head. After `deadline`, the error response is that of
    /// an upstream timeout.
    pub fn send<B>(
        self,
        upstream: &Upstream,
        body: B,
        deadline: Option<Instant>,
    ) -> impl Future<Output = Outcome> + use<'_, B>
    where
        B: http_body::Body<Data = Bytes, Error: Into<BoxError>> + Send + Unpin + 'static,
    {
        let Self { forward, mut log } = self;
        let (head, exchange) = forward.into_parts();
        let upgrade = if exchange.is_websocket() { Upgrade::WebSocket } else { Upgrade::Forbidden };
        // Boxed, so that a connection does not reserve room for it while it streams or is idle. Outside the async
        // block, which would reserve room for the head.
        let sending = Box::pin(upstream.send(head, body, upgrade));
        async move {
            match receive(sending, &exchange, deadline).await {
                Ok(Reply::Response(response)) => {
                    log.response(response.status());
                    Outcome::Response(response.map(|body| Body::upstream(body, log)), Some(exchange))
                }
                Ok(Reply::Upgraded(response)) => {
                    log.response(response.status());
                    let (head, connection) = response.into_parts();
                    Outcome::Tunnel(Response::from_parts(head, ()), Tunnel::new(connection, exchange, log))
                }
                Err(rejection) => Outcome::Response(Body::rejection(&rejection, log), None),
            }
        }
    }
}

/// Waits for the reply and filters its head.
async fn receive(
    sending: impl Future<Output = Result<Reply, sparekey_upstream::Error>>,
    exchange: &Exchange,
    deadline: Option<Instant>,
) -> Result<Reply, Rejection> {
    let reply = match deadline {
        None => sending.await,
        Some(deadline) => timeout_at(deadline, sending).await.map_err(|_| {
            tracing::warn!("upstream request cancelled: the platform's deadline is near");
            exchange.reject(UpstreamFailure::Timeout)
        })?,
    };
    let reply = reply.map_err(|error| {
        tracing::warn!("{error}");
        exchange.reject(failure(error.kind()))
    })?;
    Ok(match reply {
        Reply::Response(response) => {
            let (head, body) = response.into_parts();
            Reply::Response(Response::from_parts(exchange.admit_response(head)?, body))
        }
        Reply::Upgraded(response) => {
            let (head, connection) = response.into_parts();
            Reply::Upgraded(Response::from_parts(exchange.admit_upgrade(head)?, connection))
        }
    })
}

fn failure(kind: ErrorKind) -> UpstreamFailure {
    match kind {
        ErrorKind::Timeout => UpstreamFailure::Timeout,
        ErrorKind::NotSent | ErrorKind::RequestBody | ErrorKind::Interrupted | ErrorKind::InvalidResponse => {
            UpstreamFailure::Unreachable
        }
    }
}
