//! Processes that use the file, and which of them are dead.
//!
//! A process takes the lock on its own file first, and is registered in the table after that. So a registered process whose
//! lock is free, or whose file is gone, is dead. The kernel releases the lock at any end of the process.

use std::{
    fs::{self, File, TryLockError},
    path::{Path, PathBuf},
};

use rusqlite::Connection;
use sparekey_policy::ProcessId;

use super::failure::{self, Failure};
use crate::ids;

/// This process.
#[derive(Debug)]
pub(super) struct Process {
    id: ProcessId,
    ledger: PathBuf,
    lock: Option<File>,
}

impl Process {
    /// Names this process.
    pub(super) fn new(ledger: &Path) -> Self {
        Self { id: ids::new_process(), ledger: ledger.to_owned(), lock: None }
    }

    pub(super) fn id(&self) -> ProcessId {
        self.id
    }

    /// Whether the process is registered and its lock file is there.
    pub(super) fn is_registered(&self, connection: &Connection) -> Result<bool, Failure> {
        let mut select = connection.prepare_cached("SELECT EXISTS (SELECT 1 FROM process WHERE id = ?1)")?;
        let is_registered: bool = select.query_row([self.id.0.cast_signed()], |row| row.get(0))?;
        Ok(is_registered && self.lock.is_some() && lock_path(&self.ledger, self.id).exists())
    }

    /// Takes the lock and registers the process, inside a transaction. It can be repeated.
    pub(super) fn register(&mut self, connection: &Connection) -> Result<(), Failure> {
        let path = lock_path(&self.ledger, self.id);
        if self.lock.is_none() || !path.exists() {
            let file = File::create(&path).and_then(|file| file.lock().map(|()| file));
            self.lock = Some(file.map_err(|error| Failure::Known(failure::of_file(&path, &error)))?);
        }
        let insert = "INSERT INTO process VALUES (?1) ON CONFLICT DO NOTHING";
        connection.prepare_cached(insert)?.execute([self.id.0.cast_signed()])?;
        Ok(())
    }

    /// Returns the registered processes that are dead.
    pub(super) fn dead(&self, connection: &Connection) -> Result<Vec<ProcessId>, Failure> {
        let mut select = connection.prepare_cached("SELECT id FROM process")?;
        let ids = select.query_map([], |row| row.get(0))?.collect::<Result<Vec<i64>, _>>()?;
        let others = ids.into_iter().map(|id| ProcessId(id.cast_unsigned())).filter(|id| *id != self.id);
        Ok(others.filter(|id| is_dead(&lock_path(&self.ledger, *id))).collect())
    }

    /// Removes a process that has no holds any more, inside a transaction.
    pub(super) fn remove(connection: &Connection, id: ProcessId) -> Result<(), Failure> {
        connection.execute("DELETE FROM process WHERE id = ?1", [id.0.cast_signed()])?;
        Ok(())
    }

    /// Removes the lock file of a process that is no longer registered.
    pub(super) fn remove_lock(&self, id: ProcessId) {
        // A file that stays is only litter.
        let _ = fs::remove_file(lock_path(&self.ledger, id));
    }
}

/// Whether a registered process lives.
pub(super) fn is_alive(ledger: &Path, id: i64) -> bool {
    !is_dead(&lock_path(ledger, ProcessId(id.cast_unsigned())))
}

/// A lock that cannot be tried counts as held: the holds expire at their end then.
fn is_dead(lock: &Path) -> bool {
    match File::options().write(true).open(lock) {
        Ok(file) => match file.try_lock() {
            Ok(()) => true,
            Err(TryLockError::WouldBlock | TryLockError::Error(_)) => false,
        },
        Err(error) => error.kind() == std::io::ErrorKind::NotFound,
    }
}

fn lock_path(ledger: &Path, id: ProcessId) -> PathBuf {
    let mut name = ledger.as_os_str().to_owned();
    name.push(format!(".{:016x}.lock", id.0));
    PathBuf::from(name)
}
