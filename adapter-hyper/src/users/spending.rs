//! What metered users spent, as the ledger has it. Without a ledger, the rest of a user is shown all the same.

use sparekey_policy::{Report, Timestamp, Users};

use super::{check::Context, overview::Overview};
use crate::{
    commands::{
        Failure,
        ledger::{self, Reader},
    },
    config::ledger::{Location, ServerLedger},
};

/// The ledger of some users.
pub(super) struct Spending<'a> {
    users: &'a Users,
    ledger: Ledger,
}

enum Ledger {
    /// None of the users is metered.
    NotNeeded,
    /// It does not exist yet, or is on another machine.
    Missing(String),
    Unreadable(String),
    Open(Location, Box<Reader>),
}

impl<'a> Spending<'a> {
    /// Opens the ledger if one of the users shown is metered.
    pub(super) fn open(context: &Context, shown: &[Overview<'_>], users: &'a Users) -> Self {
        let is_metered = |user: &Overview<'_>| user.entry.is_some_and(|entry| entry.limits.is_metered());
        let ledger = if shown.iter().any(is_metered) { Ledger::open(context) } else { Ledger::NotNeeded };
        Self { users, ledger }
    }

    /// Returns the use of a metered user's limits; `None` for another user.
    ///
    /// # Errors
    /// Why it is unknown.
    pub(super) fn of(&self, name: &str, now: Timestamp) -> Result<Option<Box<Report>>, String> {
        let Some(user) = self.users.get(name).filter(|user| user.limits.is_metered()) else { return Ok(None) };
        let (location, reader) = match &self.ledger {
            Ledger::NotNeeded => return Ok(None),
            Ledger::Missing(reason) | Ledger::Unreadable(reason) => return Err(reason.clone()),
            Ledger::Open(location, reader) => (location, reader),
        };
        let report = reader.report(name, &user.limits, now);
        let report = report.map_err(|error| message(ledger::failure(location, &error)))?;
        report.map(|report| Some(Box::new(report))).ok_or_else(|| BEHIND.to_owned())
    }

    /// Whether there is no ledger here, so that no use is known.
    pub(super) fn is_missing(&self) -> bool {
        matches!(self.ledger, Ledger::Missing(_))
    }
}

/// The counters of the periods that the clock shows are no longer kept.
pub(super) const BEHIND: &str = "the clock of this machine is far behind that of the ledger";

impl Ledger {
    fn open(context: &Context) -> Self {
        let location = match context.ledger() {
            Ok(location) => location,
            Err(failure) => return Self::Unreadable(message(failure)),
        };
        let is_missing = matches!(location, Location::Server(ServerLedger::File(path)) if !path.exists());
        match ledger::read(location) {
            Ok(reader) => Self::Open(location.clone(), Box::new(reader)),
            Err(failure) if !is_missing => Self::Unreadable(message(failure)),
            Err(failure) => Self::Missing(message(failure)),
        }
    }
}

fn message(failure: Failure) -> String {
    let (Failure::Usage(message) | Failure::Problem(message)) = failure;
    message
}
