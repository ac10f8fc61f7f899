//! Several tries within a deadline.

use std::time::Duration;

use tokio::time::{Instant, sleep, timeout_at};

use super::failure::Failure;

/// Before the next try, doubled each time.
const PAUSE: Duration = Duration::from_millis(10);

/// The tries of a step, or of a page of rows.
pub(super) struct Tries {
    limit: Duration,
    deadline: Instant,
    pause: Duration,
}

/// Why a try failed.
pub(super) struct FailedTry {
    pub(super) failure: Failure,
    /// Whether the deadline passed.
    pub(super) is_late: bool,
}

impl Tries {
    /// Begins the time.
    pub(super) fn within(limit: Duration) -> Self {
        Self { limit, deadline: Instant::now() + limit, pause: PAUSE }
    }

    /// Runs one try, until the deadline.
    pub(super) async fn run<R>(&self, one: impl Future<Output = Result<R, Failure>>) -> Result<R, FailedTry> {
        let Ok(result) = timeout_at(self.deadline, one).await else {
            let failure = Failure::Unknown(format!("DynamoDB: no response within {:?}", self.limit));
            return Err(FailedTry { failure, is_late: true });
        };
        result.map_err(|failure| FailedTry { failure, is_late: false })
    }

    /// Waits for the next try. Returns whether there is one: the failure may pass, and there is time.
    pub(super) async fn next(&mut self, failure: &Failure) -> bool {
        if !failure.may_retry() || self.deadline.saturating_duration_since(Instant::now()) < self.pause {
            return false;
        }
        sleep(self.pause).await;
        self.pause *= 2;
        true
    }
}
