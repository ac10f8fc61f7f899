//! Why an engine cannot run a call.

use std::{path::PathBuf, sync::Arc};

use sparekey_policy::StateError;

/// Why an engine cannot run a call. Of a reservation nothing is granted, and nothing may be sent: if its result is unknown, the
/// engine settles it at zero as soon as it can.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum LedgerError {
    /// Another process kept the ledger locked for too long.
    #[error("the ledger is locked by another process: try again, or end the transaction that locks it")]
    Busy,
    /// Another process kept the state of this user locked for too long, or was faster in each of several tries, or too many
    /// calls waited. Other users are not affected.
    #[error("the ledger cannot change the state of user {0} in time: another process holds it, or too many calls wait")]
    UserBusy(Arc<str>),
    /// The database does not respond in time, or refuses connections.
    #[error("the database of the ledger cannot be reached: {0}")]
    Unreachable(String),
    /// The database takes no changes.
    #[error("the database of the ledger is read-only: it is a standby, or default_transaction_read_only is set")]
    ReadOnlyDatabase,
    /// There is no space for the change.
    #[error("the disk of the ledger is full")]
    Full,
    /// The file, its folder or its file system cannot be written.
    #[error("the ledger or its folder is read-only: give the proxy write access to both")]
    ReadOnly,
    /// The file is damaged.
    #[error("the ledger is damaged ({0}): restore a copy, or move the file away to start with a new ledger")]
    Corrupt(String),
    /// The file is not a ledger.
    #[error("{} is not a ledger of Sparekey: set LEDGER to another file", .0.display())]
    NotALedger(PathBuf),
    /// The file does not exist, and must not be created here.
    #[error("the ledger {} does not exist: move the file back, or restart the server to create it", .0.display())]
    Missing(PathBuf),
    /// The path names another file than the one that was opened.
    #[error("the ledger {} was replaced: move the file back, or restart the server to use the new one", .0.display())]
    Replaced(PathBuf),
    /// A newer version wrote the file in a way that this one must not read.
    #[error("the ledger needs version {needed} of its schema, this program has {supported}: use a newer release")]
    TooNew {
        /// The oldest schema version that may open the file.
        needed: u32,
        /// The schema version of this program.
        supported: u32,
    },
    /// The stored state of the user is invalid. Other users are not affected.
    #[error("the state of this user is invalid ({0}): use the newest release, or restore a copy of the ledger")]
    State(#[from] StateError),
    /// Too many calls wait.
    #[error("the ledger is overloaded: {0} calls wait")]
    Overloaded(usize),
    /// The engine was closed.
    #[error("the ledger is closed: restart the proxy, if it is not being stopped")]
    Closed,
    /// Any other failure, such as one of the disk.
    #[error("the ledger failed: {0}")]
    Io(String),
}

impl LedgerError {
    /// Whether the cause is the state of one user, so that calls of other users may succeed.
    #[must_use]
    pub fn affects_one_user(&self) -> bool {
        matches!(self, Self::UserBusy(_) | Self::State(_))
    }
}
