//! What happens in an engine beside the results of calls, for the log and the metrics of the caller.

use std::{fmt, sync::Arc};

use sparekey_policy::{HoldId, ProcessId};

use crate::error::LedgerError;

/// Something that belongs in the log.
#[derive(Clone, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub enum Event {
    /// The clock is more than an hour behind the user's last call. The counters of the older periods count again.
    ClockBack {
        /// The user.
        user: Arc<str>,
    },
    /// The holds of a dead process were charged.
    ProcessEnded {
        /// The process.
        process: ProcessId,
        /// The number of its holds.
        count: usize,
    },
    /// A transaction failed. Its settles are kept and repeated.
    Failed(LedgerError),
    /// A settle cannot be stored. The hold of its request is charged in full at its end.
    SettleLost {
        /// The user.
        user: Arc<str>,
        /// The request.
        id: HoldId,
    },
}

/// Where events go. The function runs in the engine's thread, which waits for it.
#[derive(Clone)]
pub struct Events(Arc<dyn Fn(Event) + Send + Sync>);

impl Events {
    /// Sends events to a function.
    pub fn new(send: impl Fn(Event) + Send + Sync + 'static) -> Self {
        Self(Arc::new(send))
    }

    /// Sends an event.
    pub fn send(&self, event: Event) {
        (self.0)(event);
    }
}

/// Events that are not needed.
impl Default for Events {
    fn default() -> Self {
        Self::new(drop)
    }
}

impl fmt::Debug for Events {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Events")
    }
}
