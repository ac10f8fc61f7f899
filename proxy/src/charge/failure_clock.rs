//! The users whose requests failed repeatedly.

use std::{
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use sparekey_policy::RepeatedFailures;

use crate::clock::SteadyClock;

/// The last failures of a process.
#[derive(Debug, Default)]
pub(super) struct FailureClock {
    failures: Mutex<RepeatedFailures>,
    clock: SteadyClock,
}

impl FailureClock {
    /// Adds a request that failed and was charged by an estimate.
    pub(super) fn add(&self, user: &Arc<str>) {
        self.lock().add(user, self.clock.now());
    }

    /// How long a user is paused; `None` if it is not.
    pub(super) fn wait(&self, user: &str) -> Option<Duration> {
        self.lock().wait(user, self.clock.now())
    }

    fn lock(&self) -> MutexGuard<'_, RepeatedFailures> {
        self.failures.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
