//! A ledger under test, with a clock of its own.

use std::sync::{
    Arc,
    atomic::{AtomicI64, Ordering},
};

use sparekey_ledger::Ledger;
use sparekey_policy::{ProcessId, Timestamp};
pub(super) use user::*;

use super::object::{Client, Object};
use crate::worker::Worker;

#[path = "../../../../../ledger/tests/support/user.rs"]
mod user;

/// An object in a workerd of its own.
pub(super) struct Store {
    now: Arc<AtomicI64>,
    object: Arc<Object>,
}

impl Store {
    pub(super) fn new(worker: &Worker) -> Self {
        let now = Arc::new(AtomicI64::new(NOON.as_micros()));
        Self { object: Arc::new(Object::start(worker, Arc::clone(&now))), now }
    }

    /// Returns the object, for another process.
    pub(super) fn open(&self, process: u64) -> Arc<dyn Ledger> {
        Arc::new(Client { object: Arc::clone(&self.object), process: ProcessId(process) })
    }

    pub(super) fn now(&self) -> Timestamp {
        Timestamp::from_micros(self.now.load(Ordering::SeqCst))
    }

    pub(super) fn hour_later(&self) -> Timestamp {
        self.now().plus(Timestamp::HOUR)
    }

    pub(super) fn wait(&self, micros: i64) {
        self.now.fetch_add(micros, Ordering::SeqCst);
    }
}
