//! What one call changes: a pure function, which each engine runs inside its atomic step.

use std::sync::Arc;

use sparekey_policy::{Command, Hold, HoldId, Limits, Outcome, Period, State, Timestamp, Usd, step};

use crate::{
    call::Call,
    row::{End, LedgerRow, Row},
};

/// What an engine stores in one atomic step, if nothing else changed the user's state since it was read.
#[derive(Clone, Debug)]
pub struct Change {
    /// The outcome for the caller, once the change is stored.
    pub outcome: Outcome,
    /// Whether the clock is far behind the last call, which belongs in the log.
    pub is_clock_back: bool,
    /// Whether the state must be stored. If not, there are no rows either.
    pub is_changed: bool,
    /// The row of the expired hold of this id is removed first: its request was settled after all.
    pub removed: Option<HoldId>,
    /// Rows to add, each with its day's sums.
    pub rows: Vec<LedgerRow>,
}

impl Change {
    /// Runs [`step`] on the state, and returns what must be stored with it.
    pub fn of(call: &Call, state: &mut State, now: Timestamp) -> Self {
        let ended = match call.command {
            Command::ProcessEnded(process) => Some(process),
            _ => None,
        };
        let is_ending = |hold: &Hold| ended.is_some_and(|process| hold.process == process);
        let expiring: Vec<HoldId> = state.expiring(now).map(|hold| hold.id).collect();
        let is_expiring = |hold: &&Hold| expiring.contains(&hold.id) || is_ending(hold);
        // A hold without money of a user whose usage is not counted is only a place among open requests.
        let has_row = |hold: &&Hold| hold.amount != Usd::ZERO || call.limits.is_metered();
        let expired = |hold| expired_row(&call.user, hold, now);
        let mut rows: Vec<_> = state.holds().iter().filter(is_expiring).filter(has_row).map(expired).collect();
        let is_clock_back = state.is_step_back(now);
        let outcome = step(&call.limits, state, now, &call.command);
        let mut removed = None;
        match (&outcome, &call.command) {
            (&Outcome::Settled { was_expired, day, .. }, &Command::Settle { id, amount, .. }) => {
                let before = rows.len();
                rows.retain(|row| row.id != id);
                let is_stored = rows.len() == before;
                removed = (was_expired && is_stored).then_some(id);
                let cost = amount.max(Usd::ZERO);
                if call.row.is_some() || cost != Usd::ZERO {
                    let row = call.row.as_deref().cloned().unwrap_or_else(|| Row::bare(now, End::Failed));
                    rows.push(LedgerRow { id, user: Arc::clone(&call.user), day, cost, voided: None, row });
                }
            }
            (Outcome::Adjusted, &Command::Adjust { id, at, amount }) => {
                if let Some(row) = call.row.as_deref().cloned() {
                    let day = Period::Day.at(at.min(now), &call.limits.zone);
                    rows.push(LedgerRow { id, user: Arc::clone(&call.user), day, cost: amount, voided: None, row });
                }
            }
            _ => {}
        }
        let is_changed = !expiring.is_empty()
            || match outcome {
                Outcome::Granted { .. } | Outcome::Settled { .. } | Outcome::Adjusted => true,
                Outcome::Expired { count } => count > 0,
                _ => false,
            };
        Self { outcome, is_clock_back, is_changed, removed, rows }
    }
}

/// The row of a hold that expires: the request's details are lost with its process.
fn expired_row(user: &Arc<str>, hold: &Hold, now: Timestamp) -> LedgerRow {
    let row = Row { is_estimated: true, ..Row::bare(now, End::Expired) };
    LedgerRow { id: hold.id, user: Arc::clone(user), day: hold.day(), cost: hold.amount, voided: None, row }
}

/// Returns the call that takes a row's cost out of the counters of the day that was charged.
pub(crate) fn void(row: &LedgerRow, limits: Arc<Limits>, now: Timestamp) -> Call {
    // The last instant of the day; the state is charged by days.
    let at = row.day.end(&limits.zone).map_or(now, |end| end.plus(-1)).min(now);
    let command = Command::Adjust { id: row.id, at, amount: Usd::ZERO.minus(row.cost) };
    Call::new(Arc::clone(&row.user), limits, command)
}
