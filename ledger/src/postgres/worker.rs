//! The thread of the engine: a queue per user, whose calls are decided together.

use std::{
    cell::{Cell, RefCell},
    collections::{HashMap, VecDeque},
    rc::Rc,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use sparekey_policy::{Command, HoldId, Limits, Outcome, ProcessId, Zone};
use tokio::{
    sync::{mpsc::UnboundedReceiver, oneshot},
    task,
    time::{sleep, timeout},
};

use super::{
    Options,
    failure::Failure,
    pool::{Pool, STEP},
    process::{self, Processes},
    query,
    session::Stored,
    step::{self, Batch},
    target::Target,
};
use crate::{call::Call, error::LedgerError, event::Event, pending::Reply, row::LedgerRow};

/// Calls of one swap. Each adds at most some rows to its statement.
const BATCH_MAX: usize = 64;

/// Calls that wait, settles included. A settle beyond it is dropped, and its hold is charged in full at its end.
const KEPT_MAX: usize = 65_536;

/// States in memory, of some hundred bytes each.
const CACHED_MAX: usize = 10_000;

/// Before a settle is repeated whose user's row is held by another session.
const RETRY: Duration = Duration::from_millis(20);

/// For what waits when the engine is closed.
const CLOSE: Duration = Duration::from_secs(3);

/// What the thread is asked for.
pub(super) enum Job {
    Change(Call, Option<Reply<Outcome>>),
    Void { id: HoldId, limits: Arc<Limits>, reply: Reply<Outcome> },
    Response { user: Arc<str>, response_id: Arc<str>, reply: Reply<Option<LedgerRow>> },
    Close(std::sync::mpsc::Sender<usize>),
}

/// An entry of a user's queue.
enum Request {
    Call { call: Box<Call>, reply: Option<Reply<Outcome>>, is_fence: bool },
    Void { row: (i64, i64), id: HoldId, limits: Arc<Limits>, reply: Reply<Outcome> },
    Response { response_id: Arc<str>, reply: Reply<Option<LedgerRow>> },
}

#[derive(Default)]
struct User {
    queue: VecDeque<Request>,
    /// Whether a task runs its queue.
    is_running: bool,
    cached: Option<Stored>,
}

pub(super) struct Worker {
    pub(super) options: Options,
    pub(super) target: Rc<Target>,
    pub(super) process: ProcessId,
    pub(super) pool: Rc<Pool>,
    users: RefCell<HashMap<Arc<str>, User>>,
    waiting: Arc<AtomicUsize>,
    /// Of all queues.
    queued: Cell<usize>,
}

impl Worker {
    pub(super) fn new(target: Target, options: Options, process: ProcessId, waiting: Arc<AtomicUsize>) -> Rc<Self> {
        let target = Rc::new(target);
        let pool = Pool::new(Rc::clone(&target), process, options.connections, options.events.clone());
        let (users, queued) = (RefCell::default(), Cell::new(0));
        Rc::new(Self { options, target, process, pool, users, waiting, queued })
    }

    /// Runs until it is closed.
    pub(super) async fn run(self: Rc<Self>, mut jobs: UnboundedReceiver<Job>, processes: Processes) {
        let keep = task::spawn_local(processes.keep(Rc::clone(&self)));
        let mut closed = None;
        while let Some(job) = jobs.recv().await {
            self.waiting.fetch_sub(1, Ordering::Relaxed);
            match job {
                Job::Change(call, reply) => self.push(call, reply),
                Job::Void { id, limits, reply } => drop(task::spawn_local(Rc::clone(&self).void(id, limits, reply))),
                Job::Response { user, response_id, reply } => {
                    self.enqueue(&user, Request::Response { response_id, reply });
                }
                Job::Close(done) => {
                    closed = Some(done);
                    break;
                }
            }
        }
        // Calls after it fail.
        drop(jobs);
        let unsettled = self.drain().await;
        keep.abort();
        // Fails if the database does not work: another process charges the holds then.
        let _ = timeout(CLOSE, process::end(&self, self.process)).await;
        self.pool.close();
        if let Some(done) = closed {
            let _ = done.send(unsettled);
        }
    }

    /// Charges all holds of a process, and returns their number.
    pub(super) async fn charge(self: &Rc<Self>, user: &Arc<str>, process: ProcessId) -> Result<usize, LedgerError> {
        // Holds are charged without a look at limits.
        let limits = Arc::new(Limits::none(Arc::new(Zone::utc())));
        let (reply, outcome) = oneshot::channel();
        self.push(Call::new(Arc::clone(user), limits, Command::ProcessEnded(process)), Some(reply));
        match outcome.await.unwrap_or(Err(LedgerError::Closed))? {
            Outcome::Expired { count } => Ok(count),
            _ => Ok(0),
        }
    }

    fn push(self: &Rc<Self>, call: Call, reply: Option<Reply<Outcome>>) {
        let user = Arc::clone(&call.user);
        self.enqueue(&user, Request::Call { call: Box::new(call), reply, is_fence: false });
    }

    fn enqueue(self: &Rc<Self>, user: &Arc<str>, request: Request) {
        if !request.must_be_stored() {
            if let Some(error) = self.pool.failure() {
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
        while let Some((batch, mut cached)) = self.take_batch(&user) {
            let failed = self.run_batch(&user, batch, &mut cached).await;
            if let Some(entry) = self.users.borrow_mut().get_mut(&user) {
                entry.cached = cached;
            }
            if self.pool.failure().is_some() {
                self.pool.restored().await;
            } else if failed {
                sleep(RETRY).await;
            }
        }
    }

    /// Takes calls from the front of the queue, or another request alone.
    fn take_batch(&self, user: &Arc<str>) -> Option<(Vec<Request>, Option<Stored>)> {
        let mut users = self.users.borrow_mut();
        let entry = users.get_mut(user)?;
        let mut batch = Vec::new();
        while batch.len() < BATCH_MAX && entry.queue.front().is_some_and(|next| next.is_call() || batch.is_empty()) {
            let Some(request) = entry.queue.pop_front() else { break };
            let is_alone = !request.is_call();
            batch.push(request);
            if is_alone {
                break;
            }
        }
        self.queued.set(self.queued.get().saturating_sub(batch.len()));
        if !batch.is_empty() {
            return Some((batch, entry.cached.take()));
        }
        entry.is_running = false;
        if users.len() > CACHED_MAX {
            users.retain(|_, user| user.is_running);
        }
        None
    }

    /// Returns whether it failed.
    async fn run_batch(self: &Rc<Self>, user: &Arc<str>, batch: Vec<Request>, cached: &mut Option<Stored>) -> bool {
        let batch = match one(batch) {
            Ok(Request::Response { response_id, reply }) => {
                let row = self.response(user, &response_id).await;
                let _ = reply.send(row);
                return false;
            }
            Ok(request) => vec![request],
            Err(batch) => batch,
        };
        let result = {
            let is_fence = batch.iter().any(|request| matches!(request, Request::Call { is_fence: true, .. }));
            let calls = Batch::of(&batch);
            step::run(&self.pool, &self.options.clock, user, &calls, is_fence, cached).await
        };
        let failed = match result {
            Ok(done) => {
                if done.is_clock_back {
                    self.options.events.send(Event::ClockBack { user: Arc::clone(user) });
                }
                for (request, outcome) in batch.into_iter().zip(done.outcomes) {
                    self.reply(user, request, outcome);
                }
                return false;
            }
            Err(failed) => failed,
        };
        // Each alone, so that only the one that fails is refused.
        if batch.len() > 1 && failed.failure.is_of_one_call() {
            for request in batch {
                Box::pin(self.run_batch(user, vec![request], cached)).await;
            }
            return true;
        }
        let error = failed.failure.error();
        if failed.is_of_one_user {
            self.options.events.send(Event::Failed(error.clone()));
        } else {
            self.pool.trip(error.clone());
        }
        self.refuse(user, batch, &error, failed.is_ambiguous, failed.failure.is_of_one_call());
        true
    }

    /// Replies. A grant whose caller is gone is settled at zero.
    fn reply(self: &Rc<Self>, user: &Arc<str>, request: Request, outcome: Result<Outcome, LedgerError>) {
        let (undo, reply) = match request {
            Request::Call { call, reply, .. } => (call.undo(), reply),
            Request::Void { reply, .. } => (None, Some(reply)),
            Request::Response { .. } => return,
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
    fn refuse(
        self: &Rc<Self>,
        user: &Arc<str>,
        batch: Vec<Request>,
        error: &LedgerError,
        is_ambiguous: bool,
        is_of_one_call: bool,
    ) {
        let mut kept = VecDeque::new();
        for request in batch {
            if request.must_be_stored() {
                if !is_of_one_call {
                    kept.push_back(request);
                    continue;
                }
                self.report_lost(&request);
            }
            if is_ambiguous && let Some(undo) = request.undo() {
                kept.push_back(Request::settle(undo, true));
            }
            request.refuse(error);
        }
        // The breaker is open for all users, so what waits of the others fails too.
        let is_of_all = self.pool.failure().is_some();
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

    fn report_lost(&self, request: &Request) {
        if let Request::Call { call, .. } = request
            && let Command::Settle { id, .. } = call.command
        {
            self.options.events.send(Event::SettleLost { user: Arc::clone(&call.user), id });
        }
    }

    async fn response(&self, user: &str, response_id: &str) -> Result<Option<LedgerRow>, LedgerError> {
        let find = async {
            let lease = self.pool.lease().await?;
            let row = lease.session.response(user, response_id).await?;
            self.pool.give_back(lease);
            Ok(row)
        };
        timeout(STEP, find).await.unwrap_or(Err(Failure::Deadline)).map_err(|failure| failure.error())
    }

    /// Finds the row, and makes it void in its user's queue.
    async fn void(self: Rc<Self>, id: HoldId, limits: Arc<Limits>, reply: Reply<Outcome>) {
        match query::find(&self.target, id).await {
            Ok(Some((row, user))) => self.enqueue(&user, Request::Void { row, id, limits, reply }),
            Ok(None) => drop(reply.send(Ok(Outcome::Unknown))),
            Err(failure) => drop(reply.send(Err(failure.error()))),
        }
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

impl Request {
    fn settle(call: Call, is_fence: bool) -> Self {
        Self::Call { call: Box::new(call), reply: None, is_fence }
    }

    fn is_call(&self) -> bool {
        matches!(self, Self::Call { .. })
    }

    fn must_be_stored(&self) -> bool {
        matches!(self, Self::Call { call, .. } if call.must_be_stored())
    }

    fn undo(&self) -> Option<Call> {
        if let Self::Call { call, .. } = self { call.undo() } else { None }
    }

    fn refuse(self, error: &LedgerError) {
        match self {
            Self::Call { reply: Some(reply), .. } | Self::Void { reply, .. } => drop(reply.send(Err(error.clone()))),
            Self::Call { reply: None, .. } => {}
            Self::Response { reply, .. } => drop(reply.send(Err(error.clone()))),
        }
    }
}

impl<'a> Batch<'a> {
    fn of(requests: &'a [Request]) -> Self {
        if let [Request::Void { row, id, limits, .. }] = requests {
            return Self::Void { row: *row, id: *id, limits };
        }
        let calls = requests.iter().filter_map(|request| match request {
            Request::Call { call, .. } => Some(&**call),
            _ => None,
        });
        Self::Calls(calls.collect())
    }
}

/// The only one, or all.
fn one(mut batch: Vec<Request>) -> Result<Request, Vec<Request>> {
    match batch.pop() {
        Some(request) if batch.is_empty() => Ok(request),
        Some(request) => {
            batch.push(request);
            Err(batch)
        }
        None => Err(batch),
    }
}
