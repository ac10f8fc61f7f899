//! One step of a user: read the state, decide all calls that wait, and swap the result in.

use std::{
    hash::{BuildHasher as _, RandomState},
    rc::Rc,
    sync::Arc,
    time::Duration,
};

use sparekey_policy::{HoldId, Limits, Outcome, State, Timestamp};
use tokio::time::{Instant, timeout_at};

use super::{
    columns,
    failure::Failure,
    plan::Plan,
    pool::{Lease, Pool, STEP},
    session::{Session, Stored, Swap},
};
use crate::{call::Call, change, clock::Clock, error::LedgerError};

/// Swaps that another process was faster than. The last ones had a lock, so more is not contention.
const LOST_MAX: u32 = 10;

/// From then on a step locks the state first, which takes a round trip more: two busy servers could lose all swaps to each
/// other.
const LOCK_AFTER: u32 = 3;

/// A statement that got no response for so long: the database hangs, because it would have ended the statement before.
const HANGS: Duration = Duration::from_millis(210);

/// Calls of one user that are decided together.
pub(super) enum Batch<'a> {
    Calls(Vec<&'a Call>),
    /// A row that becomes void.
    Void {
        row: (i64, i64),
        id: HoldId,
        limits: &'a Arc<Limits>,
    },
}

/// Why a step failed.
pub(super) struct Failed {
    pub(super) failure: Failure,
    /// Whether it may be stored all the same.
    pub(super) is_ambiguous: bool,
    /// Whether it was only this user's step that failed.
    pub(super) is_of_one_user: bool,
}

/// The outcomes of a step, and whether the clock is far behind.
pub(super) struct Done {
    pub(super) outcomes: Vec<Result<Outcome, LedgerError>>,
    pub(super) is_clock_back: bool,
}

/// Runs a batch. `cached` is the state as this process knows it, and afterwards the stored one.
///
/// With `is_fence` the state gets a new version even if nothing changes: a statement of before, whose result is unknown and
/// that may still arrive, finds another version then.
pub(super) async fn run(
    pool: &Rc<Pool>,
    clock: &Clock,
    user: &str,
    batch: &Batch<'_>,
    is_fence: bool,
    cached: &mut Option<Stored>,
) -> Result<Done, Failed> {
    let mut step = Step { pool, clock, user, batch, is_fence, lost: 0, is_ambiguous: false };
    let deadline = Instant::now() + STEP;
    let mut sent = Instant::now();
    let known = cached.take();
    let run = step.run_on_any_session(known, &mut sent);
    let failure = match timeout_at(deadline, run).await {
        Ok(Ok((done, stored))) => {
            *cached = Some(stored);
            return Ok(done);
        }
        Ok(Err(failure)) => failure,
        Err(_) => Failure::Deadline,
    };
    let is_ambiguous = step.is_ambiguous || failure.is_ambiguous();
    // Many short statements, or a wait for a session, are no failure of the database.
    let is_late = matches!(failure, Failure::Deadline) && sent.elapsed() < HANGS;
    let failure = if is_late { Failure::Known(LedgerError::Busy) } else { failure };
    let is_of_one_user = failure.is_of_one_user();
    Err(Failed { failure, is_ambiguous, is_of_one_user })
}

/// The result of one try.
enum Tried {
    Done(Done, Stored),
    /// Nothing would change, but the state may be an old one.
    Unsure,
    /// Another process was faster. It stored this state, if that is a new one.
    Lost {
        other: Stored,
        is_new: bool,
    },
}

struct Step<'a> {
    pool: &'a Rc<Pool>,
    clock: &'a Clock,
    user: &'a str,
    batch: &'a Batch<'a>,
    is_fence: bool,
    lost: u32,
    is_ambiguous: bool,
}

impl Step<'_> {
    /// A session that ended is replaced once: its statement runs again, and finds what it stored before.
    async fn run_on_any_session(
        &mut self,
        known: Option<Stored>,
        sent: &mut Instant,
    ) -> Result<(Done, Stored), Failure> {
        match self.run_on_one_session(known, sent).await {
            Err(failure) if failure.is_connection_lost() => {
                self.is_ambiguous |= failure.is_ambiguous();
                self.run_on_one_session(None, sent).await
            }
            result => result,
        }
    }

    async fn run_on_one_session(
        &mut self,
        known: Option<Stored>,
        sent: &mut Instant,
    ) -> Result<(Done, Stored), Failure> {
        let lease = self.pool.lease().await?;
        let result = self.run(&lease, known, sent).await;
        match &result {
            Err(Failure::Postgres(_) | Failure::Deadline) => {}
            _ => self.pool.give_back(lease),
        }
        result
    }

    async fn run(
        &mut self,
        lease: &Lease<'_>,
        known: Option<Stored>,
        sent: &mut Instant,
    ) -> Result<(Done, Stored), Failure> {
        let session = &lease.session;
        // With whether it is the state as it is, and not only as this process knows it.
        let mut known = known.map(|stored| (stored, false));
        loop {
            *sent = Instant::now();
            let is_locked = self.lost >= LOCK_AFTER;
            let (stored, is_fresh) = match known.take().filter(|_| !is_locked) {
                Some(known) => known,
                None if is_locked => (session.lock(self.user).await?, true),
                None => (session.load(self.user).await?, true),
            };
            let tried = self.try_on(session, stored, is_fresh, sent).await?;
            if is_locked {
                *sent = Instant::now();
                session.commit().await?;
            }
            match tried {
                Tried::Done(done, stored) => return Ok((done, stored)),
                // Another process may have changed the state: a refusal must be one of the state as it is.
                Tried::Unsure => {}
                Tried::Lost { other, is_new } => {
                    self.lost += 1;
                    if self.lost >= LOST_MAX {
                        return Err(LedgerError::Busy.into());
                    }
                    known = Some((other, true)).filter(|_| is_new);
                }
            }
        }
    }

    /// Decides on a state, and swaps the result in.
    async fn try_on(
        &self,
        session: &Session,
        stored: Stored,
        is_fresh: bool,
        sent: &mut Instant,
    ) -> Result<Tried, Failure> {
        let mut state = match &stored.state {
            None => State::default(),
            Some(Ok(state)) => state.clone(),
            Some(Err(error)) => return Ok(Tried::Done(self.refuse(*error), Stored::default())),
        };
        let now = self.clock.now();
        let (plan, void) = match self.batch {
            Batch::Calls(calls) => (decide(calls, &mut state, now), None),
            Batch::Void { row, id, limits } => {
                // After the state: if the swap succeeds, nothing changed between the two.
                let found = session.row(*row).await?.filter(|found| found.id == *id);
                match found {
                    None => (Plan::of(Outcome::Unknown), None),
                    Some(found) if found.voided.is_some() => (Plan::of(Outcome::AlreadyDone), None),
                    Some(found) => {
                        let plan = decide(&[&change::void(&found, Arc::clone(limits), now)], &mut state, now);
                        let is_void = plan.outcomes.first() == Some(&Outcome::Adjusted);
                        (plan, is_void.then_some(*row))
                    }
                }
            }
        };
        if !plan.is_changed && !self.is_fence {
            return Ok(if is_fresh { Tried::Done(plan.done(), stored) } else { Tried::Unsure });
        }
        let rows: Vec<_> = plan.rows.iter().map(|row| columns::to_json(now, row)).collect();
        let removed: Vec<_> = plan.removed.iter().map(|id| columns::id_text(*id)).collect();
        let version = new_version();
        let swap = Swap {
            user: self.user,
            expected: stored.version,
            version,
            state: &state,
            rows: &rows,
            removed: &removed,
            void,
        };
        *sent = Instant::now();
        Ok(match session.swap(&swap).await? {
            None => Tried::Done(plan.done(), Stored { version, state: Some(Ok(state)) }),
            Some(other) => Tried::Lost { is_new: other.version != stored.version, other },
        })
    }

    fn refuse(&self, error: sparekey_policy::StateError) -> Done {
        let count = if let Batch::Calls(calls) = self.batch { calls.len() } else { 1 };
        Done { outcomes: vec![Err(LedgerError::State(error)); count], is_clock_back: false }
    }
}

impl Plan {
    fn of(outcome: Outcome) -> Self {
        Self { outcomes: vec![outcome], ..Self::default() }
    }

    fn done(self) -> Done {
        Done { outcomes: self.outcomes.into_iter().map(Ok).collect(), is_clock_back: self.is_clock_back }
    }
}

fn decide(calls: &[&Call], state: &mut State, now: Timestamp) -> Plan {
    let mut plan = Plan::default();
    for call in calls {
        plan.add(call, state, now);
    }
    plan
}

/// Random, because a number that rises could be that of another state after a failover to a database that lost the last steps.
pub(super) fn new_version() -> i64 {
    // Keyed at random by the standard library; without input the hash depends on the keys alone. 0 is "no state".
    RandomState::new().hash_one(()).cast_signed().max(i64::MIN + 1) | 1
}
