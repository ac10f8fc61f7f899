//! The ledger of the server: a file, which is opened when a user is metered.

use std::sync::Arc;

use sparekey_ledger::{Event, Events, Ledger, LedgerError, Opened, Options, Sqlite};
use sparekey_proxy::LedgerHandle;

use crate::config::{ledger::create_folder, settings::Settings};

/// Creates the handle of the ledger.
pub(crate) fn handle(settings: &Settings) -> LedgerHandle {
    let (path, retention) = (settings.ledger.clone(), settings.usage_retention);
    LedgerHandle::new(move || {
        create_folder(&path)
            .map_err(|error| LedgerError::Io(format!("cannot create the folder of {}: {error}", path.display())))?;
        let options = Options { retention: Some(retention), events: Events::new(log), ..Options::default() };
        let Opened { ledger, is_new, expired } = Sqlite::open(&path, options)?;
        let path = path.display();
        if is_new {
            tracing::warn!("created the ledger {path}: all budgets start with nothing spent");
        } else {
            tracing::info!("opened the ledger {path}");
        }
        if expired > 0 {
            tracing::warn!("{expired} requests of a process that has ended are charged in full");
        }
        Ok(Arc::new(ledger) as Arc<dyn Ledger>)
    })
}

/// Opens the ledger at the start. Without it, requests of metered users are refused, and others go on.
pub(crate) fn open(handle: &LedgerHandle) {
    if let Err(error) = handle.open() {
        tracing::error!("metered users are refused: {error}");
    }
}

/// Stores what waits, and stops.
pub(crate) fn close(handle: &LedgerHandle) {
    let lost = handle.opened().map_or(0, |ledger| ledger.close());
    if lost > 0 {
        tracing::error!("the costs of {lost} requests could not be stored: they will be charged in full");
    }
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
