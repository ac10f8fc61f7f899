//! The rollup: what a user used of a model on a day. It stays when rows are deleted.

use std::sync::Arc;

use sparekey_policy::{CalendarPeriod, Usd};

use crate::row::{End, LedgerRow};

/// Sums of the rows of one day, user and model.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Day {
    /// The day, in the time zone of the limits.
    pub day: CalendarPeriod,
    /// The user.
    pub user: Arc<str>,
    /// The model; empty for requests without one, expired holds and credits.
    pub model: Arc<str>,
    /// The sums.
    pub sums: Sums,
}

/// Sums of rows. Those of a removed row are negative.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Sums {
    /// Requests; a credit is none.
    pub requests: i64,
    /// Requests whose usage or cost is an estimate.
    pub estimated: i64,
    /// Input tokens.
    pub input: i64,
    /// Of these, tokens that were read from the cache.
    pub cached: i64,
    /// Output tokens.
    pub output: i64,
    /// The cost.
    pub cost: Usd,
}

/// Days to read. The default reads all.
#[derive(Clone, Debug, Default)]
pub struct DayQuery {
    /// Of this user only.
    pub user: Option<Arc<str>>,
    /// From this day on.
    pub since: Option<CalendarPeriod>,
}

impl Sums {
    /// Whether nothing is left in them: the row of their only request was removed.
    pub(crate) fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    /// Returns what a row adds to its day.
    #[must_use]
    pub fn of(row: &LedgerRow) -> Self {
        let tokens = &row.row.usage.tokens;
        Self {
            requests: i64::from(row.row.end != End::Credit),
            estimated: i64::from(row.row.is_estimated),
            input: count(tokens.input),
            cached: count(tokens.cached),
            output: count(tokens.output),
            cost: row.cost,
        }
    }

    /// Adds.
    #[must_use]
    pub fn plus(self, other: Self) -> Self {
        Self {
            requests: self.requests.saturating_add(other.requests),
            estimated: self.estimated.saturating_add(other.estimated),
            input: self.input.saturating_add(other.input),
            cached: self.cached.saturating_add(other.cached),
            output: self.output.saturating_add(other.output),
            cost: self.cost.plus(other.cost),
        }
    }

    /// Returns the sums that remove these.
    #[must_use]
    pub fn negated(self) -> Self {
        Self {
            requests: self.requests.saturating_neg(),
            estimated: self.estimated.saturating_neg(),
            input: self.input.saturating_neg(),
            cached: self.cached.saturating_neg(),
            output: self.output.saturating_neg(),
            cost: Usd::ZERO.minus(self.cost),
        }
    }
}

/// A count as it is stored. No real one is near the bound.
pub(crate) fn count(count: u64) -> i64 {
    i64::try_from(count).unwrap_or(i64::MAX)
}
