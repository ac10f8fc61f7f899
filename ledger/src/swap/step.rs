//! One step of a user: read the state, decide all calls that wait, and swap the result in.

use std::sync::Arc;

use sparekey_policy::{HoldId, Limits, Outcome, State, StateError};

use super::{Session, Stored, Swap};
use crate::{call::Call, change, clock::Clock, error::LedgerError, plan::Plan};

/// Swaps that another process was faster than. Before the last ones the store made room, so more is not contention.
const LOST_MAX: u32 = 10;

/// Calls of one user that are decided together.
pub(crate) enum Batch<'a, K> {
    Calls {
        calls: Vec<&'a Call>,
        /// Whether the state gets a new version even if nothing changes: a statement of before, whose result is unknown and
        /// that may still arrive, finds another version then.
        is_fence: bool,
    },
    /// A row that becomes void.
    Void { key: &'a K, id: HoldId, limits: &'a Arc<Limits> },
}

/// The outcomes of a step, and whether the clock is far behind.
pub(crate) struct Done {
    pub(crate) outcomes: Vec<Result<Outcome, LedgerError>>,
    pub(crate) is_clock_back: bool,
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

/// A batch and how often its swap was lost.
pub(crate) struct Step<'a, K> {
    pub(crate) user: &'a str,
    clock: &'a Clock,
    batch: &'a Batch<'a, K>,
    /// Whether another session held the state at the last step, and may still do so.
    #[cfg_attr(not(feature = "postgres"), expect(dead_code, reason = "the table of Lambda has no sessions"))]
    pub(crate) waits_for_lock: bool,
    lost: u32,
}

impl<'a, K: Clone> Step<'a, K> {
    pub(crate) fn new(clock: &'a Clock, user: &'a str, batch: &'a Batch<'a, K>, waits_for_lock: bool) -> Self {
        Self { user, clock, batch, waits_for_lock, lost: 0 }
    }

    /// Whether another process was faster.
    #[cfg(feature = "dynamodb")]
    pub(crate) fn has_lost(&self) -> bool {
        self.lost > 0
    }

    /// Runs the batch. It may run again after a failure, and finds what it stored before.
    pub(crate) async fn run<S: Session<Key = K>>(
        &mut self,
        session: &S,
        known: Option<Stored>,
    ) -> Result<(Done, Stored), S::Failure> {
        // With whether it is the state as it is, and not only as this process knows it.
        let mut known = known.map(|stored| (stored, false));
        loop {
            let locked = if self.lost > 0 { session.lock(self.user, self.lost).await? } else { None };
            let is_locked = locked.is_some();
            let (stored, is_fresh) = match (locked, known.take()) {
                (Some(stored), _) => (stored, true),
                (None, Some(known)) => known,
                (None, None) => (session.load(self.user).await?, true),
            };
            let tried = self.try_on(session, stored, is_fresh).await?;
            if is_locked {
                session.unlock().await?;
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
    async fn try_on<S: Session<Key = K>>(
        &self,
        session: &S,
        stored: Stored,
        is_fresh: bool,
    ) -> Result<Tried, S::Failure> {
        let mut state = match &stored.state {
            None => State::default(),
            Some(Ok(state)) => state.clone(),
            Some(Err(error)) => return Ok(Tried::Done(self.refuse(*error), Stored::default())),
        };
        let now = self.clock.now();
        let mut plan = Plan::default();
        let (outcomes, void) = match self.batch {
            Batch::Calls { calls, .. } => (calls.iter().map(|call| plan.add(call, &mut state, now)).collect(), None),
            Batch::Void { key, id, limits } => {
                // After the state: if the swap succeeds, nothing changed between the two.
                let found = session.row(key).await?.filter(|found| found.id == *id);
                match found {
                    None => (vec![Outcome::Unknown], None),
                    Some(found) if found.voided.is_some() => (vec![Outcome::AlreadyDone], None),
                    Some(found) => {
                        let outcome = plan.add(&change::void(&found, Arc::clone(limits), now), &mut state, now);
                        let is_void = outcome == Outcome::Adjusted;
                        (vec![outcome], is_void.then(|| (K::clone(key), found)))
                    }
                }
            }
        };
        let done = Done { outcomes: outcomes.into_iter().map(Ok).collect(), is_clock_back: plan.is_clock_back };
        let is_fence = matches!(self.batch, Batch::Calls { is_fence: true, .. });
        if !plan.is_changed && !is_fence {
            return Ok(if is_fresh { Tried::Done(done, stored) } else { Tried::Unsure });
        }
        let version = session.new_version(stored.version, now, plan.rows.len());
        let swap = Swap {
            user: self.user,
            expected: stored.version,
            version,
            state: &state,
            now,
            rows: &plan.rows,
            removed: &plan.removed,
            void,
        };
        Ok(match session.swap(&swap).await? {
            None => Tried::Done(done, Stored { version, state: Some(Ok(state)) }),
            Some(other) => Tried::Lost { is_new: other.version != stored.version, other },
        })
    }

    fn refuse(&self, error: StateError) -> Done {
        let count = if let Batch::Calls { calls, .. } = self.batch { calls.len() } else { 1 };
        Done { outcomes: vec![Err(LedgerError::State(error)); count], is_clock_back: false }
    }
}
