//! A thread for queries of many rows, so that neither the engine nor a caller waits for them.

use std::{
    sync::{Mutex, PoisonError, mpsc},
    thread,
};

use super::{reader::Reader, target::Target};
use crate::error::LedgerError;

/// A query. Its reply is dropped if the thread cannot run it.
type Query = Box<dyn FnOnce(Result<&Reader, LedgerError>) + Send>;

/// The thread. It starts with the first query, and ends when this is dropped.
#[derive(Debug, Default)]
pub(super) struct ReaderThread(Mutex<Option<mpsc::Sender<Query>>>);

impl ReaderThread {
    pub(super) fn send(&self, target: &Target, query: impl FnOnce(Result<&Reader, LedgerError>) + Send + 'static) {
        let mut sender = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if sender.is_none() {
            *sender = start(target.clone());
        }
        if let Some(sender) = &*sender {
            // The thread ends only after the sender.
            let _ = sender.send(Box::new(query));
        }
    }
}

fn start(target: Target) -> Option<mpsc::Sender<Query>> {
    let (tx, queries) = mpsc::channel::<Query>();
    let run = move || {
        for query in queries {
            // A connection per query: pages are rare, and none is kept open for them.
            match Reader::connect(&target) {
                Ok(reader) => query(Ok(&reader)),
                Err(error) => query(Err(error)),
            }
        }
    };
    thread::Builder::new().name("ledger-reader".to_owned()).spawn(run).ok().map(|_| tx)
}
