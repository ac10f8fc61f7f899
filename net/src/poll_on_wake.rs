//! Two futures in one task: the second is polled only when it was woken itself.

use std::{
    pin::Pin,
    sync::{Arc, PoisonError},
    task::{Context, Poll, Wake, Waker},
};

#[cfg(not(sparekey_loom))]
use std::sync::{Mutex, MutexGuard};

#[cfg(sparekey_loom)]
use loom::sync::{Mutex, MutexGuard};

/// Polls a future only after it was woken, so that the frequent wake-ups of a task don't poll its rarely needed part.
#[derive(Debug)]
pub struct PollOnWake<F> {
    future: F,
    flag: Arc<WakeFlag>,
}

#[derive(Debug)]
struct WakeFlag(Mutex<State>);

#[derive(Debug)]
struct State {
    woken: bool,
    /// The task that polled last.
    task: Waker,
}

impl<F> PollOnWake<F> {
    /// Wraps a future. Its first poll always polls the future.
    #[must_use]
    pub fn new(future: F) -> Self {
        Self { future, flag: Arc::new(WakeFlag::new(true)) }
    }
}

impl<F: Future + Unpin> Future for PollOnWake<F> {
    type Output = F::Output;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<F::Output> {
        let this = &mut *self;
        if !this.flag.take(cx.waker()) {
            return Poll::Pending;
        }
        let waker = Waker::from(Arc::clone(&this.flag));
        Pin::new(&mut this.future).poll(&mut Context::from_waker(&waker))
    }
}

impl WakeFlag {
    fn new(woken: bool) -> Self {
        Self(Mutex::new(State { woken, task: Waker::noop().clone() }))
    }

    /// Returns whether there was a wake-up since the last call. The next one wakes `task`.
    fn take(&self, task: &Waker) -> bool {
        let mut state = self.state();
        state.task.clone_from(task);
        std::mem::take(&mut state.woken)
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Wake for WakeFlag {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        let mut state = self.state();
        state.woken = true;
        state.task.wake_by_ref();
    }
}

/// `RUSTFLAGS="--cfg sparekey_loom" cargo test --package sparekey-net --lib poll_on_wake`
#[cfg(all(test, sparekey_loom))]
mod every_interleaving {
    use loom::{
        sync::atomic::{AtomicBool, Ordering},
        thread,
    };

    use super::*;

    /// Stores whether it was woken.
    struct Task(AtomicBool);

    impl Wake for Task {
        fn wake(self: Arc<Self>) {
            self.0.store(true, Ordering::Release);
        }
    }

    #[test]
    fn no_wake_up_is_lost() {
        loom::model(|| {
            let flag = Arc::new(WakeFlag::new(false));
            let task = Arc::new(Task(AtomicBool::new(false)));
            let waker = Waker::from(Arc::clone(&task));
            let waking = {
                let flag = Arc::clone(&flag);
                thread::spawn(move || flag.wake_by_ref())
            };
            let seen = flag.take(&waker);
            waking.join().unwrap();
            // The task is polled again if it was woken, and sees the flag then.
            let seen_later = task.0.load(Ordering::Acquire) && flag.take(&waker);

            assert!(seen || seen_later);
        });
    }
}

#[cfg(all(test, not(sparekey_loom)))]
mod tests {
    use std::{
        future::poll_fn,
        sync::atomic::{AtomicUsize, Ordering},
    };

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
