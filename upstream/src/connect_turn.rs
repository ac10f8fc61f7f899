//! One attempt to connect at a time, while the upstream may choose HTTP/2: then the requests that wait share its
//! connection.

use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering},
};

use tokio::sync::{Mutex, OwnedMutexGuard};

/// Gives the turn to one request after the other.
#[derive(Debug)]
pub(crate) struct ConnectTurn {
    turn: Arc<Mutex<()>>,
    /// The upstream uses HTTP/1.1: each request needs a connection of its own.
    in_parallel: AtomicBool,
    /// Whether the last attempt failed. Those who waited for it try at once, so that a timeout is not waited for in turn.
    has_failed: AtomicBool,
}

/// The turn ends when it is dropped.
pub(crate) type TurnGuard = OwnedMutexGuard<()>;

/// Whether a request may connect.
#[derive(Debug)]
pub(crate) enum Turn {
    /// It may.
    Connect(Option<TurnGuard>),
    /// Another request has tried meanwhile: look for its connection, and connect if it has no free stream.
    Waited(TurnGuard),
}

impl ConnectTurn {
    pub(crate) fn new(in_parallel: bool) -> Self {
        Self { turn: Arc::default(), in_parallel: in_parallel.into(), has_failed: AtomicBool::new(false) }
    }

    pub(crate) async fn take(&self) -> Turn {
        if self.in_parallel.load(Ordering::Relaxed) {
            return Turn::Connect(None);
        }
        if let Ok(turn) = Arc::clone(&self.turn).try_lock_owned() {
            return Turn::Connect(Some(turn));
        }
        // The lock is fair: who gave it back to look for a connection would find it taken by the next one that waits.
        let turn = Arc::clone(&self.turn).lock_owned().await;
        let all_may = self.has_failed.load(Ordering::Relaxed) || self.in_parallel.load(Ordering::Relaxed);
        if all_may { Turn::Connect(None) } else { Turn::Waited(turn) }
    }

    /// Records the end of an attempt.
    pub(crate) fn ended(&self, has_failed: bool) {
        self.has_failed.store(has_failed, Ordering::Relaxed);
    }

    /// Records that the upstream chose HTTP/1.1.
    pub(crate) fn set_parallel(&self) {
        self.in_parallel.store(true, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What a request may do that waited for an attempt.
    async fn after_attempt(has_failed: bool) -> Turn {
        let turn: &'static ConnectTurn = Box::leak(Box::new(ConnectTurn::new(false)));
        let Turn::Connect(first @ Some(_)) = turn.take().await else { panic!("the first request connects") };
        let waiting = tokio::spawn(turn.take());
        tokio::task::yield_now().await;
        assert!(!waiting.is_finished());
        turn.ended(has_failed);
        drop(first);
        waiting.await.unwrap()
    }

    #[tokio::test]
    async fn one_attempt_at_a_time() {
        assert!(matches!(after_attempt(false).await, Turn::Waited(_)));
    }

    #[tokio::test]
    async fn all_who_waited_for_a_failed_attempt_connect() {
        assert!(matches!(after_attempt(true).await, Turn::Connect(None)));
    }

    #[tokio::test]
    async fn no_turns_over_http1() {
        let turn = ConnectTurn::new(false);
        turn.set_parallel();
        let _first = turn.take().await;
        assert!(matches!(turn.take().await, Turn::Connect(None)));
    }
}
