//! The ledger, which is opened when a request needs it.

use std::{
    fmt,
    panic::{self, AssertUnwindSafe},
    sync::{Arc, Mutex, PoisonError},
    thread,
    time::{Duration, Instant},
};

use arc_swap::ArcSwapOption;
use sparekey_ledger::{Ledger, LedgerError};
use tokio::time::sleep;

/// After a failure, the ledger is opened again at the earliest then.
const RETRY: Duration = Duration::from_secs(1);
/// Requests wait so long for a ledger that is being opened: a file takes milliseconds, and a database that does not respond takes
/// long. Those that come later wait no more.
const WAIT: Duration = Duration::from_millis(250);
const POLL: Duration = Duration::from_millis(2);

/// Opens the ledger of a platform. It may block.
pub type OpenLedger = dyn Fn() -> Result<Arc<dyn Ledger>, LedgerError> + Send + Sync;

/// A ledger that is opened at its first use, and again after a failure.
#[derive(Clone)]
pub struct LedgerHandle(Arc<Handle>);

struct Handle {
    open: Box<OpenLedger>,
    opened: ArcSwapOption<Arc<dyn Ledger>>,
    attempt: Mutex<Attempt>,
}

/// The last try to open the ledger.
#[derive(Default)]
enum Attempt {
    #[default]
    None,
    Running(Instant),
    Failed(Instant, LedgerError),
}

impl LedgerHandle {
    /// Creates a handle.
    pub fn new(open: impl Fn() -> Result<Arc<dyn Ledger>, LedgerError> + Send + Sync + 'static) -> Self {
        Self(Arc::new(Handle { open: Box::new(open), opened: ArcSwapOption::empty(), attempt: Mutex::default() }))
    }

    /// Creates the handle of a ledger that needs no opening.
    #[must_use]
    pub fn ready(ledger: Arc<dyn Ledger>) -> Self {
        let handle = Self::none();
        handle.0.opened.store(Some(Arc::new(ledger)));
        handle
    }

    /// Creates the handle of a platform that meters no user.
    #[must_use]
    pub fn none() -> Self {
        Self::new(|| Err(LedgerError::Closed))
    }

    /// Starts to open the ledger, if it is not open, and waits at most so long.
    ///
    /// # Errors
    /// [`LedgerError`]; [`LedgerError::Unreachable`] if it takes longer. It is opened nevertheless then.
    pub fn open(&self, wait: Duration) -> Result<(), LedgerError> {
        let started = Instant::now();
        self.start();
        loop {
            if let Some(result) = self.result() {
                return result.map(drop);
            }
            if started.elapsed() >= wait {
                return Err(too_slow());
            }
            thread::sleep(POLL);
        }
    }

    /// Returns the ledger if it is open.
    #[must_use]
    pub fn opened(&self) -> Option<Arc<dyn Ledger>> {
        self.0.opened.load().as_deref().map(Arc::clone)
    }

    pub(crate) async fn get(&self) -> Result<Arc<dyn Ledger>, LedgerError> {
        loop {
            if let Some(result) = self.result() {
                return result;
            }
            if self.start().elapsed() >= WAIT {
                return Err(too_slow());
            }
            sleep(POLL).await;
        }
    }

    /// The open ledger, or why it could not be opened just now.
    fn result(&self) -> Option<Result<Arc<dyn Ledger>, LedgerError>> {
        if let Some(ledger) = self.opened() {
            return Some(Ok(ledger));
        }
        match &*self.attempt() {
            Attempt::Failed(at, error) if at.elapsed() < RETRY => Some(Err(error.clone())),
            _ => None,
        }
    }

    /// Opens the ledger in a thread of its own, unless one does so already. Returns when it began.
    fn start(&self) -> Instant {
        let started = Instant::now();
        {
            let mut attempt = self.attempt();
            if let Attempt::Running(before) = *attempt {
                return before;
            }
            *attempt = Attempt::Running(started);
        }
        let handle = self.clone();
        let spawned = thread::Builder::new().name("open-ledger".to_owned()).spawn(move || {
            let result = panic::catch_unwind(AssertUnwindSafe(|| match handle.opened() {
                Some(_) => Ok(()),
                None => (handle.0.open)().map(|ledger| handle.0.opened.store(Some(Arc::new(ledger)))),
            }));
            handle.ended(result.unwrap_or_else(|_| Err(LedgerError::Io("a panic while it was opened".to_owned()))));
        });
        if let Err(error) = spawned {
            self.ended(Err(LedgerError::Io(format!("no thread can open it: {error}"))));
        }
        started
    }

    fn ended(&self, result: Result<(), LedgerError>) {
        *self.attempt() = match result {
            Ok(()) => Attempt::None,
            Err(error) => Attempt::Failed(Instant::now(), error),
        };
    }

    fn attempt(&self) -> std::sync::MutexGuard<'_, Attempt> {
        self.0.attempt.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn too_slow() -> LedgerError {
    LedgerError::Unreachable("it is being opened".to_owned())
}

impl fmt::Debug for LedgerHandle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("LedgerHandle")
    }
}

#[cfg(test)]
mod tests {
    use std::{
        pin::pin,
        sync::{
            atomic::{AtomicUsize, Ordering},
            mpsc,
        },
        task::Poll,
    };

    use sparekey_ledger::{Clock, Memory};
    use sparekey_policy::ProcessId;

    use super::*;

    fn memory() -> Arc<dyn Ledger> {
        Arc::new(Memory::new(Clock::default(), ProcessId(1)))
    }

    #[test]
    fn one_thread_opens_it() {
        let (release, gate) = mpsc::channel::<()>();
        let (gate, opens) = (Mutex::new(gate), Arc::new(AtomicUsize::new(0)));
        let count = Arc::clone(&opens);
        let handle = LedgerHandle::new(move || {
            count.fetch_add(1, Ordering::SeqCst);
            gate.lock().unwrap().recv().unwrap();
            Ok(memory())
        });
        assert_eq!(handle.open(Duration::ZERO), Err(too_slow()));
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        // A request does not wait for it to the end, and the next ones not at all.
        assert_eq!(runtime.block_on(handle.get()).err(), Some(too_slow()));
        let first_poll = std::future::poll_fn(|cx| Poll::Ready(pin!(handle.get()).poll(cx)));
        assert!(matches!(runtime.block_on(first_poll), Poll::Ready(Err(error)) if error == too_slow()));
        release.send(()).unwrap();
        while handle.opened().is_none() {
            thread::yield_now();
        }
        assert!(runtime.block_on(handle.get()).is_ok());
        assert_eq!(opens.load(Ordering::SeqCst), 1);
    }

    #[test]
    fn failure_is_returned_again() {
        let handle = LedgerHandle::new(|| Err(LedgerError::Full));
        assert_eq!(handle.open(Duration::from_secs(60)), Err(LedgerError::Full));
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        assert_eq!(runtime.block_on(handle.get()).err(), Some(LedgerError::Full));
    }

    #[test]
    fn panic_is_a_failure() {
        let handle = LedgerHandle::new(|| panic!("in the engine"));
        assert_eq!(
            handle.open(Duration::from_secs(60)),
            Err(LedgerError::Io("a panic while it was opened".to_owned()))
        );
    }

    #[test]
    fn open_waits_for_an_attempt_that_runs() {
        let (release, gate) = mpsc::channel::<()>();
        let gate = Mutex::new(gate);
        let handle = LedgerHandle::new(move || {
            gate.lock().unwrap().recv().unwrap();
            Ok(memory())
        });
        handle.start();
        thread::scope(|scope| {
            let opened = scope.spawn(|| handle.open(Duration::from_secs(60)));
            release.send(()).unwrap();
            assert_eq!(opened.join().unwrap(), Ok(()));
        });
    }
}
