//! A thread for queries of many rows, so that neither an engine nor a caller waits for them.

use std::{
    sync::{Mutex, PoisonError, mpsc},
    thread,
};

use crate::{error::LedgerError, pending::Pending};

/// A query. Its reply is dropped if the thread cannot run it.
type Query = Box<dyn FnOnce() + Send>;

/// The thread. It starts with the first query, and ends when this is dropped.
#[derive(Debug, Default)]
pub(crate) struct ReaderThread(Mutex<Option<mpsc::Sender<Query>>>);

impl ReaderThread {
    /// Runs a query on a reader of its own: none is kept open, can be broken, or holds back the writer of a file.
    pub(crate) fn read<R, T: Send + 'static>(
        &self,
        open: impl FnOnce() -> Result<R, LedgerError> + Send + 'static,
        query: impl FnOnce(&R) -> Result<T, LedgerError> + Send + 'static,
    ) -> Pending<T> {
        let (reply, pending) = Pending::new();
        self.send(Box::new(move || {
            let _ = reply.send(open().and_then(|reader| query(&reader)));
        }));
        pending
    }

    fn send(&self, query: Query) {
        let mut sender = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if sender.is_none() {
            *sender = start();
        }
        if let Some(sender) = &*sender {
            // The thread ends only after the sender.
            let _ = sender.send(query);
        }
    }
}

fn start() -> Option<mpsc::Sender<Query>> {
    let (tx, queries) = mpsc::channel::<Query>();
    let run = move || queries.into_iter().for_each(|query| query());
    thread::Builder::new().name("ledger-reader".to_owned()).spawn(run).ok().map(|_| tx)
}
