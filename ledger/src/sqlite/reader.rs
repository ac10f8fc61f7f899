//! Reads without the writer: for commands beside a server, and for pages.

use std::{path::Path, sync::Arc, time::Duration};

use rusqlite::{Connection, OpenFlags, params};
use sparekey_policy::{CalendarPeriod, HoldId, Limits, Period, Report, Timestamp, Usd};

use super::{columns, failure::Failure, schema, store};
use crate::{
    day::{Day, DayQuery, Sums},
    engine::RowQuery,
    error::LedgerError,
    names::Names,
    report,
    row::LedgerRow,
};

/// Readers wait only while a crashed process's log is recovered.
const BUSY_TIMEOUT: Duration = Duration::from_secs(2);

/// A read-only connection. Its queries do not delay the writer.
#[derive(Debug)]
pub struct Reader {
    connection: Connection,
}

impl Reader {
    /// Opens a ledger read-only.
    ///
    /// # Errors
    /// [`LedgerError`], if there is no ledger that this version can read.
    pub fn open(path: &Path) -> Result<Self, LedgerError> {
        if !path.exists() {
            return Err(LedgerError::Missing(path.to_owned()));
        }
        let open = || -> Result<Self, Failure> {
            let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
            let connection = Connection::open_with_flags(path, flags)?;
            connection.busy_timeout(BUSY_TIMEOUT)?;
            if schema::check(&connection)?.is_none() {
                return Err(Failure::NotALedger);
            }
            Ok(Self { connection })
        };
        open().map_err(|failure| failure.error(path))
    }

    /// Reads by a connection that may write too.
    pub(super) fn over(connection: Connection) -> Self {
        Self { connection }
    }

    pub(super) fn connection(&self) -> &Connection {
        &self.connection
    }

    pub(super) fn execute(&self, sql: &str) -> Result<(), LedgerError> {
        self.connection.execute_batch(sql).map_err(|error| self.error(&error.into()))
    }

    /// Returns the rollup, ordered by day, user and model.
    ///
    /// # Errors
    /// [`LedgerError`], if the file cannot be read.
    pub fn days(&self, query: &DayQuery) -> Result<Vec<Day>, LedgerError> {
        let select = "SELECT day, user, model, requests, estimated, input, cached, output, cost FROM usage_daily \
                      WHERE day >= ?1 AND (?2 IS NULL OR user = ?2) ORDER BY day, user, model";
        let since = query.since.map_or(i32::MIN, CalendarPeriod::number);
        let mut names = Names::default();
        let mut days = self.query(select, params![since, query.user], |row| {
            let sums = Sums {
                requests: row.get(3)?,
                estimated: row.get(4)?,
                input: row.get(5)?,
                cached: row.get(6)?,
                output: row.get(7)?,
                cost: Usd::from_pico(row.get(8)?),
            };
            Ok(Day {
                day: Period::Day.of_day(row.get(0)?),
                user: names.get(row.get_ref(1)?.as_str()?),
                model: names.get(row.get_ref(2)?.as_str()?),
                sums,
            })
        })?;
        days.retain(|day| !day.sums.is_empty());
        Ok(days)
    }

    /// Returns rows in the order in which they were written.
    ///
    /// # Errors
    /// [`LedgerError`], if the file cannot be read.
    pub fn rows(&self, query: &RowQuery) -> Result<Vec<LedgerRow>, LedgerError> {
        let select =
            format!("{} WHERE at >= ?1 AND (?2 IS NULL OR user = ?2) ORDER BY at DESC LIMIT ?3", columns::SELECT);
        let since = query.since.map_or(i64::MIN, Timestamp::as_micros);
        // A negative limit is none.
        let limit = query.limit.map_or(-1, i64::from);
        let mut rows =
            self.query(&select, params![since, query.user, limit], |row| columns::read(row).map(|(_, row)| row))?;
        rows.reverse();
        Ok(rows)
    }

    /// Returns the row of a request. It reads all rows, in 0.3 s if there are 2 million.
    ///
    /// # Errors
    /// [`LedgerError`], if the file cannot be read.
    pub fn row(&self, id: HoldId) -> Result<Option<LedgerRow>, LedgerError> {
        let find = || store::find(&self.connection, id)?.map_or(Ok(None), |at| store::row(&self.connection, at));
        find().map_err(|failure| self.error(&failure))
    }

    /// Returns the users that have a state, in the order of their names.
    ///
    /// # Errors
    /// [`LedgerError`], if the file cannot be read.
    pub fn users(&self) -> Result<Vec<Arc<str>>, LedgerError> {
        self.query("SELECT user FROM state ORDER BY user", params![], |row| row.get(0))
    }

    /// Returns the use of a user's limits; `None` if the clock shows a period whose counters are no longer kept.
    ///
    /// # Errors
    /// [`LedgerError`], if the file or the state cannot be read.
    pub fn report(&self, user: &str, limits: &Limits, now: Timestamp) -> Result<Option<Report>, LedgerError> {
        let state = store::load(&self.connection, user).map_err(|failure| self.error(&failure))??;
        Ok(report::of(limits, state, now))
    }

    pub(super) fn query<T>(
        &self,
        sql: &str,
        values: &[&dyn rusqlite::ToSql],
        read: impl FnMut(&rusqlite::Row<'_>) -> rusqlite::Result<T>,
    ) -> Result<Vec<T>, LedgerError> {
        let query = || -> Result<Vec<T>, Failure> {
            let mut statement = self.connection.prepare_cached(sql)?;
            let rows = statement.query_map(values, read)?;
            Ok(rows.collect::<rusqlite::Result<_>>()?)
        };
        query().map_err(|failure| self.error(&failure))
    }

    pub(super) fn error(&self, failure: &Failure) -> LedgerError {
        failure.error(Path::new(self.connection.path().unwrap_or_default()))
    }
}
