//! One request from start to end, for the adapters that run natively: the server and Lambda.
//!
//! **In scope:** the steps of a request, once: record, admit, send, filter, stream or tunnel, finish. The record's
//! sinks, the access log among them.
//!
//! **Out of scope:** decisions about heads (`sparekey-core`), connections to the upstream (`sparekey-upstream`),
//! listeners and platforms (the adapters).

mod access_log;
mod body;
mod charge;
mod clock;
mod deadline;
mod dropped_headers;
mod ledger_events;
pub mod log;
mod log_queue;
pub mod online_check;
mod record;
mod refused_credentials;
mod request_id;
mod slot;
mod throttle;
mod tunnel;
mod unplaced;
mod unread;
mod upstream_error;
mod usage;
mod user_requests;
mod user_states;
pub mod users;

use std::{net::IpAddr, sync::Arc};

use arc_swap::ArcSwap;
use bytes::Bytes;
use http::{HeaderMap, Method, Response, request};
use sparekey_core::{
    Admission, Exchange, Forward, Gate, HeadFailure, Rejection, RequestHead, UpstreamFailure, UserKey,
};
use sparekey_ledger::{Day, DayQuery, LedgerError};
pub use sparekey_metering::BodySizes;
use sparekey_metering::{BodyMemory, MODEL_LIST_MAX, filter_models};
use sparekey_policy::Report;
use sparekey_upstream::{ErrorKind, Reply, Upgrade, Upstream};
use tokio::{
    sync::oneshot,
    time::{Instant, timeout_at},
};

pub use self::{
    access_log::AccessLog,
    body::Body,
    charge::{LedgerHandle, OpenLedger, Settlement},
    clock::now,
    deadline::Deadline,
    ledger_events::ledger_events,
    record::{End, RequestLog, RequestRecord, Sink, Sinks},
    request_id::RequestId,
    throttle::Throttle,
    tunnel::Tunnel,
    unplaced::Unplaced,
    unread::{ReadBody, Unread},
    usage::UsageLookup,
    user_requests::OpenRequest,
};
use self::{
    charge::{Charges, ReservedCharge},
    dropped_headers::DroppedHeaders,
    refused_credentials::RefusedCredentials,
    slot::Slot,
    user_requests::UserRequests,
    user_states::UserStates,
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
    user_states: UserStates,
    usage_rates: UserStates,
    body_memory: Arc<BodyMemory>,
    charges: Charges,
    refused_credentials: Arc<RefusedCredentials>,
}

/// The bounds of a process.
#[derive(Clone, Copy, Debug)]
pub struct Bounds {
    /// Open requests of a user.
    pub requests_per_user: usize,
    /// Memory for the bodies of requests that must be read.
    pub bodies: BodySizes,
}

/// What happens to a request. Exhaustive: an adapter has to handle each.
#[derive(Debug)]
pub enum Decision {
    /// Send it to the upstream.
    Forward(Admitted),
    /// Ask the ledger with [`Proxy::place`], which returns the next step.
    Place(Unplaced),
    /// Read the body with [`Proxy::read`].
    Read(Unread),
    /// Read the ledger with [`Proxy::usage`].
    Usage(UsageLookup),
    /// Send this response to the client: a rejection, or one that needs no upstream.
    Respond(Response<Body>),
}

/// An admitted request and its record.
#[derive(Debug)]
pub struct Admitted {
    forward: Forward,
    log: RequestLog,
    permits: Permits,
    /// `None` if the request is not metered.
    charge: Option<Box<ReservedCharge>>,
    refused_credentials: Arc<RefusedCredentials>,
}

/// What a request holds until its response has ended.
#[derive(Debug, Default)]
pub(crate) struct Permits {
    open: Option<OpenRequest>,
    slot: Option<Box<Slot>>,
}

/// What the client gets for an admitted request. Exhaustive: an adapter has to handle both.
#[derive(Debug)]
pub enum Outcome {
    /// A response. If it is the upstream's, the exchange can replace it by an error response.
    Response(Response<Body>, Option<Box<Exchange>>),
    /// A response with status 101, then bytes both ways.
    Tunnel(Response<()>, Tunnel),
}

impl Proxy {
    /// Creates a proxy. `gate` may be replaced at any time. The ledger is opened for metered users only.
    #[must_use]
    pub fn new(gate: Arc<ArcSwap<Gate>>, sinks: Sinks, bounds: Bounds, ledger: LedgerHandle) -> Self {
        Self {
            charges: Charges::new(ledger, Arc::clone(&gate), sinks.clone()),
            gate,
            sinks,
            dropped_headers: Arc::default(),
            user_requests: UserRequests::new(bounds.requests_per_user),
            user_states: UserStates::default(),
            usage_rates: UserStates::default(),
            body_memory: BodyMemory::new(bounds.bodies),
            refused_credentials: Arc::default(),
        }
    }

    /// Returns the gate that decides about the next request.
    #[must_use]
    pub fn gate(&self) -> Arc<Gate> {
        self.gate.load_full()
    }

    /// Returns the sinks of the request records.
    #[must_use]
    pub fn sinks(&self) -> &Sinks {
        &self.sinks
    }

    /// Records a request and decides about it. `client` returns the address of the client, if known.
    #[must_use]
    pub fn admit(&self, head: request::Parts, client: impl Fn(&HeaderMap) -> Option<IpAddr>) -> Decision {
        let gate = self.gate.load();
        let head = RequestHead::from(head);
        let mut log = RequestLog::start(&self.sinks, || {
            let parts = head.parts();
            RequestRecord::new(&parts.method, gate.loggable_path(&head), client(&parts.headers))
        });
        match gate.admit(head, &client, now) {
            Ok(Admission::Forward(forward)) => {
                log.key(forward.key());
                let Some(open) = self.user_requests.start(forward.key().user()) else {
                    return Decision::Respond(Body::rejection(&forward.reject_too_many_requests(), log));
                };
                Decision::Forward(self.admitted(forward, log, Permits { open: Some(open), slot: None }))
            }
            Ok(Admission::Limited(limited)) => self.admit_limited(limited, log),
            Ok(Admission::Usage(request)) => self.admit_usage(request, log),
            Ok(Admission::Reply(reply)) => Decision::Respond(Body::own(reply, log)),
            Err(rejection) => Decision::Respond(Body::rejection(&self.user_states.add_rates(rejection), log)),
        }
    }

    fn admitted(&self, forward: Forward, log: RequestLog, permits: Permits) -> Admitted {
        self.dropped_headers.warn_once(forward.dropped_headers());
        self.sinks.dropped_headers(forward.dropped_headers().len());
        let refused_credentials = Arc::clone(&self.refused_credentials);
        Admitted { forward, log, permits, charge: None, refused_credentials }
    }

    /// Returns the use of the limits of all metered users, for metrics; `None` if the ledger is not open or too slow.
    pub async fn reports(&self) -> Option<Vec<(Arc<str>, Report)>> {
        self.charges.reports().await
    }

    /// Returns the rollup of the ledger, for the owner.
    ///
    /// # Errors
    /// [`LedgerError`], if the ledger is not open or too slow.
    pub async fn days(&self, query: DayQuery) -> Result<Vec<Day>, LedgerError> {
        self.charges.days(query).await
    }

    /// Ends the requests that are read on although their client left. Call it when the process ends.
    pub fn close(&self) {
        self.charges.close();
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
        log.response(response.status(), response.headers());
        log.sent(response.body().len() as u64);
        log.finish(End::Complete);
        response
    }
}

impl Admitted {
    /// Takes the count of the request for its user, which ends when it is dropped. Without this call, it ends with the
    /// response's body.
    pub fn take_open(&mut self) -> Option<OpenRequest> {
        self.permits.open.take()
    }

    /// Returns the access key of the request.
    #[must_use]
    pub fn key(&self) -> &UserKey {
        self.forward.key()
    }

    /// Sends the request like [`send`](Self::send), with the upstream of an owner that must stay until the request is settled: a
    /// metered request goes on when its client leaves.
    pub async fn send_with_owner<O, B>(mut self, owner: Arc<O>, body: B, deadline: Option<Instant>) -> Outcome
    where
        O: AsRef<Upstream> + Send + Sync + 'static,
        B: http_body::Body<Data = Bytes, Error: Into<BoxError>> + Send + Unpin + 'static,
    {
        let Some(reserved) = &mut self.charge else { return self.send((*owner).as_ref(), body, deadline).await };
        reserved.set_owner(Arc::clone(&owner) as _);
        let left = reserved.left();
        let failed = self.forward.reject(UpstreamFailure::Interrupted);
        let (mut tx, rx) = oneshot::channel();
        tokio::spawn(async move {
            let left = async {
                tx.closed().await;
                left.await;
            };
            let outcome = tokio::select! {
                outcome = self.send((*owner).as_ref(), body, deadline) => outcome,
                () = left => return,
            };
            // If the client has left, the body reads on.
            let _ = tx.send(outcome);
        });
        rx.await.unwrap_or_else(|_| Outcome::Response(Body::rejection(&failed, RequestLog::default()), None))
    }

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
        let Self { forward, mut log, permits, mut charge, refused_credentials } = self;
        let (head, exchange) = forward.into_parts();
        let deadline = match &mut charge {
            None => deadline,
            Some(reserved) => reserved.charge.sending(&head.headers, deadline),
        };
        let upgrade = if exchange.is_websocket() { Upgrade::WebSocket } else { Upgrade::Forbidden };
        // Boxed, so that a connection does not reserve room for it while it streams or is idle. Outside the async
        // block, which would reserve room for the head.
        let sending = Box::pin(upstream.send(head, body, upgrade));
        async move {
            match receive(sending, &exchange, &mut log, charge.as_deref_mut(), &refused_credentials, deadline).await {
                Ok(Reply::Response(response)) => {
                    let (head, body) = response.into_parts();
                    if exchange.filters_models(&head) {
                        // Boxed, so that other requests don't reserve room for it.
                        let response = Box::pin(model_list(&exchange, head, body, log)).await;
                        return Outcome::Response(response, Some(exchange));
                    }
                    log.response(head.status, &head.headers);
                    let body = match charge {
                        None => Body::upstream(body, log, permits),
                        Some(reserved) => reserved.body(&head, body, log, permits),
                    };
                    Outcome::Response(Response::from_parts(head, body), Some(exchange))
                }
                Ok(Reply::Upgraded(response)) => {
                    log.response(response.status(), response.headers());
                    let (head, connection) = response.into_parts();
                    Outcome::Tunnel(Response::from_parts(head, ()), Tunnel::new(connection, exchange, log, permits))
                }
                Err(rejection) => Outcome::Response(Body::rejection(&rejection, log), None),
            }
        }
    }
}

/// Reads a list of models, and returns those that the user may use.
async fn model_list(
    exchange: &Exchange,
    head: http::response::Parts,
    body: sparekey_upstream::ResponseBody,
    log: RequestLog,
) -> Response<Body> {
    let mut body = Body::upstream(body, log, Permits::default());
    let list = body.collect(MODEL_LIST_MAX).await;
    let list = list.map(|list| filter_models(&list, |model| exchange.allows_model(model)));
    match list.map_err(|failure| exchange.reject(failure)).and_then(|list| exchange.filtered_models(head, list)) {
        Ok(response) => body.replace_by(response),
        Err(rejection) => body.replace(&rejection),
    }
}

/// Waits for the reply and filters its head.
async fn receive(
    sending: impl Future<Output = Result<Reply, sparekey_upstream::Error>>,
    exchange: &Exchange,
    log: &mut RequestLog,
    mut charge: Option<&mut ReservedCharge>,
    refused_credentials: &RefusedCredentials,
    deadline: Option<Instant>,
) -> Result<Reply, Rejection> {
    let reply = match deadline {
        None => sending.await,
        Some(deadline) => timeout_at(deadline, sending).await.map_err(|_| {
            let (user, request_id) = (exchange.user(), log.id());
            tracing::warn!(user, %request_id, "upstream request cancelled: its deadline has passed");
            if let Some(reserved) = &mut charge {
                reserved.charge.failed(ErrorKind::Timeout);
            }
            exchange.reject(UpstreamFailure::Timeout)
        })?,
    };
    let reply = reply.map_err(|error| {
        let (user, request_id) = (exchange.user(), log.id());
        if error.kind() == ErrorKind::RequestBody {
            tracing::info!(user, %request_id, "{error}");
        } else {
            tracing::warn!(user, %request_id, "{error}");
        }
        if let Some(reserved) = &mut charge {
            reserved.charge.failed(error.kind());
        }
        exchange.reject(failure(error.kind()))
    })?;
    if let (Some(reserved), Reply::Response(response)) = (charge, &reply) {
        reserved.charge.responded(response.status(), response.headers());
    }
    Ok(match reply {
        Reply::Response(response) => {
            let (head, mut body) = response.into_parts();
            if exchange.refuses_credentials(&head) {
                // Boxed, so that other requests don't reserve room for it.
                Box::pin(refused_credentials.log(&head, &mut body, exchange, log)).await;
            }
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
        ErrorKind::NotSent => UpstreamFailure::Unreachable,
        ErrorKind::RequestBody => UpstreamFailure::InvalidBody,
        ErrorKind::Interrupted | ErrorKind::InvalidResponse => UpstreamFailure::Interrupted,
    }
}
