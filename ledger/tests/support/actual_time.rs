//! What tests of a real database share: calls at the actual time, and waits.

use std::{
    sync::Arc,
    thread,
    time::{Duration, Instant},
};

use sparekey_ledger::{Clock, Ledger, LedgerError};
use sparekey_policy::{Outcome, Period, Timestamp};

use super::{User, budget};

pub fn tom(ledger: &Arc<dyn Ledger>) -> User {
    User::new(ledger, "Tom", budget(Period::Total, 1_000_000))
}

pub fn reserve(user: &User, id: u128, cents: i64) -> Result<Outcome, LedgerError> {
    let until = Clock::default().now().plus(Timestamp::HOUR);
    user.ledger.run(user.call(super::reserve(id, cents, until, user.ledger.process()))).wait()
}

/// Runs until it returns true, and returns the time that it took.
pub fn eventually(limit: Duration, mut is_true: impl FnMut() -> bool) -> Duration {
    let started = Instant::now();
    while !is_true() {
        assert!(started.elapsed() < limit, "not after {limit:?}");
        thread::sleep(Duration::from_millis(10));
    }
    started.elapsed()
}
