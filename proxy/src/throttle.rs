//! Log lines that clients or the upstream can cause at any rate.

use std::{
    collections::HashMap,
    hash::Hash,
    sync::{Mutex, PoisonError},
    time::Duration,
};

use tokio::time::Instant;

/// Between two lines of the same kind.
const INTERVAL: Duration = Duration::from_secs(60);
/// Kinds that are remembered.
const KINDS_MAX: usize = 32;

/// When each kind of line was last logged.
#[derive(Debug)]
pub struct Throttle<K>(Mutex<HashMap<K, Instant>>);

impl<K> Default for Throttle<K> {
    fn default() -> Self {
        Self(Mutex::default())
    }
}

impl<K: Eq + Hash> Throttle<K> {
    /// Returns whether a line of this kind is due; then it counts as logged.
    pub fn is_due(&self, kind: K) -> bool {
        let mut logged = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let now = Instant::now();
        logged.retain(|_, last| now.duration_since(*last) < INTERVAL);
        let is_due = logged.len() < KINDS_MAX && !logged.contains_key(&kind);
        if is_due {
            logged.insert(kind, now);
        }
        is_due
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn each_kind_once_a_minute() {
        let throttle = Throttle::default();
        assert!(throttle.is_due("a") && !throttle.is_due("a") && throttle.is_due("b"));
        tokio::time::advance(INTERVAL).await;
        assert!(throttle.is_due("a"));
    }
}
