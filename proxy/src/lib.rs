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
mod user_requests;

use std::{net::IpAddr, sync::Arc};

use arc_swap::ArcSwap;
use bytes::Bytes;
use http::{HeaderMap, Method, Response, request};
use sparekey_core::{Admission, Exchange, Forward, Gate, HeadFailure, Rejection, RequestHead, UpstreamFailure};
use sparekey_upstream::{ErrorKind, Reply, Upgrade, Upstream};
use tokio::time::{Instant, timeout_at};

pub use self::{
    access_log::AccessLog,
    body::Body,
    record::{End, RequestLog, RequestRecord, Sink, Sinks},
    tunnel::Tunnel,
};
use self::{
    dropped_headers::DroppedHeaders,
    user_requests::{OpenRequest, UserRequests},
};

/// In the record of a request whose path is not known, or must not be shown.
const NO_PATH: &str = "-";

type BoxError = Box<dyn std::error::Error + Send + Sync>;

/// The gate and the sinks of a process.
#[derive(Clone, Debug)]
pub struct Proxy {
    /// Loaded once per request, so that new settings apply to the next request on an open connection.
    gate: Arc<ArcSwap<Gate>>,
    sinks: Sinks,
    dropped_headers: Arc<DroppedHeaders>,
    user_requests: UserRequests,
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
    open: OpenRequest,
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
    /// Creates a proxy. `gate` may be replaced at any time. A user may have `max_requests_per_user` requests open.
    #[must_use]
    pub fn new(gate: Arc<ArcSwap<Gate>>, sinks: Sinks, max_requests_per_user: usize) -> Self {
        let user_requests = UserRequests::new(max_requests_per_user);
        Self { gate, sinks, dropped_headers: Arc::default(), user_requests }
    }

    /// Returns the sinks of the request records.
    #[must_use]
    pub fn sinks(&self) -> &Sinks {
        &self.sinks
    }

    /// Records a request and decides about it. `client` returns the address of the client, if known.
    #[must_use]
    pub fn admit(&self, head: request::Parts, client: impl FnOnce(&HeaderMap) -> Option<IpAddr>) -> Decision {
        let gate = self.gate.load();
        let head = RequestHead::from(head);
        let mut log = RequestLog::start(&self.sinks, || {
            let parts = head.parts();
            RequestRecord::new(&parts.method, gate.loggable_path(&head), client(&parts.headers))
        });
        match gate.admit(head) {
            Ok(Admission::Forward(forward)) => {
                log.user(forward.user());
                let Some(open) = self.user_requests.start(forward.user()) else {
                    return Decision::Respond(Body::rejection(&forward.reject_too_many_requests(), log));
                };
                self.dropped_headers.warn_once(forward.dropped_headers());
                self.sinks.dropped_headers(forward.dropped_headers().len());
                Decision::Forward(Admitted { forward, log, open })
            }
            Ok(Admission::Reply(reply)) => Decision::Respond(Body::own(reply, log)),
            Err(rejection) => Decision::Respond(Body::rejection(&rejection, log)),
        }
    }

    /// Records a request that the gate cannot admit, and returns its error response.
    #[must_use]
    pub fn refuse(
        &self,
        head: &request::Parts,
        failure: HeadFailure,
        client: impl FnOnce(&HeaderMap) -> Option<IpAddr>,
    ) -> Response<Body> {
        let log = RequestLog::start(&self.sinks, || RequestRecord::new(&head.method, NO_PATH, client(&head.headers)));
        Body::rejection(&self.gate.load().reject_head(failure, Some(&head.headers)), log)
    }

    /// Records a request whose head could not be parsed, and returns the error response in place of an HTTP library's.
    #[must_use]
    pub fn refuse_unparsed(&self, failure: HeadFailure, client: IpAddr) -> Response<Bytes> {
        let mut log = RequestLog::start(&self.sinks, || {
            let no_method = Method::from_bytes(b"-").unwrap_or_default();
            RequestRecord::new(&no_method, NO_PATH, Some(client))
        });
        let rejection = self.gate.load().reject_head(failure, None);
        let response = rejection.to_response();
        log.rejection(rejection.code());
        log.response(response.status());
        log.sent(response.body().len() as u64);
        log.finish(End::Complete);
        response
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
        let Self { forward, mut log, open } = self;
        let (head, exchange) = forward.into_parts();
        let upgrade = if exchange.is_websocket() { Upgrade::WebSocket } else { Upgrade::Forbidden };
        // Boxed, so that a connection does not reserve room for it while it streams or is idle. Outside the async
        // block, which would reserve room for the head.
        let sending = Box::pin(upstream.send(head, body, upgrade));
        async move {
            match receive(sending, &exchange, deadline).await {
                Ok(Reply::Response(response)) => {
                    log.response(response.status());
                    Outcome::Response(response.map(|body| Body::upstream(body, log, open)), Some(exchange))
                }
                Ok(Reply::Upgraded(response)) => {
                    log.response(response.status());
                    let (head, connection) = response.into_parts();
                    Outcome::Tunnel(Response::from_parts(head, ()), Tunnel::new(connection, exchange, log, open))
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
