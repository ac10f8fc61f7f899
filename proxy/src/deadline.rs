//! When the platform ends a request.

use std::time::Duration;

use sparekey_policy::Timestamp;
use tokio::time::Instant;

use crate::now;

/// When the platform ends a request. Without one, a metered request ends after an hour.
#[derive(Clone, Copy, Debug)]
pub struct Deadline {
    /// When it is cut.
    pub at: Instant,
    /// For how much longer its cost can be stored. Then its reservation is charged in full.
    pub margin: Duration,
}

impl Deadline {
    /// Returns the time at which the reservation of the request ends.
    pub(crate) fn charged_at(self) -> Timestamp {
        let left = self.at.saturating_duration_since(Instant::now()) + self.margin;
        now().plus(i64::try_from(left.as_micros()).unwrap_or(i64::MAX))
    }
}
