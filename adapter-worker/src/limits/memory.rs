//! What an isolate remembers of users, so that repeated requests do not reach the ledger.

use std::{cell::RefCell, collections::HashMap, sync::Arc, time::Duration};

use sparekey_core::USAGE_PER_MINUTE;
use sparekey_ledger::Call;
use sparekey_policy::{
    Command, DeniedBy, HoldId, Limits, Outcome, ProcessId, RepeatedFailures, Reserve, State, Timestamp, Zone, step,
};

use crate::clock::now;

/// Every isolate is the same process: a hold expires at its end only.
pub(super) const PROCESS: ProcessId = ProcessId(0);

#[derive(Default)]
struct Memory {
    failures: RepeatedFailures,
    /// States that refuse any request of the user until the instant, while it has the same limits.
    refused: HashMap<Arc<str>, Refused>,
    /// Rates of users without the ledger, and those of `GET /usage`.
    rates: HashMap<(Arc<str>, bool), State>,
}

struct Refused {
    until: Timestamp,
    limits: Arc<Limits>,
    which: DeniedBy,
    state: State,
}

thread_local! {
    static MEMORY: RefCell<Memory> = RefCell::default();
}

/// How long a user is paused whose requests failed repeatedly.
pub(super) fn pause(user: &str) -> Option<Duration> {
    MEMORY.with_borrow(|memory| memory.failures.wait(user, now()))
}

/// Adds a request that failed and was charged by an estimate.
pub(super) fn add_failure(user: &Arc<str>) {
    MEMORY.with_borrow_mut(|memory| memory.failures.add(user, now()));
}

/// Remembers the state behind a refusal that does not depend on the request.
pub(super) fn remember(call: &Call, outcome: &Outcome, state: State) {
    if let Some((which, wait)) = refusal_of_all(outcome) {
        let until = now().plus(i64::try_from(wait.as_micros()).unwrap_or(i64::MAX));
        let refused = Refused { until, limits: Arc::clone(&call.limits), which, state };
        MEMORY.with_borrow_mut(|memory| memory.refused.insert(Arc::clone(&call.user), refused));
    }
}

/// The refusal of a request by the last state: its times have become shorter.
pub(super) fn refused(call: &Call) -> Option<Outcome> {
    MEMORY.with_borrow(|memory| {
        let Refused { until, limits, state, .. } = memory.refused.get(&call.user)?;
        let now = now();
        let outcome =
            (now < *until && *limits == call.limits).then(|| step(limits, &mut state.clone(), now, &call.command))?;
        refusal_of_all(&outcome).is_some().then_some(outcome)
    })
}

fn refusal_of_all(outcome: &Outcome) -> Option<(DeniedBy, Duration)> {
    let Outcome::Denied(denial) = outcome else { return None };
    let is_of_all = matches!(denial.which, DeniedBy::Requests | DeniedBy::Concurrency);
    denial.retry_after.filter(|_| is_of_all).map(|wait| (denial.which, wait))
}

/// A request has ended, so that its place is free.
pub(super) fn freed(user: &str) {
    MEMORY.with_borrow_mut(|memory| {
        if memory.refused.get(user).is_some_and(|refused| refused.which == DeniedBy::Concurrency) {
            memory.refused.remove(user);
        }
    });
}

/// Counts a request whose place the ledger could not count, by its rate.
pub(super) fn count(call: &Call) -> Outcome {
    let mut limits = Limits::none(Arc::clone(&call.limits.zone));
    limits.requests_per_minute = call.limits.requests_per_minute;
    pass(&call.user, false, &limits)
}

/// Counts a request for the user's usage.
///
/// # Errors
/// When it may be repeated.
pub(super) fn count_usage(user: &Arc<str>) -> Result<(), Duration> {
    let mut limits = Limits::none(Arc::new(Zone::utc()));
    limits.requests_per_minute = Some(USAGE_PER_MINUTE);
    match pass(user, true, &limits) {
        Outcome::Denied(denial) => Err(denial.retry_after.unwrap_or_default()),
        _ => Ok(()),
    }
}

fn pass(user: &Arc<str>, is_usage: bool, limits: &Limits) -> Outcome {
    MEMORY.with_borrow_mut(|memory| {
        let state = memory.rates.entry((Arc::clone(user), is_usage)).or_default();
        step(limits, state, now(), &Command::Reserve(Reserve::place(HoldId(0), PROCESS)))
    })
}
