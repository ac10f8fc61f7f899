//! The interface of engines.

use std::sync::Arc;

use sparekey_policy::{HoldId, Limits, Outcome, ProcessId, Timestamp};

use crate::{
    call::Call,
    day::{Day, DayQuery},
    pending::Pending,
    row::LedgerRow,
};

/// A store of users' states and rows.
///
/// All calls of one user are serial: each reads the state that the one before it stored. A state and its rows change together
/// or not at all.
pub trait Ledger: Send + Sync {
    /// Runs a command on a user's state and stores the result: durably for a grant, an adjustment and a credit.
    ///
    /// A settle whose storing fails is stored later, so that its caller need not wait. Every other call that fails is not
    /// repeated. A reservation whose result is dropped before it was read is settled at zero, so its id must not be used again.
    fn run(&self, call: Call) -> Pending<Outcome>;

    /// Makes a row void: its cost becomes 0, and is taken out of the counters of its day.
    ///
    /// The outcome is [`Outcome::Adjusted`], [`Outcome::AlreadyDone`] if it is void, and [`Outcome::Unknown`] if no row has
    /// this id: an open request has none.
    fn void(&self, id: HoldId, limits: Arc<Limits>) -> Pending<Outcome>;

    /// Returns the rollup, ordered by day, user and model.
    fn days(&self, query: DayQuery) -> Pending<Vec<Day>>;

    /// Returns the rows of a query, in the order in which they were written.
    fn rows(&self, query: RowQuery) -> Pending<Vec<LedgerRow>>;

    /// Returns the row of a request to `/responses` of this user, by the id in the response.
    fn response(&self, user: Arc<str>, response_id: Arc<str>) -> Pending<Option<LedgerRow>>;

    /// Stores all calls that wait, charges the open holds of this process, and stops. It blocks. Later calls fail.
    ///
    /// It returns the number of settles that could not be stored.
    fn close(&self) -> usize {
        0
    }

    /// Returns the process whose name the holds of this engine's caller carry.
    fn process(&self) -> ProcessId;
}

/// Rows to read. The default reads all.
#[derive(Clone, Debug, Default)]
pub struct RowQuery {
    /// Of this user only.
    pub user: Option<Arc<str>>,
    /// Written at or after this instant.
    pub since: Option<Timestamp>,
    /// At most so many of the newest ones.
    pub limit: Option<u32>,
}
