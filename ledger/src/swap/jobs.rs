//! What callers ask a [`Worker`](super::Worker) for.

use std::{
    fmt,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
        mpsc,
    },
};

use sparekey_policy::{HoldId, Limits, Outcome};
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};

use crate::{
    call::Call,
    error::LedgerError,
    pending::{Pending, Reply},
    row::LedgerRow,
    waiting::WAITING_MAX,
};

/// What the worker is asked for.
pub(super) enum Job {
    Change(Call, Option<Reply<Outcome>>),
    Void {
        id: HoldId,
        limits: Arc<Limits>,
        reply: Reply<Outcome>,
    },
    Response {
        user: Arc<str>,
        response_id: Arc<str>,
        reply: Reply<Option<LedgerRow>>,
    },
    #[cfg(feature = "dynamodb")]
    Flush(Reply<()>),
    Close(mpsc::Sender<usize>),
}

/// The end of the callers.
#[derive(Clone)]
pub(crate) struct Jobs {
    tx: UnboundedSender<Job>,
    waiting: Arc<AtomicUsize>,
}

/// The end of the worker.
pub(crate) struct Received {
    rx: UnboundedReceiver<Job>,
    waiting: Arc<AtomicUsize>,
}

impl Jobs {
    pub(crate) fn new() -> (Self, Received) {
        let (tx, rx) = unbounded_channel();
        let waiting = Arc::default();
        (Self { tx, waiting: Arc::clone(&waiting) }, Received { rx, waiting })
    }

    /// Returns the number of jobs that wait for the worker.
    pub(crate) fn waiting(&self) -> usize {
        self.waiting.load(Ordering::Relaxed)
    }

    pub(crate) fn run(&self, call: Call) -> Pending<Outcome> {
        let waiting = self.waiting();
        if waiting >= WAITING_MAX && !call.must_be_stored() {
            return Pending::ready(Err(LedgerError::Overloaded(waiting)));
        }
        let undo = call.undo();
        let (reply, pending) = Pending::new();
        self.send(Job::Change(call, Some(reply)));
        let Some(undo) = undo else { return pending };
        let jobs = self.clone();
        pending.on_lost_grant(move || jobs.send(Job::Change(undo, None)))
    }

    pub(crate) fn void(&self, id: HoldId, limits: Arc<Limits>) -> Pending<Outcome> {
        let (reply, pending) = Pending::new();
        self.send(Job::Void { id, limits, reply });
        pending
    }

    /// In the user's queue: a client can refer to a response as soon as it has read it.
    pub(crate) fn response(&self, user: Arc<str>, response_id: Arc<str>) -> Pending<Option<LedgerRow>> {
        let (reply, pending) = Pending::new();
        self.send(Job::Response { user, response_id, reply });
        pending
    }

    /// Waits until each call so far was tried.
    #[cfg(feature = "dynamodb")]
    pub(crate) fn flush(&self) -> Pending<()> {
        let (reply, pending) = Pending::new();
        self.send(Job::Flush(reply));
        pending
    }

    /// Stores all calls that wait, and stops the worker. Returns the number of settles that could not be stored.
    pub(crate) fn close(&self) -> usize {
        let (done, closed) = mpsc::channel();
        self.send(Job::Close(done));
        closed.recv().unwrap_or(0)
    }

    /// A job that cannot be sent drops its reply, so that its caller gets [`LedgerError::Closed`].
    fn send(&self, job: Job) {
        self.waiting.fetch_add(1, Ordering::Relaxed);
        let _ = self.tx.send(job);
    }
}

impl Received {
    pub(super) async fn next(&mut self) -> Option<Job> {
        let job = self.rx.recv().await?;
        self.waiting.fetch_sub(1, Ordering::Relaxed);
        Some(job)
    }
}

impl fmt::Debug for Jobs {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Jobs").field("waiting", &self.waiting()).finish_non_exhaustive()
    }
}
