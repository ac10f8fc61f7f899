//! While the database does not work, calls fail at once.

use std::{
    cell::RefCell,
    time::{Duration, SystemTime},
};

use tokio::time::sleep;

use crate::error::LedgerError;

/// After a failure, the next call is tried then.
const PAUSE: Duration = Duration::from_secs(1);

/// Between two looks at the clock.
const POLL: Duration = Duration::from_millis(20);

/// The last failure. The system time runs on while a process is frozen, a monotonic clock may not.
#[derive(Debug, Default)]
pub(super) struct Breaker(RefCell<Option<(SystemTime, LedgerError)>>);

impl Breaker {
    pub(super) fn trip(&self, error: LedgerError) {
        *self.0.borrow_mut() = Some((SystemTime::now(), error));
    }

    pub(super) fn failure(&self) -> Option<LedgerError> {
        self.failure_at(SystemTime::now())
    }

    fn failure_at(&self, now: SystemTime) -> Option<LedgerError> {
        let last = self.0.borrow();
        // An error means that the clock was set back.
        let is_recent = |at: &SystemTime| now.duration_since(*at).is_ok_and(|time| time < PAUSE);
        last.as_ref().filter(|(at, _)| is_recent(at)).map(|(_, error)| error.clone())
    }

    pub(super) async fn restored(&self) {
        while self.failure().is_some() {
            sleep(POLL).await;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn next_try_after_a_pause() {
        let breaker = Breaker::default();
        assert_eq!(breaker.failure(), None);
        breaker.trip(LedgerError::Busy);
        let now = SystemTime::now();
        assert_eq!(breaker.failure_at(now), Some(LedgerError::Busy));
        assert_eq!(breaker.failure_at(now + PAUSE), None);
        assert_eq!(breaker.failure_at(now - PAUSE), None, "the clock was set back");
    }
}
