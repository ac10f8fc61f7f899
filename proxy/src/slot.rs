//! A place among the open requests of a user.

use std::{
    fmt,
    sync::{Arc, Mutex},
};

use sparekey_ledger::{Call, Ledger};
use sparekey_policy::{Command, HoldId, Limits, State, Usd};

use crate::{clock::SteadyClock, user_states};

/// A place that is held until it is dropped.
pub(crate) enum Slot {
    /// In memory.
    Memory {
        /// The clock of the state.
        clock: Arc<SteadyClock>,
        /// The user's state.
        state: Arc<Mutex<State>>,
        /// The limits of the state.
        limits: Limits,
        /// The name of the place.
        id: HoldId,
    },
    /// In the ledger.
    Ledger {
        /// It keeps the call until it is stored.
        ledger: Arc<dyn Ledger>,
        /// The call that gives the place back.
        end: Call,
    },
}

impl Drop for Slot {
    fn drop(&mut self) {
        match self {
            Self::Memory { clock, state, limits, id } => {
                let end = Command::Settle { id: *id, amount: Usd::ZERO, tokens: 0 };
                user_states::run(state, limits, clock.now(), &end);
            }
            Self::Ledger { ledger, end } => drop(ledger.run(end.clone())),
        }
    }
}

impl fmt::Debug for Slot {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Slot")
    }
}
