//! The ledger of a server, opened beside it.

use std::{
    fs::{self, File},
    io::ErrorKind,
    path::Path,
    sync::Arc,
};

use sparekey_ledger::{
    Ledger, LedgerError, Options, Sqlite,
    copy::Source,
    postgres::{self, Postgres},
};

use super::Failure;
use crate::config::ledger::{ServerLedger, is_default, link_target, service_file};

/// A ledger that is read.
pub(crate) enum Reader {
    File(sparekey_ledger::Reader),
    Postgres(postgres::Reader),
}

impl Reader {
    /// Returns all that it contains.
    pub(crate) fn contents(&self) -> &dyn Source {
        match self {
            Self::File(reader) => reader,
            Self::Postgres(reader) => reader,
        }
    }
}

/// Opens the ledger read-only.
///
/// # Errors
/// [`Failure::Problem`].
pub(crate) fn read(ledger: &ServerLedger) -> Result<Reader, Failure> {
    let reader = match ledger {
        ServerLedger::File(path) => {
            check_readable(path)?;
            sparekey_ledger::Reader::open(path).map(Reader::File)
        }
        ServerLedger::Postgres(address) => postgres::Reader::open(address.expose()).map(Reader::Postgres),
    };
    reader.map_err(|error| failure(ledger, &error))
}

/// Opens the ledger as a second process beside the server. An empty file or database does not become a ledger.
///
/// # Errors
/// [`Failure::Problem`].
pub(crate) fn write(ledger: &ServerLedger) -> Result<Arc<dyn Ledger>, Failure> {
    read(ledger)?;
    let opened: Result<Arc<dyn Ledger>, _> = match ledger {
        ServerLedger::File(path) => {
            let options = Options { create: false, ..Options::default() };
            Sqlite::open(path, options).map(|opened| Arc::new(opened.ledger) as _)
        }
        ServerLedger::Postgres(address) => {
            let options = postgres::Options { connections: 1, ..postgres::Options::default() };
            Postgres::open(address.expose(), options).map(|opened| Arc::new(opened.ledger) as _)
        }
    };
    opened.map_err(|error| failure(ledger, &error))
}

/// Checks that the ledger can be read, or that a new one has a folder. A database is asked only if the network may be used:
/// whether a server could create the tables, or write them.
///
/// # Errors
/// [`Failure::Problem`].
pub(crate) fn check(ledger: &ServerLedger, is_online: bool) -> Result<(), Failure> {
    match ledger {
        ServerLedger::Postgres(_) if !is_online => Ok(()),
        ServerLedger::Postgres(address) => postgres::check(address.expose()).map_err(|error| failure(ledger, &error)),
        ServerLedger::File(path) if !path.exists() => {
            let target = link_target(path);
            let target = target.map_err(|error| Failure::Problem(format!("the ledger {}: {error}", path.display())))?;
            check_creatable(&target)
        }
        // The server makes an empty file a ledger.
        ServerLedger::File(path) if path.metadata().is_ok_and(|file| file.is_file() && file.len() == 0) => Ok(()),
        ServerLedger::File(_) => read(ledger).map(drop),
    }
}

fn check_creatable(path: &Path) -> Result<(), Failure> {
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    if folder.is_dir() || is_default(path) {
        return Ok(());
    }
    Err(Failure::Problem(format!(
        "the ledger {} cannot be created, so users with budgets would be refused: {} is not a folder; create it, or set LEDGER",
        path.display(),
        folder.display()
    )))
}

/// SQLite calls every file that it cannot open by one name.
fn check_readable(path: &Path) -> Result<(), Failure> {
    // Opening a pipe would wait for its writer.
    match fs::metadata(path).and_then(|file| if file.is_file() { File::open(path).map(|_| true) } else { Ok(false) }) {
        Ok(true) => Ok(()),
        Ok(false) => Err(Failure::Problem(format!("the ledger {} is not a file", path.display()))),
        Err(error) if error.kind() == ErrorKind::NotFound => {
            let ledger = ServerLedger::File(path.to_owned());
            Err(failure(&ledger, &LedgerError::Missing(path.to_owned())))
        }
        Err(error) => Err(Failure::Problem(format!("cannot open the ledger {}: {error}", path.display()))),
    }
}

/// Returns the failure of a command.
pub(crate) fn failure(ledger: &ServerLedger, error: &LedgerError) -> Failure {
    Failure::Problem(match error {
        LedgerError::Missing(missing) => {
            let service = service_file();
            let other = if service.exists() && service != *missing {
                format!("; that of the service is {}", service.display())
            } else {
                String::new()
            };
            format!(
                "there is no ledger {ledger}: the server creates it for users with budgets; set LEDGER or --ledger as for \
                 the server{other}"
            )
        }
        LedgerError::ReadOnly => {
            format!(
                "cannot write the ledger {ledger} or its folder, which reading needs too while no server runs; run this as the \
                 user of the server, or as root"
            )
        }
        LedgerError::NotALedger(_) => error.to_string(),
        error => match ledger {
            ServerLedger::File(path) => format!("{}: {error}", path.display()),
            // The error names the database.
            ServerLedger::Postgres(_) => error.to_string(),
        },
    })
}
