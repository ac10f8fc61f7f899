//! Pauses a user whose requests fail repeatedly after they were sent. Most agents repeat a 502 or 504 up to 30 times, and each
//! one is charged.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use tokio::time::Instant;

/// So many failures within [`WINDOW`] pause the user.
const FAILURES: usize = 5;
const WINDOW: Duration = Duration::from_secs(60);
/// Agents wait for a `retry-after` of this length.
const PAUSE: Duration = Duration::from_secs(20);

/// The last failures, by user.
#[derive(Debug, Default)]
pub(super) struct RepeatedFailures(Mutex<HashMap<Arc<str>, Failures>>);

#[derive(Debug, Default)]
struct Failures {
    /// At most [`FAILURES`].
    last: Vec<Instant>,
    paused_until: Option<Instant>,
}

impl RepeatedFailures {
    /// Adds a request that was charged by an estimate.
    pub(super) fn add(&self, user: &Arc<str>) {
        let now = Instant::now();
        let mut users = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        users.retain(|_, failures| failures.is_recent(now));
        let failures = users.entry(Arc::clone(user)).or_default();
        failures.last.retain(|at| now.duration_since(*at) < WINDOW);
        failures.last.push(now);
        if failures.last.len() >= FAILURES {
            failures.last.clear();
            failures.paused_until = Some(now + PAUSE);
        }
    }

    /// How long a user is paused; `None` if it is not.
    pub(super) fn wait(&self, user: &str) -> Option<Duration> {
        let users = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let wait = users.get(user)?.paused_until?.saturating_duration_since(Instant::now());
        (!wait.is_zero()).then_some(wait)
    }
}

impl Failures {
    fn is_recent(&self, now: Instant) -> bool {
        self.paused_until.is_some_and(|until| until > now)
            || self.last.last().is_some_and(|at| now.duration_since(*at) < WINDOW)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn five_within_a_minute() {
        let [tom, ann] = ["Tom", "Ann"].map(Arc::from);
        let failures = RepeatedFailures::default();
        for _ in 0..4 {
            failures.add(&tom);
            tokio::time::advance(Duration::from_secs(14)).await;
        }
        assert_eq!(failures.wait(&tom), None);
        failures.add(&tom);
        assert_eq!((failures.wait(&tom), failures.wait(&ann)), (Some(PAUSE), None));
        tokio::time::advance(PAUSE).await;
        assert_eq!(failures.wait(&tom), None);
        for _ in 0..8 {
            failures.add(&tom);
            tokio::time::advance(Duration::from_secs(15)).await;
        }
        assert_eq!(failures.wait(&tom), None, "four within a minute");
    }
}
