//! What the engines of several processes share: they swap a user's state for a new one, if no other process did so meanwhile.
//!
//! Steps of a user are serial inside the process, and calls that wait are decided together.
//!
//! ```text
//! Jobs ──► Worker: a queue per user ──► Step: load, Plan::add for each call (pure), swap ──► Session of a Store
//! ```

mod jobs;
mod request;
mod step;
mod worker;

use std::{collections::HashSet, rc::Rc, sync::Arc};

use sparekey_policy::{HoldId, State, StateError, Timestamp};

#[cfg(feature = "postgres")]
pub(crate) use self::jobs::Received;
pub(crate) use self::{
    jobs::Jobs,
    step::{Done, Step},
    worker::Worker,
};
use crate::{clock::Clock, error::LedgerError, event::Events, row::LedgerRow};

/// A database that stores states and rows.
pub(crate) trait Store: Sized + 'static {
    /// Where a row is stored.
    type Key: Clone + 'static;

    /// Calls of one swap. Each adds at most some rows to it.
    const BATCH_MAX: usize;

    fn clock(&self) -> &Clock;

    fn events(&self) -> &Events;

    /// The error of calls while the database does not work.
    fn failure(&self) -> Option<LedgerError>;

    /// Refuses calls from here on, until the database works.
    fn trip(self: &Rc<Self>, error: LedgerError);

    /// Waits until the database may work.
    async fn restored(&self);

    /// Runs a step within its deadline. `cached` is the state as this process stored it, and afterwards the stored one.
    async fn run(&self, step: Step<'_, Self::Key>, cached: &mut Option<Stored>) -> Result<Done, Failed>;

    /// Returns the row of a response of this user.
    async fn response(&self, user: &str, response_id: &str) -> Result<Option<LedgerRow>, LedgerError>;

    /// Finds a row by its request, and returns its place and its user.
    async fn find(&self, id: HoldId) -> Result<Option<(Self::Key, Arc<str>)>, LedgerError>;
}

/// The statements of a step.
pub(crate) trait Session {
    /// Why a statement failed.
    type Failure: From<LedgerError>;
    /// Where a row is stored.
    type Key: Clone;

    async fn load(&self, user: &str) -> Result<Stored, Self::Failure>;

    /// Called after lost swaps, before the next one: may make other processes wait until [`unlock`](Self::unlock), and returns
    /// the state as it is then. `None`: none wait.
    async fn lock(&self, user: &str, lost: u32) -> Result<Option<Stored>, Self::Failure>;

    async fn unlock(&self) -> Result<(), Self::Failure>;

    async fn row(&self, key: &Self::Key) -> Result<Option<LedgerRow>, Self::Failure>;

    /// Returns a version that the user's state never had.
    fn new_version(&self, seen: i64, now: Timestamp, rows: usize) -> i64;

    /// Returns `None` if all is stored. Otherwise another process stored a state: the one returned, or one of while the
    /// statement ran.
    async fn swap(&self, swap: &Swap<'_, Self::Key>) -> Result<Option<Stored>, Self::Failure>;
}

/// A user's state as it was read.
#[derive(Clone, Debug, Default)]
pub(crate) struct Stored {
    /// 0 for a user without one.
    pub(crate) version: i64,
    pub(crate) state: Option<Result<State, StateError>>,
}

/// What is stored in one atomic step, if the version is still the expected one.
pub(crate) struct Swap<'a, K> {
    pub(crate) user: &'a str,
    pub(crate) expected: i64,
    pub(crate) version: i64,
    pub(crate) state: &'a State,
    pub(crate) now: Timestamp,
    pub(crate) rows: &'a [LedgerRow],
    /// The stored rows of these expired holds are removed.
    pub(crate) removed: &'a HashSet<HoldId>,
    /// A row that becomes void, as it is stored.
    pub(crate) void: Option<(K, LedgerRow)>,
}

/// Why a step failed.
pub(crate) struct Failed {
    pub(crate) error: LedgerError,
    /// Whether it may be stored all the same.
    pub(crate) is_ambiguous: bool,
    pub(crate) scope: Scope,
}

/// What the failure of a step affects.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Scope {
    /// The steps of all users.
    Database,
    /// Those of this user.
    User,
    /// The same, because another session holds the user's state.
    #[cfg_attr(not(feature = "postgres"), allow(dead_code, reason = "the table of Lambda has no sessions"))]
    LockedUser,
    /// Perhaps one call of the batch: data that the database does not take.
    Call,
}
