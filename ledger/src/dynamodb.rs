//! The engine of AWS Lambda: a DynamoDB table.
//!
//! One item per user has the state and a version. A step reads the state, which the process keeps in memory, decides, and stores
//! the state by one conditional `PutItem`, or with rows and their sums by one `TransactWriteItems`. Then nothing is stored if
//! the version is another one by now, and the step runs again.
//!
//! ```text
//! pk = u#Tom          sk = s                            v, state                 the state of a user
//! pk = l#Tom#2026-11  sk = 2026-11-27 12:00:00.000000   id, cost, model, …, ttl  a row
//! pk = d#2026-11      sk = Tom#2026-11-27#gpt-5         requests, cost, …        the sums of rows
//! pk = users          sk = Tom                          first_day                who has a state, and since when
//! ```
//!
//! The version is the time of the last change, and later than that of the change before: rows are stored under it, so their
//! order is that of the changes.
//!
//! **Out of scope:** connections. The caller sends the signed requests ([`Transport`]), and runs the future of
//! [`DynamoDb::new`]. The engine has no thread, and nothing of it has to run while the process is frozen between two requests:
//! see [`DynamoDb::flush`].

mod breaker;
mod client;
mod failure;
mod item;
mod merge;
mod pages;
mod query;
mod reader;
mod sign;
mod step;
mod store;
mod table;
mod transport;
mod tries;

use std::{rc::Rc, sync::Arc, time::Duration};

use sparekey_policy::{HoldId, Limits, Outcome, ProcessId};
use tokio::sync::mpsc::{UnboundedSender, unbounded_channel};

use self::{
    client::Client,
    query::Read,
    store::{DynamoStore, serve_reads},
};
pub use self::{
    reader::Reader,
    table::{Table, TableError, check_name},
    transport::{Request, Response, Transport, TransportError},
};
use crate::{
    call::Call,
    clock::Clock,
    day::{Day, DayQuery},
    engine::{Ledger, RowQuery},
    error::LedgerError,
    event::Events,
    ids,
    pending::Pending,
    row::LedgerRow,
    swap::{Jobs, Worker},
};

/// How a ledger is used.
#[derive(Clone, Debug)]
pub struct Options {
    /// For a whole step, all its requests. The default is 1 s, more than for a database beside a server: a new environment of a
    /// function connects first, on a fraction of a processor, and a request that is lost is sent again.
    pub deadline: Duration,
    /// DynamoDB deletes rows that are older, some days late. Sums per day stay. `None` keeps all.
    pub retention: Option<Duration>,
    /// The clock.
    pub clock: Clock,
    /// Where events go.
    pub events: Events,
    /// The name that holds carry. They are charged at their end if the process died.
    pub process: ProcessId,
}

/// The engine. Clones share its queues.
#[derive(Clone, Debug)]
pub struct DynamoDb {
    process: ProcessId,
    jobs: Jobs,
    reads: UnboundedSender<Read>,
}

impl Default for Options {
    fn default() -> Self {
        let deadline = Duration::from_secs(1);
        let process = ids::new_process();
        Self { deadline, retention: None, clock: Clock::default(), events: Events::default(), process }
    }
}

impl DynamoDb {
    /// Creates the engine, and the future that does its work: it must run in a `LocalSet`, and ends after
    /// [`close`](Ledger::close) or with the last clone of the engine. Nothing is sent before the first call.
    pub fn new<T: Transport>(table: Table, transport: T, options: Options) -> (Self, impl Future<Output = ()>) {
        let process = options.process;
        let (jobs, received) = Jobs::new();
        let (reads, received_reads) = unbounded_channel();
        let client = Client::new(table, transport, &options);
        let store = Rc::new(DynamoStore::new(client, options));
        let serve = async move {
            tokio::task::spawn_local(serve_reads(Rc::clone(&store), received_reads));
            let (closed, unsettled) = Worker::new(store).serve(received).await;
            if let Some(done) = closed {
                // The caller may not wait.
                let _ = done.send(unsettled);
            }
        };
        (Self { process, jobs, reads }, serve)
    }

    /// Waits until each call so far was tried. For a platform that stops the process between two requests: a settle that is
    /// stored by then is not late. One that failed is tried again later.
    #[must_use]
    pub fn flush(&self) -> Pending<()> {
        self.jobs.flush()
    }

    fn read<T>(&self, read: impl FnOnce(crate::pending::Reply<T>) -> Read) -> Pending<T> {
        let (reply, pending) = Pending::new();
        // A query that cannot be sent drops its reply.
        let _ = self.reads.send(read(reply));
        pending
    }
}

impl Ledger for DynamoDb {
    fn run(&self, call: Call) -> Pending<Outcome> {
        self.jobs.run(call)
    }

    fn void(&self, id: HoldId, limits: Arc<Limits>) -> Pending<Outcome> {
        self.jobs.void(id, limits)
    }

    fn days(&self, query: DayQuery) -> Pending<Vec<Day>> {
        self.read(|reply| Read::Days(query, reply))
    }

    fn rows(&self, query: RowQuery) -> Pending<Vec<LedgerRow>> {
        self.read(|reply| Read::Rows(query, reply))
    }

    /// Looks among the newest rows of the user only.
    fn response(&self, user: Arc<str>, response_id: Arc<str>) -> Pending<Option<LedgerRow>> {
        self.jobs.response(user, response_id)
    }

    fn close(&self) -> usize {
        self.jobs.close()
    }

    fn process(&self) -> ProcessId {
        self.process
    }
}

/// Returns the error of a call of which the database said something unexpected.
fn invalid(what: &str) -> LedgerError {
    LedgerError::Io(format!("DynamoDB returned an invalid {what}"))
}
