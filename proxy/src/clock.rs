//! The time.

use std::time::{Instant, SystemTime};

use sparekey_policy::Timestamp;

/// The time since 1970 as it was at the start, and from then on without the steps of the system's clock: a step back would
/// stop all rates until the clock is there again.
#[derive(Debug)]
pub(crate) struct SteadyClock {
    started: Instant,
    at: Timestamp,
}

impl Default for SteadyClock {
    fn default() -> Self {
        Self { started: Instant::now(), at: now() }
    }
}

impl SteadyClock {
    pub(crate) fn now(&self) -> Timestamp {
        self.at.plus(i64::try_from(self.started.elapsed().as_micros()).unwrap_or(i64::MAX))
    }
}

/// Returns the time of the system's clock.
#[must_use]
pub fn now() -> Timestamp {
    SystemTime::now().into()
}
