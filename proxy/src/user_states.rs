//! The states of users with rates or a limit on open requests. They are in memory, and outlive a reload.

use std::{
    collections::HashMap,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use sparekey_core::{Limited, ModelCheck, Rejection};
use sparekey_policy::{Command, HoldId, Limits, Outcome, ProcessId, Report, Reserve, State, Timestamp, step};

use crate::{clock::SteadyClock, slot::Slot};

/// The only process that uses these states.
const PROCESS: ProcessId = ProcessId(0);

/// The states, by user.
#[derive(Clone, Debug, Default)]
pub(crate) struct UserStates(Arc<States>);

#[derive(Debug, Default)]
struct States {
    clock: Arc<SteadyClock>,
    /// A user stays in the map: there are few.
    by_user: Mutex<HashMap<Arc<str>, Arc<Mutex<State>>>>,
    last_id: AtomicU64,
}

impl UserStates {
    /// Reserves a place for a request. The slot must be kept until the response has ended.
    pub(crate) fn reserve(&self, limited: Limited) -> Result<(ModelCheck, Option<Box<Slot>>), Rejection> {
        let Some(limits) = limited.limits() else { return limited.reserve(None).map(|check| (check, None)) };
        let (outcome, slot) = self.place(limited.user(), limits);
        limited.reserve(Some(&outcome)).map(|check| (check, slot))
    }

    /// Reserves a place, if there is one.
    pub(crate) fn place(&self, user: &Arc<str>, limits: &Limits) -> (Outcome, Option<Box<Slot>>) {
        let state = self.state(user);
        let id = self.next_id();
        let outcome = run(&state, limits, self.0.clock.now(), &Command::Reserve(Reserve::place(id, PROCESS)));
        let holds = matches!(outcome, Outcome::Granted { .. }) && limits.concurrency().is_some();
        let clock = || Arc::clone(&self.0.clock);
        // Boxed, so that requests of users without limits do not move it.
        let slot = holds.then(|| Box::new(Slot::Memory { clock: clock(), state, limits: limits.clone(), id }));
        (outcome, slot)
    }

    /// Counts a request that takes no place.
    ///
    /// # Errors
    /// When the rate has room for it.
    pub(crate) fn pass(&self, user: &Arc<str>, limits: &Limits) -> Result<(), Duration> {
        let place = Reserve::place(self.next_id(), PROCESS);
        match run(&self.state(user), limits, self.0.clock.now(), &Command::Reserve(place)) {
            Outcome::Denied(denial) => Err(denial.retry_after.unwrap_or_default()),
            _ => Ok(()),
        }
    }

    /// Returns the use of a user's limits; `None` if nothing is counted here.
    pub(crate) fn report(&self, user: &Arc<str>, limits: &Limits) -> Option<Report> {
        if !limits.needs_state() {
            return None;
        }
        match run(&self.state(user), limits, self.0.clock.now(), &Command::Report) {
            Outcome::Report(report) => Some(*report),
            _ => None,
        }
    }

    /// Adds the remaining rates to the error response to a user who has some.
    pub(crate) fn add_rates(&self, rejection: Rejection) -> Rejection {
        let limited = rejection.key().and_then(|key| Some((key.user(), key.limits()?)));
        match limited.and_then(|(user, limits)| self.report(user, limits)) {
            Some(report) => rejection.with_rates(report.rates),
            None => rejection,
        }
    }

    fn next_id(&self) -> HoldId {
        HoldId(self.0.last_id.fetch_add(1, Ordering::Relaxed).into())
    }

    fn state(&self, user: &Arc<str>) -> Arc<Mutex<State>> {
        let mut states = self.0.by_user.lock().unwrap_or_else(PoisonError::into_inner);
        Arc::clone(states.entry(Arc::clone(user)).or_default())
    }
}

pub(crate) fn run(state: &Mutex<State>, limits: &Limits, now: Timestamp, command: &Command) -> Outcome {
    let mut state = state.lock().unwrap_or_else(PoisonError::into_inner);
    step(limits, &mut state, now, command)
}
