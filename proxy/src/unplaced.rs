//! A request whose place is counted in the ledger.

use sparekey_core::UserKey;
use sparekey_ledger::LedgerError;

use crate::{Deadline, Decision, Proxy, Unread, body::Body, user_requests::OpenRequest};

/// A request that needs a place in the ledger before anything of it is read.
#[derive(Debug)]
pub struct Unplaced(pub(crate) Unread);

impl Unplaced {
    /// Takes the count of the request for its user, which ends when it is dropped.
    pub fn take_open(&mut self) -> Option<OpenRequest> {
        self.0.take_open()
    }

    /// Sets when the platform ends the request.
    pub fn set_deadline(&mut self, deadline: Deadline) {
        self.0.set_deadline(deadline);
    }

    /// Returns the access key of the request.
    #[must_use]
    pub fn key(&self) -> &UserKey {
        self.0.key()
    }
}

impl Proxy {
    /// Asks the ledger for the place of a request, and returns the next step. If the ledger cannot be reached, this process
    /// counts alone: the request costs nothing.
    pub async fn place(&self, unplaced: Unplaced) -> Decision {
        let Unplaced(Unread { check, log, mut permits, arrived, deadline }) = unplaced;
        let Some(limits) = check.ledger_place() else { return self.next_step(*check, log, permits, || arrived) };
        let (outcome, slot) = match self.charges.place(check.user(), limits, deadline).await {
            Ok(placed) => placed,
            // The ledger works, so this user's limits would not hold.
            Err(LedgerError::Busy | LedgerError::UserBusy(_) | LedgerError::Overloaded(_) | LedgerError::State(_)) => {
                return Decision::respond(Body::rejection(&check.reject_without_ledger(), log));
            }
            Err(_) => self.user_states.place(check.user(), limits),
        };
        permits.slot = slot;
        match check.reserve(&outcome) {
            Ok(check) => self.next_step(check, log, permits, || arrived),
            Err(rejection) => Decision::respond(Body::rejection(&rejection, log)),
        }
    }
}
