//! Events of an engine, in the log.

use sparekey_ledger::{Event, Events, LedgerError};

/// Logs the events of an engine.
#[must_use]
pub fn ledger_events() -> Events {
    Events::new(log)
}

fn log(event: Event) {
    match event {
        Event::ClockBack { user } => {
            tracing::warn!(%user, "the clock is more than an hour behind the last request: older periods count again");
        }
        Event::ProcessEnded { process, count } => {
            let process = process.0;
            tracing::warn!("{count} requests of the ended process {process:016x} are charged in full");
        }
        Event::Failed(error) => log_failure(&error),
        Event::SettleLost { user, id } => {
            tracing::error!(%user, "the cost of request {:032x} cannot be stored: it will be charged in full", id.0);
        }
        _ => {}
    }
}

fn log_failure(error: &LedgerError) {
    tracing::error!("{error}; costs wait until they can be stored");
}
