//! What all metered users have used, for the owner: metrics, alerts, the page.

use std::{sync::Arc, time::Duration};

use sparekey_ledger::Call;
use sparekey_policy::{Command, Outcome, Report};
use tokio::time::{Instant, timeout_at};

use super::Charges;

/// A scrape of the metrics does not wait longer for the ledger.
const TIMEOUT: Duration = Duration::from_millis(500);

/// The use of the limits of all metered users.
#[derive(Clone, Debug, Default)]
pub struct Reports {
    /// The reports that the ledger returned in time.
    pub known: Vec<(Arc<str>, Report)>,
    /// Whether they are those of all metered users, except the users whose own state cannot be read.
    pub is_complete: bool,
    /// Whether the ledger returned an error that affects all users: now, or for the last reservation, within a minute.
    pub is_failing: bool,
}

impl Charges {
    /// Returns the use of the limits of all metered users.
    pub(crate) async fn reports(&self) -> Reports {
        let gate = self.0.gate.load_full();
        let mut users = gate.keys().metered_users().peekable();
        if users.peek().is_none() {
            return Reports { is_complete: true, ..Reports::default() };
        }
        let is_refusing = self.0.refusals.is_failing();
        let Some(ledger) = self.0.ledger.opened() else {
            return Reports { is_failing: is_refusing, ..Reports::default() };
        };
        // All at once, so that the ledger runs them together.
        let calls = users.map(|(user, limits)| {
            let call = Call::new(Arc::clone(user), Arc::clone(limits), Command::Report);
            (Arc::clone(user), ledger.run(call))
        });
        let calls: Vec<_> = calls.collect();
        let deadline = Instant::now() + TIMEOUT;
        let mut reports = Reports { known: Vec::new(), is_complete: true, is_failing: is_refusing };
        for (user, call) in calls {
            match timeout_at(deadline, call).await {
                Ok(Ok(Outcome::Report(report))) => reports.known.push((user, *report)),
                Ok(Err(error)) if error.affects_one_user() => {}
                result => {
                    reports.is_complete = false;
                    reports.is_failing |= matches!(result, Ok(Err(_)));
                }
            }
        }
        reports
    }
}
