//! Opens the ledger beside a running server or function.

use std::{iter, sync::Arc};

use sparekey_ledger::{
    Day, DayQuery, Ledger, LedgerError, LedgerRow, RowQuery,
    copy::{Position, pages, pages_of},
};
use sparekey_policy::{HoldId, Limits, Report, Timestamp};

use super::{Failure, dynamodb, server_ledger};
use crate::config::ledger::Location;

/// A ledger that is read.
pub(crate) enum Reader {
    Server(Box<server_ledger::Reader>),
    DynamoDb(Box<dynamodb::Reader>),
}

/// Up to so many rows are one page.
const PAGE: u32 = 1_000;

/// Rows, some at a time.
type Pages<'a> = Box<dyn Iterator<Item = Result<Vec<LedgerRow>, LedgerError>> + 'a>;

/// Each engine's reader has the same queries.
macro_rules! of_reader {
    ($($name:ident($($argument:ident: $type:ty),*) -> $result:ty;)*) => {
        $(pub(crate) fn $name(&self, $($argument: $type),*) -> Result<$result, LedgerError> {
            match self {
                Self::Server(reader) => match &**reader {
                    server_ledger::Reader::File(reader) => reader.$name($($argument),*),
                    server_ledger::Reader::Postgres(reader) => reader.$name($($argument),*),
                },
                Self::DynamoDb(reader) => reader.$name($($argument),*),
            }
        })*
    };
}

impl Reader {
    of_reader! {
        days(query: &DayQuery) -> Vec<Day>;
        rows(query: &RowQuery) -> Vec<LedgerRow>;
        row(id: HoldId) -> Option<LedgerRow>;
        report(user: &str, limits: &Limits, now: Timestamp) -> Option<Report>;
    }

    /// Returns the rows of a query in the order in which they were written, some at a time. Stop at the first error.
    ///
    /// # Errors
    /// [`LedgerError`], if the ledger cannot be read.
    pub(crate) fn pages_of<'a>(&'a self, query: &'a RowQuery) -> Result<Pages<'a>, LedgerError> {
        if is_one_page(query) {
            return Ok(Box::new(iter::once(self.rows(query))));
        }
        match self {
            Self::Server(reader) => Ok(Box::new(pages_of(reader.contents(), query)?)),
            Self::DynamoDb(reader) => Ok(Box::new(reader.pages_of(query)?)),
        }
    }

    /// Returns the rows that were written at an instant or later, some at a time, in any order. Stop at the first error.
    ///
    /// # Errors
    /// [`LedgerError`], if the ledger cannot be read.
    pub(crate) fn rows_since(&self, since: Timestamp) -> Result<Pages<'_>, LedgerError> {
        let source = match self {
            Self::Server(reader) => reader.contents(),
            Self::DynamoDb(reader) => return Ok(Box::new(reader.rows_since(since)?)),
        };
        let before = (since.as_micros() - 1, i64::MAX);
        let rows = |page: Vec<(Position, LedgerRow)>| page.into_iter().map(|(_, row)| row).collect();
        Ok(Box::new(pages(source, Some(before)).map(move |page| page.map(rows))))
    }
}

/// Whether [`Reader::pages_of`] returns all rows at once.
pub(crate) fn is_one_page(query: &RowQuery) -> bool {
    query.limit.is_some_and(|limit| limit <= PAGE)
}

/// Opens the ledger read-only.
///
/// # Errors
/// [`Failure`].
pub(crate) fn read(location: &Location) -> Result<Reader, Failure> {
    match location {
        Location::Server(ledger) => server_ledger::read(ledger).map(|reader| Reader::Server(Box::new(reader))),
        Location::DynamoDb(name) => dynamodb::read(name).map(|reader| Reader::DynamoDb(Box::new(reader))),
    }
}

/// Opens the ledger as a second process beside the server or function.
///
/// # Errors
/// [`Failure`].
pub(crate) fn write(location: &Location) -> Result<Arc<dyn Ledger>, Failure> {
    let name = match location {
        Location::Server(ledger) => return server_ledger::write(ledger),
        Location::DynamoDb(name) => name,
    };
    // An empty table would become a ledger.
    if !dynamodb::read(name)?.has_users().map_err(|error| failure(location, &error))? {
        return Err(Failure::Problem(format!(
            "{location} is no ledger yet: the function makes it one with the first request of a user with a budget; check the \
             name of the table, AWS_REGION and the account"
        )));
    }
    dynamodb::write(name).map(|ledger| Arc::new(ledger) as _)
}

/// Returns the failure of a command.
pub(crate) fn failure(location: &Location, error: &LedgerError) -> Failure {
    match location {
        Location::Server(ledger) => server_ledger::failure(ledger, error),
        Location::DynamoDb(_) => Failure::Problem(format!("{location}: {error}")),
    }
}
