//! A bounded number of sessions, and a breaker: while the database does not work, calls fail at once.

use std::{
    cell::{Cell, RefCell},
    rc::Rc,
    time::Duration,
};

use sparekey_policy::ProcessId;
use tokio::{
    sync::{Notify, Semaphore, SemaphorePermit},
    task,
    time::{sleep, timeout},
};

use super::{failure::Failure, session::Session, target::Target};
use crate::{
    error::LedgerError,
    event::{Event, Events},
};

/// For a whole step of a user: sending, the database's work and its commit.
pub(super) const STEP: Duration = Duration::from_millis(250);

/// For a connection that is tried again. With the longest pause, calls run again within 2 s of the database.
const CONNECT: Duration = Duration::from_secs(1);

/// Between two tries, doubled each time.
const PAUSE: Duration = Duration::from_millis(25);
const PAUSE_MAX: Duration = Duration::from_millis(400);

/// One of so many sessions is for steps of users whose state another session held at their last step.
const LOCKED: usize = 4;

/// Between two looks at a database in which steps take too long.
const CHECK: Duration = Duration::from_millis(400);

pub(super) struct Pool {
    target: Rc<Target>,
    process: ProcessId,
    events: Events,
    idle: RefCell<Vec<Session>>,
    permits: Semaphore,
    for_locks: Semaphore,
    /// All places of `for_locks`.
    lock_places: usize,
    /// Why calls are refused.
    failure: RefCell<Option<LedgerError>>,
    restored: Notify,
    is_checking: Cell<bool>,
    is_closed: Cell<bool>,
}

/// A session in use. It is closed with this, unless it is returned.
pub(super) struct Lease<'a> {
    pub(super) session: Session,
    _permit: SemaphorePermit<'a>,
}

impl Pool {
    pub(super) fn new(target: Rc<Target>, process: ProcessId, size: usize, events: Events) -> Rc<Self> {
        let lock_places = (size / LOCKED).max(1);
        Rc::new(Self {
            target,
            process,
            events,
            idle: RefCell::default(),
            permits: Semaphore::new(size.max(1)),
            for_locks: Semaphore::new(lock_places),
            lock_places,
            failure: RefCell::default(),
            restored: Notify::new(),
            is_checking: Cell::new(false),
            is_closed: Cell::new(false),
        })
    }

    /// Waits for one of the places of steps that may wait for a lock. Where the rows of many users are locked, the others go on.
    pub(super) async fn permit_for_locks(&self) -> Result<SemaphorePermit<'_>, Failure> {
        Ok(self.for_locks.acquire().await.map_err(|_| LedgerError::Closed)?)
    }

    /// Whether steps that may wait for a lock run.
    pub(super) fn has_waits_for_locks(&self) -> bool {
        self.for_locks.available_permits() < self.lock_places
    }

    /// Waits for a session. `is_next` is called when the wait for the others ends.
    pub(super) async fn lease(&self, is_next: impl FnOnce()) -> Result<Lease<'_>, Failure> {
        let permit = self.permits.acquire().await.map_err(|_| LedgerError::Closed)?;
        is_next();
        let idle = || -> Option<Session> {
            let mut idle = self.idle.borrow_mut();
            idle.retain(|session| !session.connection.is_closed());
            idle.pop()
        };
        let session = match idle() {
            Some(session) => session,
            None => Session::open(&self.target, STEP).await?,
        };
        Ok(Lease { session, _permit: permit })
    }

    pub(super) fn give_back(&self, lease: Lease<'_>) {
        // A session of before a failure can hang.
        if self.failure().is_none() {
            self.idle.borrow_mut().push(lease.session);
        }
    }

    /// The error of calls while the database does not work.
    pub(super) fn failure(&self) -> Option<LedgerError> {
        self.failure.borrow().clone()
    }

    /// Refuses calls from here on, and tries in the background until the database works.
    pub(super) fn trip(self: &Rc<Self>, error: LedgerError) {
        let is_first = self.failure.borrow_mut().replace(error.clone()).is_none();
        if is_first {
            self.idle.borrow_mut().clear();
            self.events.send(Event::Failed(error));
            task::spawn_local(Rc::clone(self).restore());
        }
    }

    /// Waits until the database works.
    pub(super) async fn restored(&self) {
        // Created before the check, so that none is missed.
        let restored = self.restored.notified();
        if self.failure.borrow().is_some() {
            restored.await;
        }
    }

    pub(super) fn close(&self) {
        self.is_closed.set(true);
    }

    async fn restore(self: Rc<Self>) {
        let mut pause = PAUSE;
        while !self.is_closed.get() {
            sleep(pause).await;
            pause = (2 * pause).min(PAUSE_MAX);
            match self.probe().await {
                Ok(session) => {
                    *self.failure.borrow_mut() = None;
                    self.idle.borrow_mut().push(session);
                    self.restored.notify_waiters();
                    return;
                }
                Err(failure) => *self.failure.borrow_mut() = Some(of_probe(&failure)),
            }
        }
    }

    /// Called after a step that took too long, possibly because a session that hangs holds the user's row. Writes once to rows of
    /// its own, and refuses calls if that fails.
    pub(super) fn check(self: &Rc<Self>) {
        if self.failure().is_some() || self.is_checking.replace(true) {
            return;
        }
        let this = Rc::clone(self);
        task::spawn_local(async move {
            if let Err(failure) = this.probe_any().await {
                this.trip(of_probe(&failure));
            }
            sleep(CHECK).await;
            this.is_checking.set(false);
        });
    }

    async fn probe_any(&self) -> Result<(), Failure> {
        let lease = self.lease(|| {}).await?;
        self.write(&lease.session).await?;
        self.give_back(lease);
        Ok(())
    }

    async fn probe(&self) -> Result<Session, Failure> {
        let session = Session::open(&self.target, CONNECT).await?;
        self.write(&session).await?;
        Ok(session)
    }

    /// A write to the tables of steps that leaves nothing: it fails where the database is read-only, or its disk is full or slow.
    /// No other process writes these rows.
    async fn write(&self, session: &Session) -> Result<(), Failure> {
        let id = self.process.0.cast_signed();
        let statements = format!(
            "INSERT INTO sparekey.process VALUES ({id}) ON CONFLICT (id) DO UPDATE SET id = excluded.id; \
             INSERT INTO sparekey.state (user_name, version, state, processes) VALUES (':{id}', 1, '', '{{}}'); \
             DELETE FROM sparekey.state WHERE user_name = ':{id}'"
        );
        let write = async { Ok(session.connection.batch_execute(&statements).await?) };
        timeout(STEP, write).await.unwrap_or(Err(Failure::Deadline))
    }
}

/// Only a session of this process can hold the rows of a probe, and it hangs then.
fn of_probe(failure: &Failure) -> LedgerError {
    match failure.error() {
        LedgerError::Busy => Failure::Deadline.error(),
        error => error,
    }
}
