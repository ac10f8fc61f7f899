//! The worker of an engine: a queue per user, whose calls are decided together.

use std::{
    cell::{Cell, RefCell},
    collections::{HashMap, VecDeque},
    rc::Rc,
    sync::{Arc, mpsc},
    time::Duration,
};

use sparekey_policy::{Command, HoldId, Limits, Outcome};
#[cfg(feature = "dynamodb")]
use tokio::sync::oneshot;
use tokio::{
    sync::Notify,
    task,
    time::{sleep, timeout},
};

use super::{
    Failed, Scope, Store, Stored,
    jobs::{Job, Received},
    request::{Request, one},
    step::{Batch, Step},
};
use crate::{call::Call, error::LedgerError, event::Event, pending::Reply, waiting::KEPT_MAX};

/// States in memory, of some hundred bytes each.
const CACHED_MAX: usize = 10_000;

/// Before a settle is repeated whose user's state is held by another process, doubled each time. Another call of the user does
/// not wait longer than the first pause.
const RETRY: Duration = Duration::from_millis(20);
const RETRY_MAX: Duration = Duration::from_secs(1);

/// For what waits when the engine is closed.
const CLOSE: Duration = Duration::from_secs(3);

struct User<K> {
    queue: VecDeque<Request<K>>,
    /// Whether a task runs its queue.
    is_running: bool,
    cached: Option<Stored>,
    /// After the last step, if it failed.
    trouble: Option<Trouble>,
    /// Wakes the task for a call that is not repeated.
    pushed: Rc<Notify>,
}

/// What a step that failed means for the next one.
#[derive(Clone, Copy)]
struct Trouble {
    pause: Duration,
    /// Whether another session held the state.
    is_locked: bool,
}

/// The queues. It runs in a `LocalSet`.
pub(crate) struct Worker<S: Store> {
    pub(crate) store: Rc<S>,
    users: RefCell<HashMap<Arc<str>, User<S::Key>>>,
    /// Of all queues.
    queued: Cell<usize>,
}

impl<S: Store> Worker<S> {
    pub(crate) fn new(store: Rc<S>) -> Rc<Self> {
        Rc::new(Self { store, users: RefCell::default(), queued: Cell::new(0) })
    }

    /// Runs until it is closed. Returns the one who closed it, and the number of settles that are left.
    pub(crate) async fn serve(self: &Rc<Self>, mut jobs: Received) -> (Option<mpsc::Sender<usize>>, usize) {
        let mut closed = None;
        while let Some(job) = jobs.next().await {
            match job {
                Job::Change(call, reply) => self.push(call, reply),
                Job::Void { id, limits, reply } => drop(task::spawn_local(Rc::clone(self).void(id, limits, reply))),
                Job::Response { user, response_id, reply } => {
                    self.enqueue(&user, Request::Response { response_id, reply });
                }
                #[cfg(feature = "dynamodb")]
                Job::Flush(reply) => self.flush(reply),
                Job::Close(done) => {
                    closed = Some(done);
                    break;
                }
            }
        }
        // Calls after it fail.
        drop(jobs);
        (closed, self.drain().await)
    }

    pub(crate) fn push(self: &Rc<Self>, call: Call, reply: Option<Reply<Outcome>>) {
        let user = Arc::clone(&call.user);
        self.enqueue(&user, Request::Call { call: Box::new(call), reply, is_fence: false });
    }

    fn enqueue(self: &Rc<Self>, user: &Arc<str>, request: Request<S::Key>) {
        if !request.must_be_stored() {
            if let Some(error) = self.store.failure() {
                request.refuse(&error);
                return;
            }
        } else if self.queued.get() >= KEPT_MAX {
            self.report_lost(&request);
            request.refuse(&LedgerError::Overloaded(KEPT_MAX));
            return;
        }
        self.queued.set(self.queued.get() + 1);
        let mut users = self.users.borrow_mut();
        let entry = users.entry(Arc::clone(user)).or_default();
        if !request.must_be_stored() {
            entry.pushed.notify_waiters();
        }
        entry.queue.push_back(request);
        if !entry.is_running {
            entry.is_running = true;
            task::spawn_local(Rc::clone(self).run_user(Arc::clone(user)));
        }
    }

    /// Runs a user's queue until it is empty.
    async fn run_user(self: Rc<Self>, user: Arc<str>) {
        // Calls that were sent at the same time are decided together.
        task::yield_now().await;
        while let Some(batch) = self.take_batch(&user) {
            let (mut cached, last) = self
                .users
                .borrow_mut()
                .get_mut(&user)
                .map_or((None, None), |entry| (entry.cached.take(), entry.trouble));
            let waits_for_lock = last.is_some_and(|last| last.is_locked);
            let failed = self.run_batch(&user, batch, waits_for_lock, &mut cached).await;
            let trouble = failed.map(|scope| Trouble {
                pause: last.map_or(RETRY, |last| (2 * last.pause).min(RETRY_MAX)),
                is_locked: scope == Scope::LockedUser,
            });
            if let Some(entry) = self.users.borrow_mut().get_mut(&user) {
                entry.cached = cached;
                entry.trouble = trouble;
            }
            if self.store.failure().is_some() {
                self.store.restored().await;
            } else if let Some(trouble) = trouble {
                self.pause(&user, trouble.pause).await;
            }
        }
    }

    /// Waits before a settle is repeated. Where a caller waits, the pause is short.
    async fn pause(&self, user: &Arc<str>, pause: Duration) {
        sleep(RETRY).await;
        let pushed = {
            let users = self.users.borrow();
            let Some(entry) = users.get(user) else { return };
            if !entry.queue.iter().all(Request::must_be_stored) {
                return;
            }
            Rc::clone(&entry.pushed)
        };
        let _ = timeout(pause.saturating_sub(RETRY), pushed.notified()).await;
    }

    /// Takes calls from the front of the queue, or another request alone.
    fn take_batch(&self, user: &Arc<str>) -> Option<Vec<Request<S::Key>>> {
        let mut users = self.users.borrow_mut();
        let entry = users.get_mut(user)?;
        let mut batch = Vec::new();
        while batch.len() < S::BATCH_MAX && entry.queue.front().is_some_and(|next| next.is_call() || batch.is_empty()) {
            let Some(request) = entry.queue.pop_front() else { break };
            let is_alone = !request.is_call();
            batch.push(request);
            if is_alone {
                break;
            }
        }
        self.queued.set(self.queued.get().saturating_sub(batch.len()));
        if !batch.is_empty() {
            return Some(batch);
        }
        entry.is_running = false;
        entry.trouble = None;
        if users.len() > CACHED_MAX {
            users.retain(|_, user| user.is_running);
        }
        None
    }

    /// Returns what its failure affects, if it failed.
    async fn run_batch(
        self: &Rc<Self>,
        user: &Arc<str>,
        batch: Vec<Request<S::Key>>,
        waits_for_lock: bool,
        cached: &mut Option<Stored>,
    ) -> Option<Scope> {
        let batch = match one(batch) {
            Ok(Request::Response { response_id, reply }) => {
                let row = self.store.response(user, &response_id).await;
                let _ = reply.send(row);
                return None;
            }
            #[cfg(feature = "dynamodb")]
            Ok(Request::Mark { .. }) => return None,
            Ok(request) => vec![request],
            Err(batch) => batch,
        };
        let result = {
            let calls = Batch::of(&batch);
            let step = Step::new(self.store.clock(), user, &calls, waits_for_lock);
            self.store.run(step, cached).await
        };
        let mut failed = match result {
            Ok(done) => {
                if done.is_clock_back {
                    self.store.events().send(Event::ClockBack { user: Arc::clone(user) });
                }
                for (request, outcome) in batch.into_iter().zip(done.outcomes) {
                    self.reply(user, request, outcome);
                }
                return None;
            }
            Err(failed) => failed,
        };
        // Each alone, so that only the one that fails is refused.
        if batch.len() > 1 && failed.scope == Scope::Call {
            for request in batch {
                Box::pin(self.run_batch(user, vec![request], waits_for_lock, cached)).await;
            }
            return Some(Scope::Call);
        }
        if failed.error == LedgerError::Busy {
            failed.error = LedgerError::UserBusy(Arc::clone(user));
        }
        if failed.scope == Scope::Database {
            self.store.trip(failed.error.clone());
        } else {
            self.store.events().send(Event::Failed(failed.error.clone()));
        }
        self.refuse(user, batch, &failed);
        Some(failed.scope)
    }

    /// Replies. A grant whose caller is gone is settled at zero.
    fn reply(self: &Rc<Self>, user: &Arc<str>, request: Request<S::Key>, outcome: Result<Outcome, LedgerError>) {
        let (undo, reply) = match request {
            Request::Call { call, reply, .. } => (call.undo(), reply),
            Request::Void { reply, .. } => (None, Some(reply)),
            Request::Response { .. } => return,
            #[cfg(feature = "dynamodb")]
            Request::Mark { .. } => return,
        };
        if let Some(reply) = reply
            && let Err(Ok(Outcome::Granted { .. })) = reply.send(outcome)
            && let Some(undo) = undo
        {
            self.enqueue(user, Request::settle(undo, false));
        }
    }

    /// Settles are kept, in their order. Of other calls the caller gets the error, also of those that wait behind them: they
    /// would fail too, each after a wait. A reservation that may be stored is settled at zero.
    fn refuse(self: &Rc<Self>, user: &Arc<str>, batch: Vec<Request<S::Key>>, failed: &Failed) {
        let Failed { error, is_ambiguous, scope } = failed;
        let is_of_one_call = *scope == Scope::Call;
        let mut kept = VecDeque::new();
        for request in batch {
            if request.must_be_stored() {
                if !is_of_one_call {
                    kept.push_back(request);
                    continue;
                }
                self.report_lost(&request);
            }
            if *is_ambiguous && let Some(undo) = request.undo() {
                kept.push_back(Request::settle(undo, true));
            }
            request.refuse(error);
        }
        // The breaker is open for all users, so what waits of the others fails too.
        let is_of_all = self.store.failure().is_some();
        let mut users = self.users.borrow_mut();
        let mut count = self.queued.get() + kept.len();
        for (name, entry) in users.iter_mut() {
            if (is_of_all || name == user) && !is_of_one_call {
                let (settles, others): (Vec<_>, Vec<_>) =
                    std::mem::take(&mut entry.queue).into_iter().partition(Request::must_be_stored);
                count -= others.len();
                for request in others {
                    request.refuse(error);
                }
                entry.queue = settles.into();
            }
        }
        if let Some(entry) = users.get_mut(user) {
            kept.append(&mut entry.queue);
            entry.queue = kept;
        }
        self.queued.set(count);
    }

    fn report_lost(&self, request: &Request<S::Key>) {
        if let Request::Call { call, .. } = request
            && let Command::Settle { id, .. } = call.command
        {
            self.store.events().send(Event::SettleLost { user: Arc::clone(&call.user), id });
        }
    }

    /// Finds the row, and makes it void in its user's queue.
    async fn void(self: Rc<Self>, id: HoldId, limits: Arc<Limits>, reply: Reply<Outcome>) {
        match self.store.find(id).await {
            Ok(Some((key, user))) => self.enqueue(&user, Request::Void { key, id, limits, reply }),
            Ok(None) => drop(reply.send(Ok(Outcome::Unknown))),
            Err(error) => drop(reply.send(Err(error))),
        }
    }

    #[cfg(feature = "dynamodb")]
    fn flush(self: &Rc<Self>, reply: Reply<()>) {
        let running: Vec<_> = {
            let users = self.users.borrow();
            users.iter().filter(|(_, user)| user.is_running).map(|(name, _)| Arc::clone(name)).collect()
        };
        let mut marks = Vec::new();
        for user in running {
            let (passed, mark) = oneshot::channel();
            self.enqueue(&user, Request::Mark { _passed: passed });
            marks.push(mark);
        }
        task::spawn_local(async move {
            for mark in marks {
                // An error is the drop for which it waits.
                let _ = mark.await;
            }
            let _ = reply.send(Ok(()));
        });
    }

    /// Waits until all queues are empty, and returns the number of settles that are left.
    async fn drain(&self) -> usize {
        let all = async {
            while self.users.borrow().values().any(|user| user.is_running) {
                sleep(Duration::from_millis(5)).await;
            }
        };
        let _ = timeout(CLOSE, all).await;
        let mut users = self.users.borrow_mut();
        let left = users.values_mut().flat_map(|user| user.queue.drain(..));
        left.filter(Request::must_be_stored).inspect(|request| self.report_lost(request)).count()
    }
}

impl<K> Default for User<K> {
    fn default() -> Self {
        Self { queue: VecDeque::new(), is_running: false, cached: None, trouble: None, pushed: Rc::default() }
    }
}
