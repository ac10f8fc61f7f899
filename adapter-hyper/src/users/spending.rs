//! What metered users spent, as the ledger has it. Without a ledger, the rest of a user is shown all the same.

use std::{collections::HashMap, sync::Arc};

use sparekey_ledger::{DayQuery, LedgerError};
use sparekey_policy::{CalendarPeriod, Period, Report, Timestamp, Users};

use super::{context::Context, overview::UserOverview};
use crate::{
    commands::{
        Failure,
        ledger::{self, Reader},
    },
    config::ledger::{Location, ServerLedger},
};

/// Before today, days in which the last one with a request is searched.
const LAST_DAYS: i64 = 366;

/// What a metered user spent.
pub(super) struct Spent {
    pub(super) report: Report,
    /// The last day with a request.
    pub(super) last_day: Option<CalendarPeriod>,
}

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
    Open(Location, Box<Reader>, LastDays),
}

/// The last day with a request of each user.
type LastDays = HashMap<Arc<str>, CalendarPeriod>;

impl<'a> Spending<'a> {
    /// Opens the ledger if one of the users shown is metered.
    pub(super) fn open(context: &Context, shown: &[UserOverview<'_>], users: &'a Users) -> Self {
        let is_metered = |user: &UserOverview<'_>| user.entry.is_some_and(|entry| entry.limits.is_metered());
        let ledger = if shown.iter().any(is_metered) {
            let since = Period::Day.at(sparekey_proxy::now().plus(-LAST_DAYS * 24 * Timestamp::HOUR), users.zone());
            let user = if let [user] = shown { Some(user.name.into()) } else { None };
            Ledger::open(context, &DayQuery { user, since: Some(since) })
        } else {
            Ledger::NotNeeded
        };
        Self { users, ledger }
    }

    /// Returns what a metered user spent; `None` for another user.
    ///
    /// # Errors
    /// Why it is unknown.
    pub(super) fn of(&self, name: &str, now: Timestamp) -> Result<Option<Box<Spent>>, String> {
        let Some(user) = self.users.get(name).filter(|user| user.limits.is_metered()) else { return Ok(None) };
        let (location, reader, last_days) = match &self.ledger {
            Ledger::NotNeeded => return Ok(None),
            Ledger::Missing(reason) | Ledger::Unreadable(reason) => return Err(reason.clone()),
            Ledger::Open(location, reader, last_days) => (location, reader, last_days),
        };
        let report = reader.report(name, &user.limits, now);
        let report = report.map_err(|error| message(ledger::failure(location, &error)))?;
        let last_day = last_days.get(name).copied();
        report.map(|report| Some(Box::new(Spent { report, last_day }))).ok_or_else(|| BEHIND.to_owned())
    }

    /// Whether there is no ledger here, so that no use is known.
    pub(super) fn is_missing(&self) -> bool {
        matches!(self.ledger, Ledger::Missing(_))
    }
}

/// The counters of the periods that the clock shows are no longer kept.
pub(super) const BEHIND: &str = "the clock of this machine is far behind that of the ledger";

impl Ledger {
    fn open(context: &Context, days: &DayQuery) -> Self {
        let location = match context.ledger() {
            Ok(location) => location,
            Err(failure) => return Self::Unreadable(message(failure)),
        };
        let is_missing = matches!(location, Location::Server(ServerLedger::File(path)) if !path.exists());
        let opened = ledger::read(location).and_then(|reader| {
            let last_days = last_days(&reader, days).map_err(|error| ledger::failure(location, &error))?;
            Ok(Self::Open(location.clone(), Box::new(reader), last_days))
        });
        match opened {
            Ok(open) => open,
            Err(failure) if !is_missing => Self::Unreadable(message(failure)),
            Err(failure) => Self::Missing(message(failure)),
        }
    }
}

fn last_days(reader: &Reader, query: &DayQuery) -> Result<LastDays, LedgerError> {
    let days = reader.days(query)?.into_iter().filter(|day| day.sums.requests > 0);
    // They are in their order, so the last one stays.
    Ok(days.map(|day| (day.user, day.day)).collect())
}

fn message(failure: Failure) -> String {
    let (Failure::Usage(message) | Failure::Problem(message)) = failure;
    message
}
