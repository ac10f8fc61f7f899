//! A timer for many short waits: tokio's timer is reset only when it fires, not at each wait.

use std::{
    pin::{Pin, pin},
    task::{Context, Poll, Waker},
};

use tokio::{
    task::unconstrained,
    time::{Instant, Sleep, sleep_until},
};

/// Waits for a deadline that moves at nearly every poll, mostly forwards. It may be used again for another wait, even of
/// another task: its timer in the runtime stays as it is, so no new one is registered.
#[derive(Debug, Default)]
pub struct MovingDeadline(Option<Armed>);

#[derive(Debug)]
struct Armed {
    sleep: Pin<Box<Sleep>>,
    /// When `sleep` fires. A copy, because `sleep` is in another cache line.
    at: Instant,
    /// The waker that `sleep` wakes.
    waker: Waker,
}

impl MovingDeadline {
    /// Returns ready once the deadline has passed. `now` is the current time, which most callers have read already.
    pub fn poll(&mut self, now: Instant, deadline: Instant, cx: &mut Context<'_>) -> Poll<()> {
        let armed = self.0.get_or_insert_with(|| Armed {
            sleep: Box::pin(sleep_until(deadline)),
            at: deadline,
            waker: Waker::noop().clone(),
        });
        if now < armed.at && armed.at <= deadline && armed.waker.will_wake(cx.waker()) {
            return Poll::Pending;
        }
        armed.waker.clone_from(cx.waker());
        if deadline < armed.at {
            armed.reset(deadline);
        }
        // Even if the task has had its turn: the timer is not polled again soon.
        while pin!(unconstrained(armed.sleep.as_mut())).poll(cx).is_ready() {
            if deadline <= Instant::now() {
                return Poll::Ready(());
            }
            armed.reset(deadline);
        }
        Poll::Pending
    }
}

impl Armed {
    fn reset(&mut self, deadline: Instant) {
        self.at = deadline;
        self.sleep.as_mut().reset(deadline);
    }
}

#[cfg(test)]
mod tests {
    use std::{future::poll_fn, time::Duration};

    use tokio::{
        task::coop::{consume_budget, has_budget_remaining},
        time::{pause, timeout},
    };

    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    /// Polls with the first deadline, then with the second, and returns the seconds that passed. The paused clock jumps
    /// to the next timer.
    async fn wait(first: u32, second: u32) -> u64 {
        pause();
        let (mut timer, start) = (MovingDeadline::default(), Instant::now());
        let passed = poll_fn(|cx| {
            let mut poll = |seconds| timer.poll(Instant::now(), start + seconds * SECOND, cx);
            if start.elapsed().is_zero() && poll(first).is_ready() { Poll::Ready(()) } else { poll(second) }
        });
        timeout(60 * SECOND, passed).await.expect("the deadline passes");
        start.elapsed().as_secs()
    }

    #[tokio::test]
    async fn deadline_moves_forwards() {
        assert_eq!(wait(3, 9).await, 9);
    }

    #[tokio::test]
    async fn deadline_moves_backwards() {
        assert_eq!(wait(9, 3).await, 3);
    }

    /// The first poll comes at the end of the task's turn, in which tokio's own futures do nothing.
    #[tokio::test]
    async fn wakes_a_task_without_budget() {
        pause();
        let (mut timer, start) = (MovingDeadline::default(), Instant::now());
        let passed = poll_fn(|cx| {
            while has_budget_remaining() {
                let _ = pin!(consume_budget()).poll(cx);
            }
            timer.poll(Instant::now(), start + SECOND, cx)
        });
        timeout(60 * SECOND, passed).await.expect("the deadline passes");
        assert_eq!(start.elapsed().as_secs(), 1);
    }

    #[tokio::test]
    async fn wakes_the_last_waker() {
        pause();
        let (mut timer, start) = (MovingDeadline::default(), Instant::now());
        let mut poll = |cx: &mut Context<'_>| timer.poll(Instant::now(), start + SECOND, cx);
        assert!(poll(&mut Context::from_waker(Waker::noop())).is_pending());
        timeout(60 * SECOND, poll_fn(poll)).await.expect("the deadline passes");
        assert_eq!(start.elapsed().as_secs(), 1);
    }
}
