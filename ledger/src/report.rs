//! The use of a user's limits, for readers.

use sparekey_policy::{Command, Limits, Outcome, Report, State, Timestamp, step};

/// Returns the use of limits; `None` if the clock shows a period whose counters are no longer kept.
pub(crate) fn of(limits: &Limits, mut state: State, now: Timestamp) -> Option<Report> {
    match step(limits, &mut state, now, &Command::Report) {
        Outcome::Report(report) => Some(*report),
        _ => None,
    }
}
