//! SQLite's errors, by what an owner can do.

use std::{
    io::{self, ErrorKind},
    path::Path,
};

use rusqlite::ErrorCode;

use crate::error::LedgerError;

/// Why work on the file failed.
#[derive(Debug)]
pub(super) enum Failure {
    /// An error of SQLite.
    Sqlite(rusqlite::Error),
    /// The file has other tables.
    NotALedger,
    /// Anything with a name already.
    Known(LedgerError),
}

impl Failure {
    /// Returns the error for callers.
    pub(super) fn error(&self, path: &Path) -> LedgerError {
        match self {
            Self::Sqlite(error) => match error.sqlite_error_code() {
                Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked) => LedgerError::Busy,
                Some(ErrorCode::DiskFull) => LedgerError::Full,
                Some(ErrorCode::ReadOnly | ErrorCode::PermissionDenied) => LedgerError::ReadOnly,
                Some(ErrorCode::DatabaseCorrupt) => LedgerError::Corrupt(error.to_string()),
                Some(ErrorCode::NotADatabase) => LedgerError::NotALedger(path.to_owned()),
                _ => LedgerError::Io(error.to_string()),
            },
            Self::NotALedger => LedgerError::NotALedger(path.to_owned()),
            Self::Known(error) => error.clone(),
        }
    }

    /// Whether another process held the lock. Nothing was written.
    pub(super) fn is_busy(&self) -> bool {
        matches!(self, Self::Sqlite(error) if error.sqlite_error_code() == Some(ErrorCode::DatabaseBusy))
    }

    /// Whether the connection can be used on. That to a file which was moved must not be closed: SQLite would remove files
    /// beside the path, which may belong to another ledger now.
    pub(super) fn keeps_connection(&self) -> bool {
        self.is_busy() || matches!(self, Self::Known(LedgerError::Missing(_) | LedgerError::Replaced(_)))
    }

    /// Whether the failure may be caused by one call of a batch: all that is no state of the file or of its disk.
    pub(super) fn can_be_of_one_call(&self) -> bool {
        let Self::Sqlite(error) = self else { return false };
        match error.sqlite_error_code() {
            None => true,
            Some(code) => matches!(
                code,
                ErrorCode::ConstraintViolation
                    | ErrorCode::TypeMismatch
                    | ErrorCode::TooBig
                    | ErrorCode::ParameterOutOfRange
                    | ErrorCode::Unknown
            ),
        }
    }
}

/// Returns the error of a file that cannot be created or locked.
pub(super) fn of_file(path: &Path, error: &io::Error) -> LedgerError {
    match error.kind() {
        ErrorKind::ReadOnlyFilesystem | ErrorKind::PermissionDenied => LedgerError::ReadOnly,
        ErrorKind::StorageFull => LedgerError::Full,
        _ => LedgerError::Io(format!("{}: {error}", path.display())),
    }
}

impl From<rusqlite::Error> for Failure {
    fn from(error: rusqlite::Error) -> Self {
        Self::Sqlite(error)
    }
}
