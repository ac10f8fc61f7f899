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
mod owner_errors;
mod record;
mod request_id;
mod send;
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
use sparekey_core::{Admission, Exchange, Forward, Gate, HeadFailure, RequestHead, UserKey};
use sparekey_ledger::{Day, DayQuery, LedgerError};
use sparekey_metering::BodyMemory;
pub use sparekey_metering::BodySizes;

pub use self::{
    access_log::AccessLog,
    body::Body,
    charge::{LedgerHandle, OpenLedger, Reports, Settlement},
    clock::now,
    deadline::Deadline,
    ledger_events::ledger_events,
    record::{RequestLog, RequestRecord, ResponseEnd, Sink, Sinks},
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
    owner_errors::OwnerErrors,
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
    owner_errors: Arc<OwnerErrors>,
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
    Respond(Box<Response<Body>>),
}

/// An admitted request and its record.
#[derive(Debug)]
pub struct Admitted {
    forward: Forward,
    log: RequestLog,
    permits: Permits,
    /// `None` if the request is not metered.
    charge: Option<Box<ReservedCharge>>,
    owner_errors: Arc<OwnerErrors>,
}

/// What a request holds until its response has ended.
#[derive(Debug, Default)]
pub(crate) struct Permits {
    open: Option<OpenRequest>,
    slot: Option<Box<Slot>>,
}

/// What the client gets for an admitted request. Exhaustive: an adapter has to handle both.
#[derive(Debug)]
pub enum ClientResponse {
    /// A response. If it is the upstream's, the exchange can replace it by an error response.
    Response(Response<Body>, Option<Box<Exchange>>),
    /// A response with status 101, then bytes both ways.
    Tunnel(Response<()>, Tunnel),
}

impl Decision {
    fn respond(response: Response<Body>) -> Self {
        Self::Respond(Box::new(response))
    }
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
            owner_errors: Arc::default(),
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
                    return Decision::respond(Body::rejection(&forward.reject_too_many_requests(), log));
                };
                Decision::Forward(self.admitted(forward, log, Permits { open: Some(open), slot: None }))
            }
            Ok(Admission::Limited(limited)) => self.admit_limited(limited, log),
            Ok(Admission::Usage(request)) => self.admit_usage(request, log),
            Ok(Admission::Reply(reply)) => Decision::respond(Body::own(reply, log)),
            Err(rejection) => Decision::respond(Body::rejection(&self.user_states.add_rates(rejection), log)),
        }
    }

    fn admitted(&self, forward: Forward, log: RequestLog, permits: Permits) -> Admitted {
        self.dropped_headers.warn_once(forward.dropped_headers());
        self.sinks.dropped_headers(forward.dropped_headers().len());
        let owner_errors = Arc::clone(&self.owner_errors);
        Admitted { forward, log, permits, charge: None, owner_errors }
    }

    /// Returns the use of the limits of all metered users, for the owner.
    pub async fn reports(&self) -> Reports {
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
        log.finish(ResponseEnd::Complete);
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
}
