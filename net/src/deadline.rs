//! A timer for many short waits: tokio's timer is reset only when it fires, not at each wait.

use std::task::{Context, Poll};

use tokio::time::Instant;

use crate::timer::Timer;

/// Waits for a deadline that moves at nearly every poll, mostly forwards. It may be used again for another wait, even of
/// another task: its timer in the runtime stays as it is, so no new one is registered.
#[derive(Debug, Default)]
pub struct MovingDeadline(Option<Armed>);

#[derive(Debug)]
struct Armed {
    timer: Timer,
    /// When the timer fires. A copy, because tokio's is in another cache line.
    at: Instant,
}

impl MovingDeadline {
    /// Returns ready once the deadline has passed. `now` is the current time, which most callers have read already.
    pub fn poll(&mut self, now: Instant, deadline: Instant, cx: &mut Context<'_>) -> Poll<()> {
        let armed = self.0.get_or_insert_with(|| Armed { timer: Timer::new(deadline), at: deadline });
        if now < armed.at && armed.at <= deadline && armed.timer.wakes(cx) {
            return Poll::Pending;
        }
        if deadline < armed.at {
            armed.reset(deadline);
        }
        while armed.timer.poll(cx).is_ready() {
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
        self.timer.reset(deadline);
    }
}

#[cfg(test)]
mod tests {
    use std::{future::poll_fn, task::Waker, time::Duration};

    use tokio::time::{pause, timeout};

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
