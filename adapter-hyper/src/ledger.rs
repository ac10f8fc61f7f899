//! The ledger of the server: a file or a database, which is opened when a user is metered.

use std::{path::Path, sync::Arc, time::Duration};

use sparekey_ledger::{
    Ledger, LedgerError, Opened, Options, Sqlite,
    postgres::{self, Postgres},
};
use sparekey_proxy::{LedgerHandle, ledger_events};

use crate::config::{
    ledger::{ServerLedger, prepare_file},
    settings::Settings,
};

/// Creates the handle of the ledger.
pub(crate) fn handle(settings: &Settings) -> LedgerHandle {
    let (location, retention) = (settings.ledger.clone(), settings.usage_retention);
    LedgerHandle::new(move || {
        let (ledger, is_new) = match &location {
            ServerLedger::File(path) => open_file(path, retention)?,
            ServerLedger::Postgres(address) => {
                let events = ledger_events();
                let options = postgres::Options { retention: Some(retention), events, ..postgres::Options::default() };
                let postgres::Opened { ledger, is_new } = Postgres::open(address.expose(), options)?;
                (Arc::new(ledger) as Arc<dyn Ledger>, is_new)
            }
        };
        if is_new {
            tracing::warn!("created the ledger {location}: all budgets start with nothing spent");
        } else {
            tracing::info!("opened the ledger {location}");
        }
        Ok(ledger)
    })
}

fn open_file(path: &Path, retention: Duration) -> Result<(Arc<dyn Ledger>, bool), LedgerError> {
    prepare_file(path).map_err(|error| LedgerError::Io(format!("cannot create {}: {error}", path.display())))?;
    let options = Options { retention: Some(retention), events: ledger_events(), ..Options::default() };
    let Opened { ledger, is_new, expired } = Sqlite::open(path, options)?;
    if expired > 0 {
        tracing::warn!("{expired} requests of a process that has ended are charged in full");
    }
    Ok((Arc::new(ledger), is_new))
}

/// The start of the server waits so long. A file takes milliseconds; a database that does not respond delays no other user.
const START_WAIT: Duration = Duration::from_secs(1);

/// Opens the ledger at the start. Without it, requests of metered users are refused, and others go on.
pub(crate) fn open(handle: &LedgerHandle) {
    if let Err(error) = handle.open(START_WAIT) {
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
