//! What alerts need to know of requests. It never delays one.

use std::{
    collections::HashSet,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use sparekey_core::error_code::{INSUFFICIENT_QUOTA, UPSTREAM_AUTH_FAILED};
use sparekey_proxy::{RequestRecord, ResponseEnd, Settlement, Sink};
use tokio::sync::Notify;

/// Something that has happened.
#[derive(Clone, Copy, Debug)]
pub(super) enum Event {
    /// A metered request ended, so that budgets may have changed.
    Settled,
    ApiKeyRefused,
    QuotaSpent,
    PriceMissing,
    LedgerFailed,
}

const EVENTS: usize = 5;

/// What has happened since the last look.
#[derive(Debug, Default)]
pub(crate) struct Watch {
    /// Something may be due.
    pub(super) changed: Notify,
    happened: [AtomicBool; EVENTS],
    /// Users whose requests did not fit in their budgets.
    refused: Mutex<HashSet<Arc<str>>>,
}

/// What was seen.
#[derive(Debug, Default)]
pub(super) struct Seen {
    happened: [bool; EVENTS],
    pub(super) refused: HashSet<Arc<str>>,
}

impl Seen {
    pub(super) fn has(&self, event: Event) -> bool {
        self.happened[event as usize]
    }

    /// Forgets what needs no ledger. Returns whether the state of budgets may have changed.
    pub(super) fn keep_for_ledger(&mut self) -> bool {
        for event in [Event::ApiKeyRefused, Event::QuotaSpent, Event::PriceMissing] {
            self.happened[event as usize] = false;
        }
        self.has(Event::Settled) || !self.refused.is_empty()
    }
}

impl Watch {
    /// Adds what was seen since the last call.
    pub(super) fn take(&self, seen: &mut Seen) {
        for (seen, happened) in seen.happened.iter_mut().zip(&self.happened) {
            *seen |= happened.swap(false, Ordering::Relaxed);
        }
        seen.refused.extend(std::mem::take(&mut *self.refused.lock().unwrap_or_else(PoisonError::into_inner)));
    }

    fn add(&self, event: Event) {
        self.happened[event as usize].store(true, Ordering::Relaxed);
        self.changed.notify_one();
    }
}

impl Sink for Watch {
    fn is_enabled(&self) -> bool {
        true
    }

    fn settled(&self, settlement: &Settlement<'_>) {
        if settlement.is_unpriced {
            self.add(Event::PriceMissing);
        }
        self.add(Event::Settled);
    }

    fn ledger_called(&self, _: Duration, is_ok: bool) {
        if !is_ok {
            self.add(Event::LedgerFailed);
        }
    }

    fn finished(&self, request: &RequestRecord, _: ResponseEnd) {
        if request.lacks_quota {
            self.add(Event::QuotaSpent);
        }
        match (request.rejection, &request.user) {
            (Some(UPSTREAM_AUTH_FAILED), _) => self.add(Event::ApiKeyRefused),
            (Some(INSUFFICIENT_QUOTA), Some(user)) => {
                self.refused.lock().unwrap_or_else(PoisonError::into_inner).insert(Arc::clone(user));
                self.changed.notify_one();
            }
            _ => {}
        }
    }
}
