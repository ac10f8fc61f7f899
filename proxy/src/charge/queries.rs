//! What users have spent, for themselves and for the owner.

use std::{sync::Arc, time::Duration};

use sparekey_core::USAGE_DAYS;
use sparekey_ledger::{Call, Day, DayQuery, LedgerError};
use sparekey_policy::{Command, Limits, Outcome, Period, Report};
use tokio::time::timeout;

use super::Charges;
use crate::now;

/// The owner's page waits so long for the rollup: a year of a hundred users takes less than a second.
const DAYS_TIMEOUT: Duration = Duration::from_secs(5);

impl Charges {
    /// Returns the use of a user's limits, and the last days.
    pub(crate) async fn usage(&self, user: &Arc<str>, limits: &Arc<Limits>) -> Result<(Report, Vec<Day>), LedgerError> {
        let ledger = self.ledger().await?;
        let call = Call::new(Arc::clone(user), Arc::clone(limits), Command::Report);
        let outcome = self.call(ledger.run(call)).await?;
        self.log_unknown_period(&outcome);
        let Outcome::Report(report) = outcome else {
            return Err(LedgerError::Io("the clock is behind the periods that it keeps".to_owned()));
        };
        let today = Period::Day.at(now(), &limits.zone).number();
        let since = Some(Period::Day.of_day(today.saturating_sub(USAGE_DAYS - 1)));
        let query = DayQuery { user: Some(Arc::clone(user)), since };
        Ok((*report, self.call(ledger.days(query)).await?))
    }

    /// Returns the rollup; an error if the ledger is not open, or too slow.
    pub(crate) async fn days(&self, query: DayQuery) -> Result<Vec<Day>, LedgerError> {
        let ledger = self.0.ledger.opened().ok_or(LedgerError::Closed)?;
        let days = timeout(DAYS_TIMEOUT, ledger.days(query)).await;
        days.unwrap_or_else(|_| Err(LedgerError::Unreachable("the query takes too long".to_owned())))
    }
}
