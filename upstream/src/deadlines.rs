//! Deadlines that are used again with their timers, which are expensive to create.

use std::{
    mem,
    ops::{Deref, DerefMut},
    sync::{Arc, Mutex, PoisonError},
};

use sparekey_net::MovingDeadline;

/// Deadlines that are kept, at most: more would be memory that a burst of requests leaves behind.
const KEPT_MAX: usize = 64;

/// The deadlines that no request uses.
#[derive(Debug, Default)]
pub(crate) struct Deadlines(Mutex<Vec<MovingDeadline>>);

/// A deadline that returns to the others when it is dropped.
#[derive(Debug)]
pub(crate) struct ReusedDeadline {
    deadline: MovingDeadline,
    all: Arc<Deadlines>,
}

impl Deadlines {
    pub(crate) fn take(self: &Arc<Self>) -> ReusedDeadline {
        let deadline = self.0.lock().unwrap_or_else(PoisonError::into_inner).pop().unwrap_or_default();
        ReusedDeadline { deadline, all: Arc::clone(self) }
    }
}

impl Deref for ReusedDeadline {
    type Target = MovingDeadline;

    fn deref(&self) -> &MovingDeadline {
        &self.deadline
    }
}

impl DerefMut for ReusedDeadline {
    fn deref_mut(&mut self) -> &mut MovingDeadline {
        &mut self.deadline
    }
}

impl Drop for ReusedDeadline {
    fn drop(&mut self) {
        let mut kept = self.all.0.lock().unwrap_or_else(PoisonError::into_inner);
        if kept.len() < KEPT_MAX {
            kept.push(mem::take(&mut self.deadline));
        }
    }
}
