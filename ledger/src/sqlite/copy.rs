//! Reads a whole file, and fills an empty one.

use std::{path::Path, sync::Arc};

use rusqlite::params;
use sparekey_policy::{State, Timestamp};

use super::{Options, Reader, columns, connection::Writable, failure::Failure, process, store};
use crate::{
    copy::{PAGE, Position, Source, Target},
    day::{Day, DayQuery},
    engine::RowQuery,
    error::LedgerError,
    row::LedgerRow,
};

/// An empty file that is being filled, in one transaction.
#[derive(Debug)]
pub struct Import(Reader);

impl Import {
    /// Opens or creates a file. Its folder must exist.
    ///
    /// # Errors
    /// [`LedgerError`].
    pub fn begin(path: &Path) -> Result<Self, LedgerError> {
        let (writable, _) = Writable::open(path, &Options::default())?;
        let reader = Reader::over(writable.connection);
        reader.execute("BEGIN IMMEDIATE")?;
        Ok(Self(reader))
    }

    fn run(&self, write: impl FnOnce(&rusqlite::Connection) -> Result<(), Failure>) -> Result<(), LedgerError> {
        write(self.0.connection()).map_err(|failure| self.0.error(&failure))
    }
}

impl Source for Reader {
    fn is_in_use(&self) -> Result<bool, LedgerError> {
        let path = Path::new(self.connection().path().unwrap_or_default());
        let ids = self.query("SELECT id FROM process", params![], |row| row.get(0))?;
        Ok(ids.into_iter().any(|id: i64| process::is_alive(path, id)))
    }

    fn freeze(&self) -> Result<(), LedgerError> {
        // The first read fixes what the later ones show.
        self.execute("BEGIN; SELECT count(*) FROM schema")
    }

    fn states(&self) -> Result<Vec<(Arc<str>, State)>, LedgerError> {
        let states = self.query("SELECT user, state FROM state ORDER BY user", params![], |row| {
            Ok((row.get(0)?, State::decode(row.get_ref(1)?.as_blob()?)))
        })?;
        states.into_iter().map(|(user, state)| Ok((user, state?))).collect()
    }

    fn rows_after(&self, position: Option<Position>) -> Result<Vec<(Position, LedgerRow)>, LedgerError> {
        let select = format!("{} WHERE at > ?1 ORDER BY at LIMIT ?2", columns::SELECT);
        let at = position.map_or(i64::MIN, |(at, _)| at);
        self.query(&select, params![at, PAGE], |row| columns::read(row).map(|(at, row)| ((at, 0), row)))
    }

    fn position_before(&self, query: &RowQuery) -> Result<Position, LedgerError> {
        let select =
            "SELECT at FROM usage WHERE at >= ?1 AND (?2 IS NULL OR user = ?2) ORDER BY at DESC LIMIT 1 OFFSET ?3";
        let since = query.since.map_or(i64::MIN, Timestamp::as_micros);
        let first = match query.limit {
            Some(limit) => {
                self.query(select, params![since, query.user, limit.saturating_sub(1)], |row| row.get(0))?.pop()
            }
            None => None,
        };
        // All rows, if there are fewer.
        Ok((first.unwrap_or(since).saturating_sub(1), i64::MAX))
    }

    fn all_days(&self) -> Result<Vec<Day>, LedgerError> {
        self.days(&DayQuery::default())
    }
}

impl Target for Import {
    fn contents(&self) -> &dyn Source {
        &self.0
    }

    fn add_states(&mut self, states: &[(Arc<str>, State)]) -> Result<(), LedgerError> {
        self.run(|connection| states.iter().try_for_each(|(user, state)| store::save(connection, user, state)))
    }

    fn add_rows(&mut self, rows: &[(Position, LedgerRow)]) -> Result<(), LedgerError> {
        self.run(|connection| {
            // Rows of several servers can have the same instant.
            let mut insert = columns::Insert::new(connection)?;
            Ok(rows.iter().try_for_each(|((at, _), row)| insert.insert(*at, row))?)
        })
    }

    fn add_days(&mut self, days: &[Day]) -> Result<(), LedgerError> {
        self.run(|connection| {
            days.iter().try_for_each(|day| store::add_sums(connection, day.day, &day.user, &day.model, day.sums))
        })
    }

    fn commit(self: Box<Self>) -> Result<(), LedgerError> {
        self.0.execute("COMMIT")
    }
}
