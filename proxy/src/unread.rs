//! A request of a user with limits: its place, and its body if that must be read before it is admitted.

use std::{
    collections::VecDeque,
    pin::{Pin, pin},
    sync::Arc,
    task::{Context, Poll},
};

use bytes::{Bytes, BytesMut};
use http::Response;
use http_body::{Body as _, Frame, SizeHint};
use sparekey_core::{Funded, Limited, ModelCheck, Rejection, UserKey};
use sparekey_metering::{
    self as metering, BODY_TIMEOUT, BodyMemory, BodyPart, BodyPermit, MeteredBody, Splice, Target, read_metered,
    read_request,
};
use sparekey_policy::{BodyFailure, Endpoint, Facts, ModelSource, Timestamp};
use tokio::{task::spawn_blocking, time::timeout};

use crate::{
    Admitted, Decision, Permits, Proxy,
    body::Body,
    charge::{Charge, ReservedCharge},
    deadline::Deadline,
    now,
    record::RequestLog,
    unplaced::Unplaced,
    user_requests::OpenRequest,
};

/// Bytes of a body that is read at once: it takes less than 1 ms.
const INLINE_MAX: usize = 256 * 1024;

/// A request whose body must be read before it is admitted.
#[derive(Debug)]
pub struct Unread {
    pub(crate) check: Box<ModelCheck>,
    pub(crate) log: RequestLog,
    pub(crate) permits: Permits,
    /// When the request arrived.
    pub(crate) arrived: Timestamp,
    pub(crate) deadline: Option<Deadline>,
}

/// A body in memory, which counts for its user until the last of its bytes is sent or dropped.
#[derive(Debug)]
pub struct ReadBody(VecDeque<Bytes>);

/// The memory of a body.
struct Counted {
    bytes: BytesMut,
    _permit: BodyPermit,
}

impl AsRef<[u8]> for Counted {
    fn as_ref(&self) -> &[u8] {
        &self.bytes
    }
}

impl Proxy {
    /// Decides about a request of a user with limits. Its place is reserved before its body is read, so that an upload takes
    /// a place too, and a request that is refused later counts.
    #[cold]
    pub(crate) fn admit_limited(&self, limited: Limited, mut log: RequestLog) -> Decision {
        log.key(limited.key());
        let Some(open) = self.user_requests.start(limited.user()) else {
            let rejection = self.user_states.add_rates(limited.reject_too_many_requests());
            return Decision::respond(Body::rejection(&rejection, log));
        };
        let (check, slot) = match self.user_states.reserve(limited) {
            Ok(reserved) => reserved,
            Err(rejection) => return Decision::respond(Body::rejection(&rejection, log)),
        };
        let permits = Permits { open: Some(open), slot };
        if check.ledger_place().is_some() {
            let unread = Unread { check: Box::new(check), log, permits, arrived: now(), deadline: None };
            return Decision::Place(Unplaced(unread));
        }
        self.next_step(check, log, permits, now)
    }

    /// The step after a request has its place.
    pub(crate) fn next_step(
        &self,
        check: ModelCheck,
        log: RequestLog,
        permits: Permits,
        arrived: impl FnOnce() -> Timestamp,
    ) -> Decision {
        if check.endpoint().is_some()
            && let Err(rejection) = self.charges.check_failures(&check)
        {
            return Decision::respond(Body::rejection(&rejection, log));
        }
        if check.needs_body() {
            return match check_head(&check, &self.body_memory) {
                Ok(()) => {
                    let check = Box::new(check);
                    Decision::Read(Unread { check, log, permits, arrived: arrived(), deadline: None })
                }
                Err(rejection) => Decision::respond(Body::rejection(&rejection, log)),
            };
        }
        let facts = facts(&check, &[]);
        self.admit_facts(check, facts, log, permits).map_or_else(Decision::Respond, Decision::Forward)
    }

    /// Reads the body of a request, and decides about it. Send it with [`Admitted::send_with_owner`], if the platform can go on
    /// after the client has left.
    ///
    /// # Errors
    /// The error response.
    pub async fn read<B>(&self, unread: Unread, body: B) -> Result<(Admitted, ReadBody), Box<Response<Body>>>
    where
        B: http_body::Body<Data = Bytes>,
    {
        let Unread { check, log, permits, arrived, deadline } = unread;
        let body = match read(body, &self.body_memory, check.user()).await {
            Ok(body) => body,
            Err(failure) => return Err(Box::new(Body::rejection(&check.reject_body(failure), log))),
        };
        match check.endpoint() {
            None => {
                let (check, facts) = parse(check, body.clone(), facts).await;
                let admitted = self.admit_facts(*check, facts, log, permits)?;
                Ok((admitted, ReadBody(VecDeque::from([body]))))
            }
            Some(endpoint) => self.admit_metered(check, endpoint, body, log, permits, (arrived, deadline)).await,
        }
    }

    /// Reserves the highest cost of a request, and changes its body so that it cannot cost more.
    async fn admit_metered(
        &self,
        check: Box<ModelCheck>,
        endpoint: Endpoint,
        body: Bytes,
        mut log: RequestLog,
        mut permits: Permits,
        times: (Timestamp, Option<Deadline>),
    ) -> Result<(Admitted, ReadBody), Box<Response<Body>>> {
        let (check, read) = parse(check, body.clone(), move |check, body| metered(check, endpoint, body)).await;
        let read = match read {
            Ok(read) => read,
            Err(rejection) => return Err(Box::new(Body::rejection(&rejection, log))),
        };
        let model = read.facts.model.as_deref();
        log.model(model.filter(|model| check.is_loggable(model)));
        match self.reserve(*check, endpoint, &read, times).await {
            Ok((Funded { mut forward, edits, .. }, mut charge)) => {
                log.clamped(edits.clamped());
                charge.hold_slot(permits.slot.take());
                let body = ReadBody(spliced(&body, &read.splices(&edits)));
                if !edits.is_empty() {
                    forward = forward.with_body_length(body.size_hint().lower());
                }
                let charge = Some(Box::new(ReservedCharge::new(charge, edits.hides_usage())));
                Ok((Admitted { charge, ..self.admitted(forward, log, permits) }, body))
            }
            Err(rejection) => Err(Box::new(Body::rejection(&rejection, log))),
        }
    }

    async fn reserve(
        &self,
        check: ModelCheck,
        endpoint: Endpoint,
        read: &MeteredBody,
        times: (Timestamp, Option<Deadline>),
    ) -> Result<(Funded, Charge), Rejection> {
        let price_name = || check.price_name(read.facts.model.as_deref()?);
        let history = read.demand.previous_response_id().and_then(|id| Some((id, price_name()?)));
        let hidden = match history {
            Some((id, model)) => self.charges.response_tokens(check.key(), id, model).await,
            None => None,
        };
        let quote = check.quote(&read.facts, &read.demand, hidden)?;
        self.charges.reserve(quote, read.demand.is_streamed(), times, endpoint.path()).await
    }

    /// Admits a request by the models that it names.
    fn admit_facts(
        &self,
        check: ModelCheck,
        facts: Result<Option<Facts>, Rejection>,
        mut log: RequestLog,
        permits: Permits,
    ) -> Result<Admitted, Box<Response<Body>>> {
        let forward = facts.and_then(|facts| {
            let model = facts.as_ref().and_then(|facts| facts.model.as_deref());
            log.model(model.filter(|model| check.is_loggable(model)));
            check.admit(facts.as_ref())
        });
        match forward {
            Ok(forward) => Ok(self.admitted(forward, log, permits)),
            Err(rejection) => Err(Box::new(Body::rejection(&rejection, log))),
        }
    }
}

impl Unread {
    /// Takes the count of the request for its user, which ends when it is dropped.
    pub fn take_open(&mut self) -> Option<OpenRequest> {
        self.permits.open.take()
    }

    /// Sets when the platform ends the request.
    pub fn set_deadline(&mut self, deadline: Deadline) {
        self.deadline = Some(deadline);
    }

    /// Returns the access key of the request.
    #[must_use]
    pub fn key(&self) -> &UserKey {
        self.check.key()
    }
}

fn facts(check: &ModelCheck, body: &[u8]) -> Result<Option<Facts>, Rejection> {
    let Some(source) = check.facts_source() else { return Ok(None) };
    let target = Target { source, path: check.path(), query: check.query() };
    let facts = read_request(target, check.content_types(), check.content_encodings(), body);
    facts.map(Some).map_err(|failure| check.reject_body(failure))
}

fn metered(check: &ModelCheck, endpoint: Endpoint, body: &[u8]) -> Result<MeteredBody, Rejection> {
    let source = check.facts_source().unwrap_or(ModelSource::Body);
    let target = Target { source, path: check.path(), query: check.query() };
    let read = read_metered(endpoint, target, check.content_types(), check.content_encodings(), body);
    read.map_err(|failure| check.reject_body(failure))
}

/// Reads a body. A large one is read by another thread, so that the other requests of this one do not wait.
async fn parse<T: Send + 'static>(
    check: Box<ModelCheck>,
    body: Bytes,
    read: impl FnOnce(&ModelCheck, &[u8]) -> T + Send + 'static,
) -> (Box<ModelCheck>, T) {
    let is_small = body.len() <= INLINE_MAX;
    let run = move || {
        let read = read(&check, &body);
        (check, read)
    };
    if is_small {
        return run();
    }
    match spawn_blocking(run).await {
        Ok(read) => read,
        Err(error) => match error.try_into_panic() {
            Ok(panic) => std::panic::resume_unwind(panic),
            // The runtime ends.
            Err(_) => std::future::pending().await,
        },
    }
}

/// Refuses a body before it is sent, if its head says that it cannot be used.
fn check_head(check: &ModelCheck, memory: &BodyMemory) -> Result<(), Rejection> {
    let Some(source) = check.facts_source() else { return Ok(()) };
    let (types, encodings) = (check.content_types(), check.content_encodings());
    metering::check_head(source, check.content_length(), memory.max_body(), types, encodings)
        .map_err(|failure| check.reject_body(failure))
}

/// Reads a whole body. Its memory is counted as it arrives.
async fn read<B: http_body::Body<Data = Bytes>>(
    body: B,
    memory: &Arc<BodyMemory>,
    user: &Arc<str>,
) -> Result<Bytes, BodyFailure> {
    let read = collect(body, memory.begin(user));
    timeout(BODY_TIMEOUT, read).await.unwrap_or(Err(BodyFailure::TimedOut(BODY_TIMEOUT)))
}

async fn collect<B: http_body::Body<Data = Bytes>>(body: B, mut permit: BodyPermit) -> Result<Bytes, BodyFailure> {
    let mut body = pin!(body);
    let mut collected = BytesMut::new();
    while let Some(frame) = std::future::poll_fn(|cx| body.as_mut().poll_frame(cx)).await {
        let data = frame.map_err(|_| BodyFailure::Incomplete)?.into_data().unwrap_or_default();
        permit.grow(data.len())?;
        collected.extend_from_slice(&data);
    }
    Ok(Bytes::from_owner(Counted { bytes: collected, _permit: permit }))
}

/// Replaces parts of a body.
fn spliced(body: &Bytes, splices: &[Splice]) -> VecDeque<Bytes> {
    let parts = Splice::parts(body.len(), splices).map(|part| match part {
        BodyPart::Kept(range) => body.slice(range),
        BodyPart::Text(text) => Bytes::copy_from_slice(text),
    });
    parts.collect()
}

impl http_body::Body for ReadBody {
    type Data = Bytes;
    type Error = std::convert::Infallible;

    fn poll_frame(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Self::Error>>> {
        let part = self.0.pop_front().filter(|part| !part.is_empty());
        Poll::Ready(part.map(|part| Ok(Frame::data(part))))
    }

    fn is_end_stream(&self) -> bool {
        self.0.iter().all(Bytes::is_empty)
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.0.iter().map(|part| part.len() as u64).sum())
    }
}
