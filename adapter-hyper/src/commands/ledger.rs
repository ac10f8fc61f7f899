//! Opens the ledger beside a running server.

use std::{
    fs::File,
    hash::{BuildHasher as _, RandomState},
    io::ErrorKind,
    iter,
    path::Path,
    sync::Arc,
};

use sparekey_ledger::{
    Day, DayQuery, Ledger, LedgerError, LedgerRow, Options, RowQuery, Sqlite,
    copy::{Position, Source, pages},
    postgres::{self, Postgres},
};
use sparekey_policy::{HoldId, Limits, Report, Timestamp};

use super::{Failure, dynamodb};
use crate::config::ledger::{Location, service_file};

/// A ledger that is read.
pub(crate) enum Reader {
    File(sparekey_ledger::Reader),
    Postgres(postgres::Reader),
    DynamoDb(Box<dynamodb::Reader>),
}

/// Each engine's reader has the same queries.
macro_rules! of_reader {
    ($($name:ident($($argument:ident: $type:ty),*) -> $result:ty;)*) => {
        $(pub(crate) fn $name(&self, $($argument: $type),*) -> Result<$result, LedgerError> {
            match self {
                Self::File(reader) => reader.$name($($argument),*),
                Self::Postgres(reader) => reader.$name($($argument),*),
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

    /// Returns all that it contains.
    ///
    /// # Errors
    /// [`Failure::Usage`] for a DynamoDB table, which cannot be copied.
    pub(crate) fn contents(&self) -> Result<&dyn Source, Failure> {
        match self {
            Self::File(reader) => Ok(reader),
            Self::Postgres(reader) => Ok(reader),
            Self::DynamoDb(_) => Err(Failure::Usage(dynamodb::NOT_COPIED.to_owned())),
        }
    }

    /// Returns the rows that were written at an instant or later, some at a time.
    pub(crate) fn rows_since(
        &self,
        since: Timestamp,
    ) -> Box<dyn Iterator<Item = Result<Vec<LedgerRow>, LedgerError>> + '_> {
        let source: &dyn Source = match self {
            Self::File(reader) => reader,
            Self::Postgres(reader) => reader,
            Self::DynamoDb(reader) => {
                let query = RowQuery { since: Some(since), ..RowQuery::default() };
                return Box::new(iter::once_with(move || reader.rows(&query)));
            }
        };
        let before = (since.as_micros() - 1, i64::MAX);
        let rows = |page: Vec<(Position, LedgerRow)>| page.into_iter().map(|(_, row)| row).collect();
        Box::new(pages(source, Some(before)).map(move |page| page.map(rows)))
    }
}

/// Opens the ledger read-only.
///
/// # Errors
/// [`Failure::Problem`].
pub(crate) fn read(location: &Location) -> Result<Reader, Failure> {
    let reader = match location {
        Location::File(path) => {
            check_readable(path)?;
            sparekey_ledger::Reader::open(path).map(Reader::File)
        }
        Location::Postgres(address) => postgres::Reader::open(address.expose()).map(Reader::Postgres),
        Location::DynamoDb(name) => return dynamodb::read(name).map(|reader| Reader::DynamoDb(Box::new(reader))),
    };
    reader.map_err(|error| failure(location, &error))
}

/// Opens the ledger as a second process beside the server.
///
/// # Errors
/// [`Failure::Problem`].
pub(crate) fn write(location: &Location) -> Result<Arc<dyn Ledger>, Failure> {
    // An empty file, database or table would become a ledger.
    if let Reader::DynamoDb(reader) = read(location)?
        && !reader.has_users().map_err(|error| failure(location, &error))?
    {
        return Err(Failure::Problem(format!(
            "{location} is no ledger yet: the function makes it one with the first request of a user with a budget; check the \
             name of the table, AWS_REGION and the account"
        )));
    }
    let ledger: Result<Arc<dyn Ledger>, _> = match location {
        Location::File(path) => {
            let options = Options { create: false, ..Options::default() };
            Sqlite::open(path, options).map(|opened| Arc::new(opened.ledger) as _)
        }
        Location::Postgres(address) => {
            let options = postgres::Options { connections: 1, ..postgres::Options::default() };
            Postgres::open(address.expose(), options).map(|opened| Arc::new(opened.ledger) as _)
        }
        Location::DynamoDb(name) => return dynamodb::write(name).map(|ledger| Arc::new(ledger) as _),
    };
    ledger.map_err(|error| failure(location, &error))
}

/// SQLite calls every file that it cannot open by one name.
fn check_readable(path: &Path) -> Result<(), Failure> {
    match File::open(path).and_then(|file| file.metadata()) {
        Ok(metadata) if metadata.is_file() => Ok(()),
        Ok(_) => Err(Failure::Problem(format!("the ledger {} is not a file", path.display()))),
        Err(error) if error.kind() == ErrorKind::NotFound => {
            let location = Location::File(path.to_owned());
            Err(failure(&location, &LedgerError::Missing(path.to_owned())))
        }
        Err(error) => Err(Failure::Problem(format!("cannot open the ledger {}: {error}", path.display()))),
    }
}

/// Returns the failure of a command.
pub(crate) fn failure(location: &Location, error: &LedgerError) -> Failure {
    Failure::Problem(match error {
        LedgerError::Missing(missing) => {
            let service = service_file();
            let other = if service.exists() && service != *missing {
                format!("; that of the service is {}", service.display())
            } else {
                String::new()
            };
            format!(
                "there is no ledger {location}: the server creates it for users with budgets; set LEDGER or --ledger as for \
                 the server{other}"
            )
        }
        LedgerError::ReadOnly => {
            format!(
                "cannot write the ledger {location} or its folder, which reading needs too while no server runs; run this as the \
                 user of the server, or as root"
            )
        }
        LedgerError::NotALedger(_) => error.to_string(),
        error => match location {
            Location::File(path) => format!("{}: {error}", path.display()),
            // The error names the database.
            Location::Postgres(_) => error.to_string(),
            Location::DynamoDb(_) => format!("{location}: {error}"),
        },
    })
}

/// Returns an id that is not in use: 128 random bits, from the keys of the standard library's hashes.
pub(crate) fn new_id() -> HoldId {
    let half = || u128::from(RandomState::new().hash_one(()));
    HoldId((half() << 64) | half())
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn ids_are_distinct() {
        let halves = |HoldId(id)| [id >> 64, id & u128::from(u64::MAX)];
        let ids: HashSet<_> = (0..1_000).flat_map(|_| halves(new_id())).collect();
        assert_eq!(ids.len(), 2_000);
    }
}
