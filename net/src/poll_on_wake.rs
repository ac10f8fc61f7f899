//! Two futures in one task: the second is polled only when it was woken itself.

use std::{
    pin::Pin,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    task::{Context, Poll, Wake, Waker},
};

/// Polls a future only after it was woken, so that the frequent wake-ups of a task don't poll its rarely needed part.
#[derive(Debug)]
pub struct PollOnWake<F> {
    future: F,
    flag: Arc<WakeFlag>,
}

#[derive(Debug)]
struct WakeFlag {
    woken: AtomicBool,
    /// The task that polled last.
    task: Mutex<Waker>,
}

impl<F> PollOnWake<F> {
    /// Wraps a future. Its first poll always polls the future.
    #[must_use]
    pub fn new(future: F) -> Self {
        Self {
            future,
            flag: Arc::new(WakeFlag { woken: AtomicBool::new(true), task: Mutex::new(Waker::noop().clone()) }),
        }
    }
}

impl<F: Future + Unpin> Future for PollOnWake<F> {
    type Output = F::Output;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<F::Output> {
        let this = &mut *self;
        // Stored before the flag is read, so that a later wake-up reaches this task.
        this.flag.task().clone_from(cx.waker());
        if !this.flag.woken.swap(false, Ordering::AcqRel) {
            return Poll::Pending;
        }
        let waker = Waker::from(Arc::clone(&this.flag));
        Pin::new(&mut this.future).poll(&mut Context::from_waker(&waker))
    }
}

impl WakeFlag {
    fn task(&self) -> MutexGuard<'_, Waker> {
        self.task.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Wake for WakeFlag {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        self.woken.store(true, Ordering::Release);
        self.task().wake_by_ref();
    }
}

#[cfg(test)]
mod tests {
    use std::{future::poll_fn, sync::atomic::AtomicUsize};

    use super::*;

    /// Counts its wake-ups.
    #[derive(Default)]
    struct Task(AtomicUsize);

    impl Wake for Task {
        fn wake(self: Arc<Self>) {
            self.0.fetch_add(1, Ordering::Relaxed);
        }
    }

    #[test]
    fn polls_only_after_a_wake_up() {
        let (polls, waker) = (AtomicUsize::new(0), Mutex::new(Waker::noop().clone()));
        let mut future = PollOnWake::new(poll_fn(|cx| {
            waker.lock().unwrap().clone_from(cx.waker());
            if polls.fetch_add(1, Ordering::Relaxed) < 2 { Poll::Pending } else { Poll::Ready(()) }
        }));
        let tasks = [Arc::new(Task::default()), Arc::new(Task::default())];
        let woken = || tasks.each_ref().map(|task| task.0.load(Ordering::Relaxed));
        let mut poll = |task: usize| {
            let waker = Waker::from(Arc::clone(&tasks[task]));
            let ready = Pin::new(&mut future).poll(&mut Context::from_waker(&waker)).is_ready();
            (ready, polls.load(Ordering::Relaxed))
        };
        let wake = || waker.lock().unwrap().wake_by_ref();

        assert_eq!(poll(0), (false, 1), "the first poll");
        assert_eq!(poll(0), (false, 1));
        wake();
        assert_eq!((woken(), poll(0)), ([1, 0], (false, 2)));
        // The last task that polled is woken.
        assert_eq!(poll(1), (false, 2));
        wake();
        assert_eq!((woken(), poll(1)), ([1, 1], (true, 3)));
    }
}
