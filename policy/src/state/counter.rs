//! What was spent in two periods of one kind.

use crate::usd::Usd;

/// The counters of the newest two periods in which something was reserved.
///
/// The older one is needed after midnight, when a request of the day before ends, and when the clock is set back.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub(super) struct Counter {
    pub(super) current: Option<(i32, Usd)>,
    pub(super) previous: Option<(i32, Usd)>,
}

impl Counter {
    /// Returns what was spent in the period with this number; `None` if the counter may have been dropped.
    pub(super) fn spent(&self, number: i32) -> Option<Usd> {
        let mut kept = self.current.iter().chain(&self.previous);
        match kept.find(|(kept, _)| *kept == number) {
            Some((_, spent)) => Some(*spent),
            // Counters are dropped only to make place for newer ones.
            None => self.previous.is_none_or(|(oldest, _)| oldest < number).then_some(Usd::ZERO),
        }
    }

    /// Adds to what was spent in the period with this number, unless it is older than the kept ones.
    pub(super) fn add(&mut self, number: i32, amount: Usd) {
        let Some(spent) = self.spent(number) else { return };
        let entry = Some((number, spent.plus(amount)));
        match self.current {
            Some((current, _)) if current < number => (self.previous, self.current) = (self.current, entry),
            Some((current, _)) if current > number => self.previous = entry,
            _ => self.current = entry,
        }
    }
}
