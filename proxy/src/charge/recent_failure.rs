//! Whether the ledger refused a reservation a short time ago.

use std::{
    sync::{Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use sparekey_ledger::LedgerError;
use tokio::time::Instant;

/// How long a failure counts if no reservation follows it: without one, it is not known whether the ledger takes changes again.
pub(super) const COUNTS: Duration = Duration::from_secs(60);

/// When the last reservation failed; `None` if it did not.
#[derive(Debug, Default)]
pub(super) struct RecentFailure(Mutex<Option<Instant>>);

impl RecentFailure {
    /// Records the result of a reservation. An error that affects one user does not show whether the ledger fails.
    pub(super) fn record<T>(&self, result: &Result<T, LedgerError>) {
        match result {
            Ok(_) => *self.lock() = None,
            Err(error) if error.affects_one_user() => {}
            Err(_) => *self.lock() = Some(Instant::now()),
        }
    }

    /// Whether the last reservation failed, and not too long ago.
    pub(super) fn is_failing(&self) -> bool {
        self.lock().is_some_and(|at| at.elapsed() < COUNTS)
    }

    fn lock(&self) -> MutexGuard<'_, Option<Instant>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
