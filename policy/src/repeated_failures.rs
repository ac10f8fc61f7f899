//! Pauses a user whose requests fail repeatedly after they were sent. Most agents repeat a 502 or 504 up to 30 times, and each
//! one is charged.

use std::{collections::HashMap, sync::Arc, time::Duration};

use crate::timestamp::Timestamp;

/// So many failures within [`WINDOW`] pause the user.
const FAILURES: usize = 5;
/// In microseconds.
const WINDOW: i64 = Timestamp::MINUTE;
/// Agents wait for a `retry-after` of this length. In microseconds.
const PAUSE: i64 = 20 * Timestamp::SECOND;

/// The last failures, by user. `now` is the time of a clock that is never set back.
#[derive(Debug, Default)]
pub struct RepeatedFailures(HashMap<Arc<str>, Failures>);

#[derive(Debug, Default)]
struct Failures {
    /// At most [`FAILURES`].
    last: Vec<Timestamp>,
    paused_until: Option<Timestamp>,
}

impl RepeatedFailures {
    /// Adds a request that failed and was charged by an estimate.
    pub fn add(&mut self, user: &Arc<str>, now: Timestamp) {
        self.0.retain(|_, failures| failures.is_recent(now));
        let failures = self.0.entry(Arc::clone(user)).or_default();
        failures.last.retain(|at| now.since(*at) < WINDOW);
        failures.last.push(now);
        if failures.last.len() >= FAILURES {
            failures.last.clear();
            failures.paused_until = Some(now.plus(PAUSE));
        }
    }

    /// Returns how long a user is paused; `None` if it is not.
    #[must_use]
    pub fn wait(&self, user: &str, now: Timestamp) -> Option<Duration> {
        let wait = now.until(self.0.get(user)?.paused_until?);
        (!wait.is_zero()).then_some(wait)
    }
}

impl Failures {
    fn is_recent(&self, now: Timestamp) -> bool {
        self.paused_until.is_some_and(|until| until > now) || self.last.last().is_some_and(|at| now.since(*at) < WINDOW)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn five_within_a_minute() {
        let [tom, ann] = ["Tom", "Ann"].map(Arc::from);
        let mut failures = RepeatedFailures::default();
        let mut now = Timestamp::default();
        for _ in 0..4 {
            failures.add(&tom, now);
            now = now.plus(14 * Timestamp::SECOND);
        }
        assert_eq!(failures.wait(&tom, now), None);
        failures.add(&tom, now);
        let pause = Duration::from_secs(20);
        assert_eq!((failures.wait(&tom, now), failures.wait(&ann, now)), (Some(pause), None));
        now = now.plus(PAUSE);
        assert_eq!(failures.wait(&tom, now), None);
        for _ in 0..8 {
            failures.add(&tom, now);
            now = now.plus(15 * Timestamp::SECOND);
        }
        assert_eq!(failures.wait(&tom, now), None, "four within a minute");
    }
}
