//! A future beside another in one task: polled only when it asked for it, not whenever the other moves.

use std::{
    pin::Pin,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    task::{Context, Poll, Wake, Waker},
};

/// Polls a future only after it was woken. A task that is woken for what it mostly does then doesn't pay for what it
/// seldom has to do.
#[derive(Debug)]
pub struct Aside<F> {
    future: F,
    bell: Arc<Bell>,
}

#[derive(Debug)]
struct Bell {
    rung: AtomicBool,
    /// Who is to be woken.
    task: Mutex<Waker>,
}

impl<F> Aside<F> {
    /// Beside whatever else the task does.
    #[must_use]
    pub fn new(future: F) -> Self {
        Self { future, bell: Arc::new(Bell { rung: AtomicBool::new(true), task: Mutex::new(Waker::noop().clone()) }) }
    }
}

impl<F: Future + Unpin> Future for Aside<F> {
    type Output = F::Output;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<F::Output> {
        let this = &mut *self;
        // Before the bell is looked at: who rings later wakes this task.
        this.bell.task().clone_from(cx.waker());
        if !this.bell.rung.swap(false, Ordering::AcqRel) {
            return Poll::Pending;
        }
        let waker = Waker::from(Arc::clone(&this.bell));
        Pin::new(&mut this.future).poll(&mut Context::from_waker(&waker))
    }
}

impl Bell {
    fn task(&self) -> MutexGuard<'_, Waker> {
        self.task.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Wake for Bell {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        self.rung.store(true, Ordering::Release);
        self.task().wake_by_ref();
    }
}

#[cfg(test)]
mod tests {
    use std::{future::poll_fn, sync::atomic::AtomicUsize};

    use super::*;

    /// Counts how often it is woken.
    #[derive(Default)]
    struct Task(AtomicUsize);

    impl Wake for Task {
        fn wake(self: Arc<Self>) {
            self.0.fetch_add(1, Ordering::Relaxed);
        }
    }

    #[test]
    fn it_is_polled_when_woken_and_only_then() {
        let (polls, asked) = (AtomicUsize::new(0), Mutex::new(Waker::noop().clone()));
        let mut aside = Aside::new(poll_fn(|cx| {
            asked.lock().unwrap().clone_from(cx.waker());
            if polls.fetch_add(1, Ordering::Relaxed) < 2 { Poll::Pending } else { Poll::Ready(()) }
        }));
        let tasks = [Arc::new(Task::default()), Arc::new(Task::default())];
        let woken = || tasks.each_ref().map(|task| task.0.load(Ordering::Relaxed));
        let mut poll = |task: usize| {
            let waker = Waker::from(Arc::clone(&tasks[task]));
            let ready = Pin::new(&mut aside).poll(&mut Context::from_waker(&waker)).is_ready();
            (ready, polls.load(Ordering::Relaxed))
        };
        let ring = || asked.lock().unwrap().wake_by_ref();

        assert_eq!(poll(0), (false, 1), "nobody wakes what was never polled");
        assert_eq!(poll(0), (false, 1));
        ring();
        assert_eq!((woken(), poll(0)), ([1, 0], (false, 2)));
        // Whoever polled last is woken, polled or not.
        assert_eq!(poll(1), (false, 2));
        ring();
        assert_eq!((woken(), poll(1)), ([1, 1], (true, 3)));
    }
}
