//! Requests of metered users: their highest cost is reserved in the ledger before they are sent, and their actual cost replaces
//! it at every end.
//!
//! ```text
//! Quote ─► Charges::reserve ─► Charge ─► ChargedBody reads the usage ─► Charge::settle
//!                                └─ dropped: the request was cut, so an estimate is charged
//! ```

mod body;
mod failure_clock;
mod ledger_handle;
mod left;
mod open;
mod queries;
mod recent_failure;
mod reports;
mod settlement;
#[cfg(test)]
mod tests;

use std::{
    mem::{Discriminant, discriminant},
    sync::Arc,
    time::Duration,
};

use arc_swap::ArcSwap;
use http::response;
use sparekey_core::{Funded, Gate, ModelCheck, Quote, Rejection, UserKey};
use sparekey_ledger::{self as ledger, Call, Ledger, LedgerError, new_hold_id};
use sparekey_policy::{Command, Limits, Outcome, Reserve, Timestamp};
use sparekey_upstream::ResponseBody;
use tokio::{
    sync::watch,
    time::{Instant, sleep},
};

pub(crate) use self::{
    body::{ChargedBody, Owner},
    open::Charge,
};
use self::{failure_clock::FailureClock, open::OpenCharge, recent_failure::RecentFailure};
pub use self::{
    ledger_handle::{LedgerHandle, OpenLedger},
    reports::Reports,
    settlement::Settlement,
};
use crate::{
    Permits,
    body::Body,
    deadline::Deadline,
    record::{RequestLog, Sinks},
    slot::Slot,
    throttle::Throttle,
};

/// The longest time of a request. Its hold is charged in full then, so it is cut.
const LONGEST: Duration = Duration::from_secs(3600);
/// Before a reservation that open requests of another process refuse is tried again. A client's next request can arrive at
/// another server before the end of its last one is stored: as long as one commit of a database, which takes some milliseconds.
const LATE_END: [Duration; 3] = [Duration::from_millis(10), Duration::from_millis(30), Duration::from_millis(60)];

/// The metered requests of a process.
#[derive(Clone, Debug)]
pub(crate) struct Charges(Arc<Shared>);

/// A kind of log line.
#[derive(Debug, Eq, Hash, PartialEq)]
enum Complaint {
    Ledger(Discriminant<LedgerError>),
    UnknownPeriod,
    Unpriced,
}

#[derive(Debug)]
struct Shared {
    ledger: LedgerHandle,
    gate: Arc<ArcSwap<Gate>>,
    sinks: Sinks,
    failures: FailureClock,
    logged: Throttle<Complaint>,
    /// Of reservations. Reads may work nevertheless, as on a full disk.
    refusals: RecentFailure,
    /// True once all requests must end.
    closing: watch::Sender<bool>,
}

/// The charge of a request that is not sent yet, or has no response yet.
#[derive(Debug)]
pub(crate) struct ReservedCharge {
    pub(crate) charge: Charge,
    /// Whether the client of a stream did not ask for its usage.
    hides_usage: bool,
    owner: Option<Owner>,
}

impl ReservedCharge {
    pub(crate) fn new(charge: Charge, hides_usage: bool) -> Self {
        Self { charge, hides_usage, owner: None }
    }

    /// Keeps the owner until the request is settled.
    pub(crate) fn set_owner(&mut self, owner: Owner) {
        self.owner = Some(owner);
    }

    /// Waits, after the client has left, until the request must end.
    pub(crate) fn left(&self) -> impl Future<Output = ()> + Send + 'static {
        let open = self.charge.open().map(|open| (open.charges.clone(), open.key.clone(), open.charge.is_streamed));
        async move {
            if let Some((charges, key, is_streamed)) = open {
                charges.left(&key, is_streamed).await;
            }
        }
    }

    /// Returns the body for the client.
    pub(crate) fn body(self, head: &response::Parts, body: ResponseBody, log: RequestLog, permits: Permits) -> Body {
        if self.charge.open().is_none() {
            return Body::upstream(body, log, permits);
        }
        Body::charged(ChargedBody::new(head, body, self.charge, self.hides_usage, self.owner), log, permits)
    }
}

impl Charges {
    pub(crate) fn new(ledger: LedgerHandle, gate: Arc<ArcSwap<Gate>>, sinks: Sinks) -> Self {
        Self(Arc::new(Shared {
            ledger,
            gate,
            sinks,
            failures: FailureClock::default(),
            logged: Throttle::default(),
            refusals: RecentFailure::default(),
            closing: watch::Sender::new(false),
        }))
    }

    /// Refuses a request of a user whose last ones failed after they were sent: most agents repeat them at once, and each is
    /// charged.
    pub(crate) fn check_failures(&self, check: &ModelCheck) -> Result<(), Rejection> {
        match self.0.failures.wait(check.user()) {
            Some(wait) => Err(check.reject_repeated_failures(wait)),
            None => Ok(()),
        }
    }

    /// Returns the tokens of a response of this user, which a request takes as its history; `None` if they are not known, or
    /// the response is of another model.
    pub(crate) async fn response_tokens(&self, key: &UserKey, response_id: &str, model: &str) -> Option<u64> {
        let ledger = self.ledger().await.ok()?;
        let row = self.call(ledger.response(Arc::clone(key.user()), response_id.into())).await.ok()??;
        (*row.row.model == *model).then(|| row.row.usage.tokens.total())
    }

    /// Reserves the highest cost of a request. The result is durable.
    pub(crate) async fn reserve(
        &self,
        quote: Quote,
        is_streamed: bool,
        (started, deadline): (Timestamp, Option<Deadline>),
        route: &'static str,
    ) -> Result<(Funded, Charge), Rejection> {
        let Ok(ledger) = self.ledger().await else { return Err(quote.reject_without_ledger()) };
        let key = quote.key().clone();
        let limits = Arc::clone(quote.limits());
        let deadline = deadline.unwrap_or_else(|| Deadline { at: Instant::now() + LONGEST, margin: Duration::ZERO });
        let id = new_hold_id();
        let reserve = quote.reserve(id, deadline.charged_at(), ledger.process());
        let call = Call::new(Arc::clone(key.user()), Arc::clone(&limits), Command::Reserve(reserve));
        let Ok(outcome) = self.reserve_repeatedly(&*ledger, call).await else {
            return Err(quote.reject_without_ledger());
        };
        self.log_unknown_period(&outcome);
        let funded = quote.admit(&outcome)?;
        let charge = ledger::Charge {
            user: Arc::clone(key.user()),
            limits,
            id,
            key: key.digest_prefix(),
            route,
            started,
            bound: funded.bound.clone(),
            granted: funded.granted,
            is_streamed,
            retry: 0,
            head: None,
        };
        let charge =
            OpenCharge { charges: self.clone(), ledger, key, charge, until: deadline.at, slot: None, sent: None };
        Ok((funded, Charge::new(charge)))
    }

    /// Reserves a place for a request that costs nothing.
    ///
    /// # Errors
    /// [`LedgerError`].
    pub(crate) async fn place(
        &self,
        user: &Arc<str>,
        limits: &Arc<Limits>,
        deadline: Option<Deadline>,
    ) -> Result<(Outcome, Option<Box<Slot>>), LedgerError> {
        let ledger = self.ledger().await?;
        let until = deadline.map_or(Timestamp::MAX, Deadline::charged_at);
        let reserve = Reserve { until, ..Reserve::place(new_hold_id(), ledger.process()) };
        let call = Call::new(Arc::clone(user), Arc::clone(limits), Command::Reserve(reserve));
        let end = call.undo();
        let outcome = self.reserve_repeatedly(&*ledger, call).await?;
        let is_granted = matches!(outcome, Outcome::Granted { .. });
        let slot = end.filter(|_| is_granted).map(|end| Box::new(Slot::Ledger { ledger, end }));
        Ok((outcome, slot))
    }

    /// Ends all requests that are read on.
    pub(crate) fn close(&self) {
        self.0.closing.send_replace(true);
    }

    /// What was spent in the period is not known any more, so requests are refused.
    fn log_unknown_period(&self, outcome: &Outcome) {
        if let Outcome::PeriodNotKept(period) = outcome
            && self.0.logged.is_due(Complaint::UnknownPeriod)
        {
            tracing::error!(
                "metered users are refused: the clock shows {period}, which is older than the kept periods"
            );
        }
    }

    async fn ledger(&self) -> Result<Arc<dyn Ledger>, LedgerError> {
        match self.0.ledger.opened() {
            Some(ledger) => Ok(ledger),
            None => self.call(async { self.record_result(self.0.ledger.get().await) }).await,
        }
    }

    /// Runs a reservation, again after a refusal that may be late.
    async fn reserve_repeatedly(&self, ledger: &dyn Ledger, reserve: Call) -> Result<Outcome, LedgerError> {
        for pause in LATE_END {
            let outcome = self.reserve_once(ledger, reserve.clone()).await?;
            if !matches!(&outcome, Outcome::Denied(denial) if denial.may_be_late) {
                return Ok(outcome);
            }
            sleep(pause).await;
        }
        self.reserve_once(ledger, reserve).await
    }

    /// Runs a reservation once.
    async fn reserve_once(&self, ledger: &dyn Ledger, reserve: Call) -> Result<Outcome, LedgerError> {
        self.call(async { self.record_result(ledger.run(reserve).await) }).await
    }

    /// Records whether reservations fail, before a sink can ask for it.
    fn record_result<T>(&self, result: Result<T, LedgerError>) -> Result<T, LedgerError> {
        self.0.refusals.record(&result);
        result
    }

    /// Waits for the result of a call, and logs a failure.
    async fn call<T>(&self, result: impl Future<Output = Result<T, LedgerError>>) -> Result<T, LedgerError> {
        let started = Instant::now();
        let result = result.await;
        self.0.sinks.ledger_called(started.elapsed(), result.is_ok());
        result.inspect_err(|error| {
            let users = if error.affects_one_user() { "requests of a user" } else { "metered users" };
            if self.0.logged.is_due(Complaint::Ledger(discriminant(error))) {
                tracing::error!("{users} are refused: {error}");
            }
        })
    }

    /// Whether the settings in force still accept the key.
    fn accepts(&self, key: &UserKey) -> bool {
        self.0.gate.load().accepts(key)
    }

    fn is_closing(&self) -> bool {
        *self.0.closing.borrow()
    }
}
