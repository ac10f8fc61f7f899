//! The ledger, which is opened when a request needs it.

use std::{
    fmt,
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant},
};

use arc_swap::ArcSwapOption;
use sparekey_ledger::{Ledger, LedgerError};

/// After a failure, the ledger is opened again at the earliest then.
const RETRY: Duration = Duration::from_secs(1);

/// Opens the ledger of a platform. It may block for some milliseconds.
pub type OpenLedger = dyn Fn() -> Result<Arc<dyn Ledger>, LedgerError> + Send + Sync;

/// A ledger that is opened at its first use, and again after a failure.
#[derive(Clone)]
pub struct LedgerHandle(Arc<Handle>);

struct Handle {
    open: Box<OpenLedger>,
    opened: ArcSwapOption<Arc<dyn Ledger>>,
    failure: Mutex<Option<(Instant, LedgerError)>>,
}

impl LedgerHandle {
    /// Creates a handle.
    pub fn new(open: impl Fn() -> Result<Arc<dyn Ledger>, LedgerError> + Send + Sync + 'static) -> Self {
        Self(Arc::new(Handle { open: Box::new(open), opened: ArcSwapOption::empty(), failure: Mutex::default() }))
    }

    /// Creates the handle of a platform that meters no user.
    #[must_use]
    pub fn none() -> Self {
        Self::new(|| Err(LedgerError::Closed))
    }

    /// Opens the ledger, if it is not open.
    ///
    /// # Errors
    /// [`LedgerError`]; within a second, the last one again.
    pub fn open(&self) -> Result<Arc<dyn Ledger>, LedgerError> {
        let Handle { open, opened, failure } = &*self.0;
        // One thread opens it, and others wait.
        let mut failure = failure.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(ledger) = &*opened.load() {
            return Ok(Arc::clone(ledger));
        }
        if let Some((at, error)) = failure.as_ref().filter(|(at, _)| at.elapsed() < RETRY) {
            let _ = at;
            return Err(error.clone());
        }
        let ledger = open().inspect_err(|error| *failure = Some((Instant::now(), error.clone())))?;
        opened.store(Some(Arc::new(Arc::clone(&ledger))));
        Ok(ledger)
    }

    /// Returns the ledger if it is open.
    #[must_use]
    pub fn opened(&self) -> Option<Arc<dyn Ledger>> {
        self.0.opened.load().as_deref().map(Arc::clone)
    }

    pub(crate) async fn get(&self) -> Result<Arc<dyn Ledger>, LedgerError> {
        let handle = self.clone();
        tokio::task::spawn_blocking(move || handle.open()).await.unwrap_or(Err(LedgerError::Closed))
    }
}

impl fmt::Debug for LedgerHandle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("LedgerHandle")
    }
}
