//! Which file a path names, so that a ledger that was moved away or replaced is noticed.

use std::{fs, path::Path};

use super::failure;
use crate::error::LedgerError;

/// A file of a file system.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) struct FileId {
    device: u64,
    number: u64,
}

impl FileId {
    /// # Errors
    /// [`LedgerError::Missing`], and those of the file system.
    pub(super) fn of(path: &Path) -> Result<Self, LedgerError> {
        match fs::metadata(path) {
            Ok(metadata) => Ok(Self::from(&metadata)),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Err(LedgerError::Missing(path.to_owned())),
            Err(error) => Err(failure::of_file(path, &error)),
        }
    }

    /// Checks that a path still names this file. What is written to another file is lost for the next process, and its budgets
    /// start again.
    ///
    /// # Errors
    /// [`LedgerError::Missing`], [`LedgerError::Replaced`].
    pub(super) fn check(self, path: &Path) -> Result<(), LedgerError> {
        if Self::of(path)? == self { Ok(()) } else { Err(LedgerError::Replaced(path.to_owned())) }
    }
}

#[cfg(unix)]
impl From<&fs::Metadata> for FileId {
    fn from(metadata: &fs::Metadata) -> Self {
        use std::os::unix::fs::MetadataExt as _;
        Self { device: metadata.dev(), number: metadata.ino() }
    }
}

/// Other systems do not move a file that is open.
#[cfg(not(unix))]
impl From<&fs::Metadata> for FileId {
    fn from(_: &fs::Metadata) -> Self {
        Self { device: 0, number: 0 }
    }
}
