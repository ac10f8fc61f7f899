//! A timer for waits that are short and many: it is set once and then moved only when it runs out.

use std::{
    pin::Pin,
    task::{Context, Poll, Waker},
};

use tokio::time::{Instant, Sleep, sleep_until};

/// Tells when an instant has passed that moves all the time, mostly ahead.
#[derive(Debug, Default)]
pub(crate) struct Timer(Option<Set>);

#[derive(Debug)]
struct Set {
    sleep: Pin<Box<Sleep>>,
    /// When that ends. Here, for the other is seldom looked at, and far off.
    at: Instant,
    /// Whom it wakes.
    task: Waker,
}

impl Timer {
    /// Ready once the deadline has passed.
    pub(crate) fn poll(&mut self, now: Instant, deadline: Instant, cx: &mut Context<'_>) -> Poll<()> {
        let set = self.0.get_or_insert_with(|| Set {
            sleep: Box::pin(sleep_until(deadline)),
            at: deadline,
            task: Waker::noop().clone(),
        });
        if now < set.at && set.at <= deadline && set.task.will_wake(cx.waker()) {
            return Poll::Pending;
        }
        set.task.clone_from(cx.waker());
        if deadline < set.at {
            set.reset(deadline);
        }
        while set.sleep.as_mut().poll(cx).is_ready() {
            if deadline <= Instant::now() {
                return Poll::Ready(());
            }
            set.reset(deadline);
        }
        Poll::Pending
    }
}

impl Set {
    fn reset(&mut self, deadline: Instant) {
        self.at = deadline;
        self.sleep.as_mut().reset(deadline);
    }
}

#[cfg(test)]
mod tests {
    use std::{future::poll_fn, time::Duration};

    use tokio::time::{pause, timeout};

    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    /// Waits for the first deadline, then, without being woken between, for the second; tells how many seconds passed.
    /// The clock jumps to whatever timer is next.
    async fn wait(first: u32, second: u32) -> u64 {
        pause();
        let (mut timer, begin) = (Timer::default(), Instant::now());
        let passed = poll_fn(|cx| {
            let mut poll = |seconds| timer.poll(Instant::now(), begin + seconds * SECOND, cx);
            if begin.elapsed().is_zero() && poll(first).is_ready() { Poll::Ready(()) } else { poll(second) }
        });
        timeout(60 * SECOND, passed).await.expect("it passes");
        begin.elapsed().as_secs()
    }

    #[tokio::test]
    async fn it_follows_a_deadline_that_moves_ahead() {
        assert_eq!(wait(3, 9).await, 9);
    }

    #[tokio::test]
    async fn it_follows_a_deadline_that_moves_back() {
        assert_eq!(wait(9, 3).await, 3);
    }

    #[tokio::test]
    async fn it_wakes_whoever_asked_last() {
        pause();
        let (mut timer, begin) = (Timer::default(), Instant::now());
        let mut poll = |cx: &mut Context<'_>| timer.poll(Instant::now(), begin + SECOND, cx);
        assert!(poll(&mut Context::from_waker(Waker::noop())).is_pending());
        timeout(60 * SECOND, poll_fn(poll)).await.expect("it passes");
        assert_eq!(begin.elapsed().as_secs(), 1);
    }
}
