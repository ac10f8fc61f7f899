//! Opens the ledger beside a running server.

use std::{
    fs::File,
    hash::{BuildHasher as _, RandomState},
    io::ErrorKind,
    path::Path,
};

use sparekey_ledger::{LedgerError, Options, Reader, Sqlite};
use sparekey_policy::HoldId;

use super::Failure;
use crate::config::ledger::service_file;

/// Opens the ledger read-only.
///
/// # Errors
/// [`Failure::Problem`].
pub(crate) fn read(path: &Path) -> Result<Reader, Failure> {
    check_readable(path)?;
    Reader::open(path).map_err(|error| failure(path, &error))
}

/// Opens the ledger as a second process beside the server.
///
/// # Errors
/// [`Failure::Problem`].
pub(crate) fn write(path: &Path) -> Result<Sqlite, Failure> {
    // An empty file would become a ledger.
    drop(read(path)?);
    let options = Options { create: false, ..Options::default() };
    Sqlite::open(path, options).map(|opened| opened.ledger).map_err(|error| failure(path, &error))
}

/// SQLite calls every file that it cannot open by one name.
fn check_readable(path: &Path) -> Result<(), Failure> {
    match File::open(path).and_then(|file| file.metadata()) {
        Ok(metadata) if metadata.is_file() => Ok(()),
        Ok(_) => Err(Failure::Problem(format!("the ledger {} is not a file", path.display()))),
        Err(error) if error.kind() == ErrorKind::NotFound => Err(failure(path, &LedgerError::Missing(path.to_owned()))),
        Err(error) => Err(Failure::Problem(format!("cannot open the ledger {}: {error}", path.display()))),
    }
}

/// Returns the failure of a command.
pub(crate) fn failure(path: &Path, error: &LedgerError) -> Failure {
    let path = path.display();
    Failure::Problem(match error {
        LedgerError::Missing(missing) => {
            let service = service_file();
            let other = if service.exists() && service != *missing {
                format!("; that of the service is {}", service.display())
            } else {
                String::new()
            };
            format!(
                "there is no ledger {path}: the server creates it for users with budgets; set LEDGER or --ledger as for \
                 the server{other}"
            )
        }
        LedgerError::ReadOnly => {
            format!(
                "cannot write the ledger {path} or its folder, which reading needs too while no server runs; run this as the \
                 user of the server, or as root"
            )
        }
        LedgerError::NotALedger(_) => error.to_string(),
        error => format!("{path}: {error}"),
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
