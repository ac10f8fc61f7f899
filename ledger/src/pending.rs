//! The result of a call that another thread runs.

use std::{
    fmt,
    pin::Pin,
    task::{Context, Poll},
};

use sparekey_policy::Outcome;
use tokio::sync::oneshot;

use crate::error::LedgerError;

/// The result of a call, once it is stored. The call runs whether or not this future is polled.
///
/// A reservation whose result is dropped before it was read is settled at zero, because nothing can have been sent.
pub struct Pending<T> {
    rx: Option<oneshot::Receiver<Result<T, LedgerError>>>,
    lost: Option<Lost<T>>,
}

/// What is done with a result that is not read.
type Lost<T> = Box<dyn FnOnce(T) + Send + Sync>;

/// The other end of a [`Pending`].
pub type Reply<T> = oneshot::Sender<Result<T, LedgerError>>;

impl<T> Pending<T> {
    /// Creates a result that is not there yet.
    #[must_use]
    pub fn new() -> (Reply<T>, Self) {
        let (tx, rx) = oneshot::channel();
        (tx, Self { rx: Some(rx), lost: None })
    }

    /// Creates a result that is there.
    #[must_use]
    pub fn ready(result: Result<T, LedgerError>) -> Self {
        let (tx, pending) = Self::new();
        // The receiver exists, so it is stored.
        let _ = tx.send(result);
        pending
    }

    /// Waits for the result on this thread. For programs without an async runtime.
    ///
    /// # Errors
    /// [`LedgerError`].
    ///
    /// # Panics
    /// If it is called inside an async runtime, or the result was already read.
    pub fn wait(mut self) -> Result<T, LedgerError> {
        let rx = self.rx.take().expect("the result is read once");
        rx.blocking_recv().unwrap_or(Err(LedgerError::Closed))
    }
}

impl Pending<Outcome> {
    /// Runs `undo` if the result is a grant that was not read.
    #[must_use]
    pub fn on_lost_grant(mut self, undo: impl FnOnce() + Send + Sync + 'static) -> Self {
        let lost = |outcome| {
            if matches!(outcome, Outcome::Granted { .. }) {
                undo();
            }
        };
        self.lost = Some(Box::new(lost));
        self
    }
}

impl<T> Future for Pending<T> {
    type Output = Result<T, LedgerError>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        let Some(rx) = &mut self.rx else { return Poll::Ready(Err(LedgerError::Closed)) };
        Pin::new(rx).poll(context).map(|result| {
            self.rx = None;
            result.unwrap_or(Err(LedgerError::Closed))
        })
    }
}

impl<T> Drop for Pending<T> {
    fn drop(&mut self) {
        let (Some(mut rx), Some(lost)) = (self.rx.take(), self.lost.take()) else { return };
        // From here on the sender gets its value back.
        rx.close();
        if let Ok(Ok(result)) = rx.try_recv() {
            lost(result);
        }
    }
}

impl<T> fmt::Debug for Pending<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Pending").finish_non_exhaustive()
    }
}
