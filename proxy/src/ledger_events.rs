//! Events of an engine, in the log.

use sparekey_ledger::{Event, Events};

use crate::throttle::Throttle;

/// Logs the events of an engine.
#[must_use]
pub fn ledger_events() -> Events {
    let logged = Throttle::default();
    Events::new(move |event| log(event, &logged))
}

fn log(event: Event, logged: &Throttle) {
    match event {
        Event::ClockBack { user } => {
            tracing::warn!(%user, "the clock is more than an hour behind the last request: older periods count again");
        }
        Event::ProcessEnded { process, count } => {
            let process = process.0;
            tracing::warn!("{count} requests of the ended process {process:016x} are charged in full");
        }
        // An engine tries again at short intervals.
        Event::Failed(error) => {
            let error = error.to_string();
            if logged.is_due(&error) {
                tracing::error!("{error}; costs wait until they can be stored");
            }
        }
        Event::SettleLost { user, id } => {
            tracing::error!(%user, "the cost of request {:032x} cannot be stored: it will be charged in full", id.0);
        }
        _ => {}
    }
}
