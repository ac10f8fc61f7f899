//! A step on a session of the pool.

use std::{cell::Cell, rc::Rc, time::Duration};

use sparekey_policy::Timestamp;
use tokio::time::{Instant, timeout_at};

use super::{
    failure::Failure,
    pool::{Pool, STEP},
    session::{Session, new_version},
};
use crate::{
    error::LedgerError,
    row::LedgerRow,
    swap::{self, Done, Failed, Scope, Step, Stored, Swap},
};

/// From then on a step locks the state first, which takes a round trip more: two busy servers could lose all swaps to each
/// other.
const LOCK_AFTER: u32 = 3;

/// A statement that got no response for so long: the database hangs, because it would have ended the statement before.
const HANGS: Duration = Duration::from_millis(210);

/// The place of a row: `at` and `seq`.
pub(super) type Key = (i64, i64);

/// Runs a step. `cached` is the state as this process knows it, and afterwards the stored one.
pub(super) async fn run(pool: &Rc<Pool>, step: Step<'_, Key>, cached: &mut Option<Stored>) -> Result<Done, Failed> {
    let mut run = Run { pool, step, sent: Cell::new(None), is_ambiguous: false };
    let deadline = Instant::now() + STEP;
    let known = cached.take();
    let failure = match timeout_at(deadline, run.run_on_any_session(known)).await {
        Ok(Ok((done, stored))) => {
            *cached = Some(stored);
            return Ok(done);
        }
        Ok(Err(failure)) => failure,
        Err(_) => Failure::Deadline,
    };
    if failure.is_timeout() {
        pool.check();
    }
    // Many short statements, or a wait for a session, are no failure of the database.
    let is_late = matches!(failure, Failure::Deadline) && run.sent.get().is_none_or(|sent| sent.elapsed() < HANGS);
    let is_ambiguous = run.is_ambiguous || failure.is_ambiguous() && run.sent.get().is_some();
    // It got no session in time, and others wait for locks.
    let may_be_locked = is_late && (run.step.waits_for_lock || pool.has_waits_for_locks());
    let failure = if is_late { Failure::Known(LedgerError::Busy) } else { failure };
    let scope = if may_be_locked { Scope::LockedUser } else { failure.scope() };
    Err(Failed { error: failure.error(), is_ambiguous, scope })
}

struct Run<'a> {
    pool: &'a Pool,
    step: Step<'a, Key>,
    /// When the last statement was sent, or a connection begun. `None`: no session was free yet.
    sent: Cell<Option<Instant>>,
    is_ambiguous: bool,
}

impl Run<'_> {
    /// A session that ended is replaced once: its statement runs again, and finds what it stored before.
    async fn run_on_any_session(&mut self, known: Option<Stored>) -> Result<(Done, Stored), Failure> {
        match self.run_on_one_session(known).await {
            Err(failure) if failure.is_connection_lost() => {
                self.is_ambiguous |= failure.is_ambiguous();
                self.run_on_one_session(None).await
            }
            result => result,
        }
    }

    async fn run_on_one_session(&mut self, known: Option<Stored>) -> Result<(Done, Stored), Failure> {
        let _permit = if self.step.waits_for_lock { Some(self.pool.permit_for_locks().await?) } else { None };
        let lease = self.pool.lease(|| self.sent.set(Some(Instant::now()))).await?;
        let timed = Timed { session: &lease.session, sent: &self.sent };
        let result = self.step.run(&timed, known).await;
        match &result {
            Err(Failure::Postgres(_) | Failure::Deadline) => {}
            _ => self.pool.give_back(lease),
        }
        result
    }
}

/// A session that notes when its statements are sent.
struct Timed<'a> {
    session: &'a Session,
    sent: &'a Cell<Option<Instant>>,
}

impl Timed<'_> {
    fn now(&self) -> &Session {
        self.sent.set(Some(Instant::now()));
        self.session
    }
}

impl swap::Session for Timed<'_> {
    type Failure = Failure;
    type Key = Key;

    async fn load(&self, user: &str) -> Result<Stored, Failure> {
        self.now().load(user).await
    }

    async fn lock(&self, user: &str, lost: u32) -> Result<Option<Stored>, Failure> {
        if lost < LOCK_AFTER {
            return Ok(None);
        }
        self.now().lock(user).await.map(Some)
    }

    async fn unlock(&self) -> Result<(), Failure> {
        self.now().commit().await
    }

    async fn row(&self, key: &Key) -> Result<Option<LedgerRow>, Failure> {
        self.now().row(*key).await
    }

    fn new_version(&self, _: i64, _: Timestamp, _: usize) -> i64 {
        new_version()
    }

    async fn swap(&self, swap: &Swap<'_, Key>) -> Result<Option<Stored>, Failure> {
        self.now().swap(swap).await
    }
}
