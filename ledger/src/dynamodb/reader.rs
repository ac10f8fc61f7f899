//! Reads without the engine: for commands of the owner.

use std::fmt;

use sparekey_policy::{HoldId, Limits, Report, State, Timestamp};
use tokio::{
    runtime::{Builder, Runtime},
    task::LocalSet,
};

use super::{
    Options,
    client::Client,
    failure::Failure,
    item::{self, STATE},
    merge::Merge,
    pages::{self, Pages},
    query,
    table::Table,
    transport::Transport,
};
use crate::{
    clock::Clock,
    day::{Day, DayQuery},
    engine::RowQuery,
    error::LedgerError,
    report,
    row::LedgerRow,
};

/// A table that is read. Its methods block, and must not be called inside an async runtime.
pub struct Reader<T> {
    // Fields are dropped in this order.
    client: Client<T>,
    local: LocalSet,
    runtime: Runtime,
    clock: Clock,
}

impl<T: Transport> Reader<T> {
    /// Creates a reader. Nothing is sent before the first query.
    ///
    /// # Errors
    /// [`LedgerError`], if the system has no resources for it.
    pub fn new(table: Table, transport: T, options: &Options) -> Result<Self, LedgerError> {
        let runtime = Builder::new_current_thread().enable_all().build();
        let runtime = runtime.map_err(|error| LedgerError::Io(error.to_string()))?;
        let client = Client::new(table, transport, options);
        Ok(Self { client, local: LocalSet::new(), runtime, clock: options.clock.clone() })
    }

    /// Returns the rollup, ordered by day, user and model.
    ///
    /// # Errors
    /// [`LedgerError`], if the table cannot be read.
    pub fn days(&self, days: &DayQuery) -> Result<Vec<Day>, LedgerError> {
        self.run(query::days(&self.client, days, self.clock.now()))
    }

    /// Returns rows in the order in which they were written.
    ///
    /// # Errors
    /// [`LedgerError`], if the table cannot be read.
    pub fn rows(&self, rows: &RowQuery) -> Result<Vec<LedgerRow>, LedgerError> {
        self.run(query::rows(&self.client, rows, self.clock.now()))
    }

    /// Returns the rows that were written at an instant or later, at most a thousand at a time: those of one user after those of
    /// another, the newest first. A page is tried again if its failure may pass. Stop at the first error.
    ///
    /// # Errors
    /// [`LedgerError`], if the table cannot be read.
    pub fn rows_since(
        &self,
        since: Timestamp,
    ) -> Result<impl Iterator<Item = Result<Vec<LedgerRow>, LedgerError>>, LedgerError> {
        let mut pages = self.run(Pages::open(&self.client, Some(since), self.clock.now()))?;
        Ok(std::iter::from_fn(move || {
            let page = self.run(pages.next()).transpose()?;
            Some(page.map(|rows| rows.into_iter().map(|(_, row)| row).collect()))
        }))
    }

    /// Returns the rows of a query in the order in which they were written, at most a thousand at a time. With a limit it reads
    /// them twice, because the first one is found from the last one. A page is tried again if its failure may pass. Stop at the
    /// first error.
    ///
    /// # Errors
    /// [`LedgerError`], if the table cannot be read.
    pub fn pages_of(
        &self,
        rows: &RowQuery,
    ) -> Result<impl Iterator<Item = Result<Vec<LedgerRow>, LedgerError>>, LedgerError> {
        let mut merged = self.run(Merge::open(&self.client, rows, self.clock.now()))?;
        Ok(std::iter::from_fn(move || self.run(merged.next()).transpose()))
    }

    /// Returns the row of a request. It reads the rows as [`rows_since`](Self::rows_since).
    ///
    /// # Errors
    /// [`LedgerError`], if the table cannot be read.
    pub fn row(&self, id: HoldId) -> Result<Option<LedgerRow>, LedgerError> {
        Ok(self.run(pages::find(&self.client, id, self.clock.now()))?.map(|(_, row)| row))
    }

    /// Returns the use of a user's limits; `None` if the clock shows a period whose counters are no longer kept.
    ///
    /// # Errors
    /// [`LedgerError`], if the table or the state cannot be read.
    pub fn report(&self, user: &str, limits: &Limits, now: Timestamp) -> Result<Option<Report>, LedgerError> {
        let partition = item::state_partition(user);
        let stored = self.run(self.client.get(&partition, STATE))?;
        let stored = stored.as_ref().map(item::read_state).transpose().map_err(|failure| failure.error())?;
        let state = stored.and_then(|stored| stored.state).unwrap_or_else(|| Ok(State::default()))?;
        Ok(report::of(limits, state, now))
    }

    /// Returns whether a request of a user with a budget was ever stored. The first one makes a table a ledger.
    ///
    /// # Errors
    /// [`LedgerError`], if the table cannot be read.
    pub fn has_users(&self) -> Result<bool, LedgerError> {
        self.run(query::has_users(&self.client))
    }

    fn run<R>(&self, query: impl Future<Output = Result<R, Failure>>) -> Result<R, LedgerError> {
        self.local.block_on(&self.runtime, query).map_err(|failure| failure.error())
    }
}

impl<T> fmt::Debug for Reader<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Reader").finish_non_exhaustive()
    }
}
