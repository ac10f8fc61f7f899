//! The connection of the writer.

#[cfg(test)]
use std::sync::{
    Arc,
    atomic::{AtomicU8, Ordering},
};
use std::{
    fs::OpenOptions,
    io::ErrorKind,
    path::Path,
    thread,
    time::{Duration, Instant},
};

use rusqlite::{Connection, OpenFlags};

use super::{
    Options,
    failure::{self, Failure},
    schema,
};
use crate::error::LedgerError;

/// Between two tries to begin while another process writes. Its transaction takes about 0.3 ms.
const BUSY_PAUSE: Duration = Duration::from_micros(300);

/// The page cache, in KiB: some upper pages of each tree, and the last leaves.
const CACHE_KIB: i32 = 512;

/// The WAL file is cut to this after a checkpoint, in bytes. A checkpoint runs at 1,000 pages of 4 KiB.
const WAL_MAX: i32 = 8 << 20;

/// A connection that writes.
#[derive(Debug)]
pub(super) struct Writable {
    pub(super) connection: Connection,
    busy_timeout: Duration,
    is_synchronous: bool,
    #[cfg(test)]
    faults: Faults,
}

/// Failures of the next commit.
#[cfg(test)]
#[derive(Clone, Debug, Default)]
pub(super) struct Faults(Arc<AtomicU8>);

#[cfg(test)]
impl Faults {
    pub(super) const NOTHING_STORED: u8 = 1;
    pub(super) const STORED: u8 = 2;
    pub(super) const FULL: u8 = 3;

    pub(super) fn set(&self, fault: u8) {
        self.0.store(fault, Ordering::SeqCst);
    }
}

impl Writable {
    /// Opens, creates or migrates the file, and returns whether it was created.
    pub(super) fn open(path: &Path, options: &Options) -> Result<(Self, bool), LedgerError> {
        if options.create {
            create(path)?;
        }
        let mut this = Self::open_existing(path, options)?;
        let is_new = schema::migrate(&mut this.connection).map_err(|failure| failure.error(path))?;
        Ok((this, is_new))
    }

    /// Opens the file again after a failure. A file that is gone is not created: its counters would start at zero.
    pub(super) fn reopen(path: &Path, options: &Options) -> Result<Self, LedgerError> {
        let this = Self::open_existing(path, options)?;
        let version = schema::check(&this.connection).map_err(|failure| failure.error(path))?;
        if version.is_none() { Err(LedgerError::NotALedger(path.to_owned())) } else { Ok(this) }
    }

    fn open_existing(path: &Path, options: &Options) -> Result<Self, LedgerError> {
        if !path.exists() {
            return Err(LedgerError::Missing(path.to_owned()));
        }
        let open = || -> Result<Self, Failure> {
            // The writer alone uses it, so SQLite needs no mutex.
            let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
            let connection = Connection::open_with_flags(path, flags)?;
            connection.busy_timeout(options.busy_timeout)?;
            // Before anything is changed in it.
            schema::check(&connection)?;
            connection.pragma_update(None, "cache_size", -CACHE_KIB)?;
            connection.pragma_update(None, "journal_size_limit", WAL_MAX)?;
            connection.pragma_update(None, "synchronous", "FULL")?;
            let mode: String = connection.pragma_update_and_check(None, "journal_mode", "WAL", |row| row.get(0))?;
            if mode != "wal" {
                let error = format!("the file system supports no shared memory (journal mode {mode})");
                return Err(Failure::Known(LedgerError::Io(error)));
            }
            connection.set_prepared_statement_cache_capacity(32);
            Ok(Self {
                connection,
                busy_timeout: options.busy_timeout,
                is_synchronous: true,
                #[cfg(test)]
                faults: options.faults.clone(),
            })
        };
        open().map_err(|failure| failure.error(path))
    }

    /// Begins a transaction that writes. It waits for other processes, in short steps: SQLite's own grow to 0.1 s.
    pub(super) fn begin(&mut self, is_synchronous: bool) -> Result<(), Failure> {
        if self.is_synchronous != is_synchronous {
            // It cannot change inside a transaction.
            let level = if is_synchronous { "FULL" } else { "NORMAL" };
            self.connection.pragma_update(None, "synchronous", level)?;
            self.is_synchronous = is_synchronous;
        }
        self.connection.busy_timeout(Duration::ZERO)?;
        let started = Instant::now();
        loop {
            match self.execute("BEGIN IMMEDIATE") {
                Err(failure) if failure.is_busy() && started.elapsed() < self.busy_timeout => thread::sleep(BUSY_PAUSE),
                result => {
                    self.connection.busy_timeout(self.busy_timeout)?;
                    return result;
                }
            }
        }
    }

    /// Commits. After an error it is unknown whether the transaction is stored.
    pub(super) fn commit(&mut self) -> Result<(), Failure> {
        #[cfg(test)]
        match self.faults.0.swap(0, Ordering::SeqCst) {
            Faults::NOTHING_STORED => return Err(Failure::Known(LedgerError::Io("injected".to_owned()))),
            Faults::STORED => {
                self.execute("COMMIT")?;
                return Err(Failure::Known(LedgerError::Io("injected".to_owned())));
            }
            Faults::FULL => return Err(Failure::Known(LedgerError::Full)),
            _ => {}
        }
        self.execute("COMMIT")
    }

    /// Ends a transaction that failed. SQLite may have ended it already, which is an error here.
    pub(super) fn roll_back(&mut self) {
        if !self.connection.is_autocommit() {
            let _ = self.execute("ROLLBACK");
        }
    }

    fn execute(&self, sql: &str) -> Result<(), Failure> {
        self.connection.prepare_cached(sql)?.execute([])?;
        Ok(())
    }
}

/// Creates an empty file that only its owner can read. SQLite gives its other files the same mode.
///
/// An existing file is not opened: closing it would release the locks of this process's other connections.
fn create(path: &Path) -> Result<(), LedgerError> {
    let mut options = OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    match options.open(path) {
        Err(error) if error.kind() != ErrorKind::AlreadyExists => Err(failure::of_file(path, &error)),
        _ => Ok(()),
    }
}
