//! How long rows of requests are kept.

use std::time::Duration;

#[cfg(any(feature = "postgres", feature = "sqlite"))]
use sparekey_policy::Timestamp;

#[cfg(any(feature = "postgres", feature = "sqlite"))]
use crate::columns::micros;

/// The most days to keep rows of requests: a hundred years.
pub const RETENTION_DAYS_MAX: u32 = 36_500;

/// An expired hold can be settled for a day, which replaces its row.
const LEAST: Duration = Duration::from_secs(2 * 86_400);

/// Returns for how long rows are kept.
pub(crate) fn at_least(retention: Duration) -> Duration {
    retention.max(LEAST)
}

/// Returns the instant before which rows are deleted.
#[cfg(any(feature = "postgres", feature = "sqlite"))]
pub(crate) fn ends_at(retention: Duration, now: Timestamp) -> Timestamp {
    now.plus(micros(at_least(retention)).saturating_neg())
}
