//! Reads without the engine: for commands beside a server, and for pages.

use std::{fmt, io, sync::Arc};

use sparekey_policy::{HoldId, Limits, Report, Timestamp};
use tokio::{
    runtime::{Builder, Runtime},
    task::LocalSet,
};

use super::{
    failure::Failure,
    query,
    target::{Connection, Target},
};
use crate::{
    day::{Day, DayQuery},
    engine::RowQuery,
    error::LedgerError,
    report,
    row::LedgerRow,
};

/// A read-only connection. Its methods block, and must not be called inside an async runtime.
pub struct Reader {
    // Fields are dropped in this order.
    connection: Connection,
    local: LocalSet,
    runtime: Runtime,
}

impl Reader {
    /// Connects to a ledger read-only.
    ///
    /// # Errors
    /// [`LedgerError`], if the database cannot be reached, or has no ledger that this version can read.
    pub fn open(url: &str) -> Result<Self, LedgerError> {
        Self::connect(&Target::parse(url)?)
    }

    pub(super) fn connect(target: &Target) -> Result<Self, LedgerError> {
        Self::new(query::open(target))
    }

    /// Reads by a connection that may write too.
    pub(super) fn new(connect: impl Future<Output = Result<Connection, Failure>>) -> Result<Self, LedgerError> {
        let runtime = runtime().map_err(|error| LedgerError::Io(error.to_string()))?;
        let local = LocalSet::new();
        let connection = local.block_on(&runtime, connect).map_err(|failure| failure.error())?;
        Ok(Self { connection, local, runtime })
    }

    pub(super) fn connection(&self) -> &Connection {
        &self.connection
    }

    /// Returns the rollup, ordered by day, user and model.
    ///
    /// # Errors
    /// [`LedgerError`], if the database cannot be read.
    pub fn days(&self, days: &DayQuery) -> Result<Vec<Day>, LedgerError> {
        self.run(query::days(&self.connection, days))
    }

    /// Returns rows in the order in which they were written.
    ///
    /// # Errors
    /// [`LedgerError`], if the database cannot be read.
    pub fn rows(&self, rows: &RowQuery) -> Result<Vec<LedgerRow>, LedgerError> {
        self.run(query::rows(&self.connection, rows))
    }

    /// Returns the row of a request. It reads all rows.
    ///
    /// # Errors
    /// [`LedgerError`], if the database cannot be read.
    pub fn row(&self, id: HoldId) -> Result<Option<LedgerRow>, LedgerError> {
        Ok(self.run(query::row(&self.connection, id))?.map(|(_, row)| row))
    }

    /// Returns the users that have a state, in the order of their names.
    ///
    /// # Errors
    /// [`LedgerError`], if the database cannot be read.
    pub fn users(&self) -> Result<Vec<Arc<str>>, LedgerError> {
        self.run(query::users(&self.connection))
    }

    /// Returns the use of a user's limits; `None` if the clock shows a period whose counters are no longer kept.
    ///
    /// # Errors
    /// [`LedgerError`], if the database or the state cannot be read.
    pub fn report(&self, user: &str, limits: &Limits, now: Timestamp) -> Result<Option<Report>, LedgerError> {
        let state = self.run(query::state(&self.connection, user))?;
        Ok(report::of(limits, state, now))
    }

    pub(super) fn run<T>(&self, query: impl Future<Output = Result<T, Failure>>) -> Result<T, LedgerError> {
        self.local.block_on(&self.runtime, query).map_err(|failure| failure.error())
    }
}

impl fmt::Debug for Reader {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Reader").finish_non_exhaustive()
    }
}

/// One thread is enough: it waits for the database.
pub(super) fn runtime() -> io::Result<Runtime> {
    Builder::new_current_thread().enable_io().enable_time().build()
}
