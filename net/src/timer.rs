//! A timer that costs little to poll again.

use std::{
    pin::{Pin, pin},
    task::{Context, Poll, Waker},
};

use tokio::{
    task::unconstrained,
    time::{Instant, Sleep, sleep_until},
};

/// A timer of tokio that is polled once for each task, and not at each poll of the future that it is part of.
#[derive(Debug)]
pub struct Timer {
    sleep: Pin<Box<Sleep>>,
    /// What the timer wakes.
    waker: Waker,
}

impl Timer {
    /// Creates the timer. It is not registered before it is polled.
    #[must_use]
    pub fn new(at: Instant) -> Self {
        Self { sleep: Box::pin(sleep_until(at)), waker: Waker::noop().clone() }
    }

    /// Returns ready once the time has come.
    pub fn poll(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        if self.wakes(cx) && !self.sleep.is_elapsed() {
            return Poll::Pending;
        }
        self.waker.clone_from(cx.waker());
        // Even if the task has had its turn: the timer is not polled again soon.
        pin!(unconstrained(self.sleep.as_mut())).poll(cx)
    }

    /// Returns whether the timer wakes this task.
    pub(crate) fn wakes(&self, cx: &Context<'_>) -> bool {
        self.waker.will_wake(cx.waker())
    }

    pub(crate) fn reset(&mut self, at: Instant) {
        self.sleep.as_mut().reset(at);
        // A timer that has fired wakes no task.
        self.waker.clone_from(Waker::noop());
    }
}

#[cfg(test)]
mod tests {
    use std::{future::poll_fn, time::Duration};

    use tokio::{
        task::coop::{consume_budget, has_budget_remaining},
        time::timeout,
    };

    use super::*;

    /// The first poll comes at the end of the task's turn, in which tokio's own futures do nothing.
    #[tokio::test(start_paused = true)]
    async fn wakes_a_task_without_budget() {
        let mut timer = Timer::new(Instant::now() + Duration::from_secs(1));
        let end = poll_fn(|cx| {
            while has_budget_remaining() {
                let _ = pin!(consume_budget()).poll(cx);
            }
            timer.poll(cx)
        });
        assert!(timeout(Duration::from_secs(60), end).await.is_ok());
    }
}
