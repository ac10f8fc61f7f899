//! One transaction for many calls.

use std::{
    collections::{HashMap, hash_map::Entry},
    sync::Arc,
};

use sparekey_policy::{Command, HoldId, Limits, Outcome, ProcessId, State, StateError, Zone};

use super::{connection::Writable, failure::Failure, process::Process, store};
use crate::{
    call::Call,
    change,
    clock::Clock,
    error::LedgerError,
    event::{Event, Events},
    plan::Plan,
};

/// Why a transaction failed.
#[derive(Debug)]
pub(super) struct Failed {
    pub(super) failure: Failure,
    /// Whether it may be stored all the same: the commit failed.
    pub(super) is_ambiguous: bool,
}

impl From<Failure> for Failed {
    fn from(failure: Failure) -> Self {
        Self { failure, is_ambiguous: false }
    }
}

/// What the calls of a user change: the state, and the rows.
type Planned = (Result<State, StateError>, Plan);

/// Runs calls in their order, each on what the ones before it left. A user's state is read and written once.
pub(super) fn run(
    writable: &mut Writable,
    calls: &[&Call],
    clock: &Clock,
    events: &Events,
) -> Result<Vec<Result<Outcome, LedgerError>>, Failed> {
    let is_synchronous = calls.iter().any(|call| call.must_be_durable());
    in_transaction(writable, is_synchronous, |writable| {
        let connection = &writable.connection;
        // After the wait for the lock: the time of another process that wrote before is not later.
        let now = clock.now();
        let mut users = HashMap::<&Arc<str>, Planned>::new();
        let mut outcomes = Vec::with_capacity(calls.len());
        for call in calls {
            let (state, plan) = match users.entry(&call.user) {
                Entry::Occupied(planned) => planned.into_mut(),
                Entry::Vacant(new) => new.insert((store::load(connection, &call.user)?, Plan::default())),
            };
            let decided = state.as_mut().map(|state| plan.add(call, state, now));
            outcomes.push(decided.map_err(|error| LedgerError::State(*error)));
        }
        store::save_rows(connection, users.values().map(|(_, plan)| plan), now)?;
        for (user, (state, plan)) in users {
            if let (Ok(state), true) = (state, plan.is_changed) {
                store::save(connection, user, &state)?;
            }
            if plan.is_clock_back {
                events.send(Event::ClockBack { user: Arc::clone(user) });
            }
        }
        Ok(outcomes)
    })
}

/// Makes a row void. It is searched before the transaction, so that no other process waits for the search.
pub(super) fn void(
    writable: &mut Writable,
    id: HoldId,
    limits: &Arc<Limits>,
    clock: &Clock,
) -> Result<Result<Outcome, LedgerError>, Failed> {
    let Some(at) = store::find(&writable.connection, id)? else { return Ok(Ok(Outcome::Unknown)) };
    in_transaction(writable, true, |writable| {
        let connection = &writable.connection;
        let now = clock.now();
        let Some(row) = store::row(connection, at)?.filter(|row| row.id == id) else { return Ok(Ok(Outcome::Unknown)) };
        if row.voided.is_some() {
            return Ok(Ok(Outcome::AlreadyDone));
        }
        let mut state = match store::load(connection, &row.user)? {
            Ok(state) => state,
            Err(error) => return Ok(Err(LedgerError::State(error))),
        };
        let mut plan = Plan::default();
        let outcome = plan.add(&change::void(&row, Arc::clone(limits), now), &mut state, now);
        store::save_rows(connection, [&plan].into_iter(), now)?;
        if outcome == Outcome::Adjusted {
            store::void(connection, at, &row)?;
        }
        if plan.is_changed {
            store::save(connection, &row.user, &state)?;
        }
        Ok(Ok(outcome))
    })
}

/// Charges all holds of a process in full, removes the process, and returns the number of holds.
pub(super) fn end_process(writable: &mut Writable, process: ProcessId, clock: &Clock) -> Result<usize, Failed> {
    // Holds of a state are charged without a look at limits.
    let limits = Arc::new(Limits::none(Arc::new(Zone::utc())));
    in_transaction(writable, false, |writable| {
        let connection = &writable.connection;
        let now = clock.now();
        let mut count = 0;
        for (user, mut state) in users_of(connection, process)? {
            let call = Call::new(Arc::clone(&user), Arc::clone(&limits), Command::ProcessEnded(process));
            let mut plan = Plan::default();
            if let Outcome::Expired { count: expired } = plan.add(&call, &mut state, now) {
                count += expired;
            }
            store::save_rows(connection, [&plan].into_iter(), now)?;
            store::save(connection, &user, &state)?;
        }
        Process::remove(connection, process)?;
        Ok(count)
    })
}

/// Returns the states that have a hold of the process. A state that cannot be read has none that could be charged.
fn users_of(connection: &rusqlite::Connection, process: ProcessId) -> Result<Vec<(Arc<str>, State)>, Failure> {
    let mut select = connection.prepare_cached("SELECT user, state FROM state")?;
    let decode = |row: &rusqlite::Row<'_>| Ok((row.get(0)?, State::decode(row.get_ref(1)?.as_blob()?)));
    let mut found = Vec::new();
    for row in select.query_map([], decode)? {
        if let (user, Ok(state)) = row?
            && state.holds().iter().any(|hold| hold.process == process)
        {
            found.push((user, state));
        }
    }
    Ok(found)
}

pub(super) fn in_transaction<T>(
    writable: &mut Writable,
    is_synchronous: bool,
    work: impl FnOnce(&mut Writable) -> Result<T, Failure>,
) -> Result<T, Failed> {
    writable.begin(is_synchronous)?;
    let result = work(writable).map_err(Failed::from).and_then(|result| match writable.commit() {
        Ok(()) => Ok(result),
        Err(failure) => Err(Failed { failure, is_ambiguous: true }),
    });
    if result.is_err() {
        writable.roll_back();
    }
    result
}
