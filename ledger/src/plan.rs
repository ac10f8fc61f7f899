//! What a batch of one user's calls stores together.

use std::collections::HashSet;

use sparekey_policy::{HoldId, Outcome, State, Timestamp};

use crate::{call::Call, change::Change, row::LedgerRow};

/// The changes of calls that are decided one after the other, and stored together.
#[derive(Debug, Default)]
pub(crate) struct Plan {
    pub(crate) is_changed: bool,
    pub(crate) is_clock_back: bool,
    pub(crate) rows: Vec<LedgerRow>,
    /// Of these, the stored rows of expired holds are removed.
    pub(crate) removed: HashSet<HoldId>,
}

impl Plan {
    /// Decides a call on what the ones before it left, and returns the outcome for its caller.
    pub(crate) fn add(&mut self, call: &Call, state: &mut State, now: Timestamp) -> Outcome {
        let Change { outcome, is_clock_back, is_changed, removed, rows } = Change::of(call, state, now);
        self.is_changed |= is_changed;
        self.is_clock_back |= is_clock_back;
        if let Some(id) = removed {
            // The hold may have expired in this batch.
            let before = self.rows.len();
            self.rows.retain(|row| row.id != id);
            if self.rows.len() == before {
                self.removed.insert(id);
            }
        }
        self.rows.extend(rows);
        outcome
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use sparekey_policy::{Command, Limits, Period, ProcessId, Reserve, Usd, Zone};

    use super::*;
    use crate::row::{End, Row};

    /// The row of a hold that expires in a batch is not stored yet, so it cannot be removed from the table.
    #[test]
    fn settle_after_the_expiry_in_one_batch() {
        let mut limits = Limits::none(Arc::new(Zone::utc()));
        limits.budgets.set(Period::Total, Usd::from_pico(100));
        let limits = Arc::new(limits);
        let call = |command| Call::new(Arc::from("Tom"), Arc::clone(&limits), command);
        let (mut state, mut plan) = (State::default(), Plan::default());
        let (id, want, process) = (HoldId(1), Usd::from_pico(60), ProcessId(1));
        let now = Timestamp::from_seconds(1_795_780_800);
        let until = now.plus(Timestamp::HOUR);
        let reserve = Reserve { id, want, floor: want, least: want, tokens: 0, until, process };
        plan.add(&call(Command::Reserve(reserve)), &mut state, now);
        plan.add(&call(Command::ProcessEnded(process)), &mut state, now);
        assert_eq!(plan.rows.iter().map(|row| row.row.end).collect::<Vec<_>>(), [End::Expired]);
        let settle = call(Command::Settle { id, amount: Usd::from_pico(20), tokens: 0 });
        plan.add(&settle.with_row(Row::bare(now, End::Complete)), &mut state, now);
        assert_eq!(plan.rows.iter().map(|row| row.row.end).collect::<Vec<_>>(), [End::Complete]);
        assert!(plan.removed.is_empty(), "{plan:?}");
    }
}
