//! Timers to use again.

use std::{
    mem,
    ops::{Deref, DerefMut},
    sync::{Arc, Mutex, PoisonError},
};

use sparekey_net::MovingDeadline;

/// Timers that are kept, at most: more would be memory that a burst of requests leaves behind.
const KEPT_MAX: usize = 64;

/// The timers that no request uses.
#[derive(Debug, Default)]
pub(crate) struct Timers(Mutex<Vec<MovingDeadline>>);

/// A timer, until it is dropped.
#[derive(Debug)]
pub(crate) struct Timer {
    deadline: MovingDeadline,
    timers: Arc<Timers>,
}

impl Timers {
    pub(crate) fn take(self: &Arc<Self>) -> Timer {
        let deadline = self.0.lock().unwrap_or_else(PoisonError::into_inner).pop().unwrap_or_default();
        Timer { deadline, timers: Arc::clone(self) }
    }
}

impl Deref for Timer {
    type Target = MovingDeadline;

    fn deref(&self) -> &MovingDeadline {
        &self.deadline
    }
}

impl DerefMut for Timer {
    fn deref_mut(&mut self) -> &mut MovingDeadline {
        &mut self.deadline
    }
}

impl Drop for Timer {
    fn drop(&mut self) {
        let mut kept = self.timers.0.lock().unwrap_or_else(PoisonError::into_inner);
        if kept.len() < KEPT_MAX {
            kept.push(mem::take(&mut self.deadline));
        }
    }
}
