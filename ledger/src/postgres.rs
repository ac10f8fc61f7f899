//! The engine of several servers: a PostgreSQL database.
//!
//! One row per user has the state and a version. A step reads the state, which the process keeps in memory, decides, and
//! stores the state, the rows and their sums by one statement that does nothing if the version is another one by now. Then the
//! step runs again. Steps of a user are serial inside the process, and calls that wait are decided together.
//!
//! ```text
//! calls ──► queue per user ──► Plan::add for each (pure) ──► WITH swap AS (… WHERE version = seen) INSERT … FROM swap
//! ```
//!
//! Each process holds a session advisory lock on its [`ProcessId`]. The holds of a process whose lock was free for 10 s are
//! charged by another one. Locks of sessions need a direct connection: a pooler in transaction mode, such as PgBouncer's, must
//! not be between.

mod check;
mod columns;
mod copy;
mod database;
mod failure;
mod host;
mod passfile;
mod pool;
mod process;
mod query;
mod reader;
mod retention;
mod schema;
mod session;
mod step;
mod target;
mod tls;

use std::{
    fmt,
    sync::{Arc, Mutex, PoisonError, mpsc},
    thread::{self, JoinHandle},
    time::Duration,
};

use sparekey_policy::{HoldId, Limits, Outcome, ProcessId};
use tokio::task::LocalSet;

pub use self::{check::check, copy::Import, reader::Reader, target::check_address};
use self::{database::Database, process::Processes, target::Target};
use crate::{
    call::Call,
    clock::Clock,
    day::{Day, DayQuery},
    engine::{Ledger, RowQuery},
    error::LedgerError,
    event::Events,
    ids,
    pending::Pending,
    reader_thread::ReaderThread,
    row::LedgerRow,
    swap::Jobs,
};

/// For opening: connecting, and creating the tables.
const OPEN: Duration = Duration::from_secs(10);

/// How a ledger is opened.
#[derive(Clone, Debug)]
pub struct Options {
    /// Connections for steps. One more is for the lock of the process, and one for each query of many rows.
    pub connections: usize,
    /// Rows that are older are deleted, but none of the last two days. Sums per day stay. `None` keeps all.
    pub retention: Option<Duration>,
    /// The holds of another process are charged after its lock was free for so long.
    pub dead_after: Duration,
    /// The clock.
    pub clock: Clock,
    /// Where events go.
    pub events: Events,
}

/// A ledger that was opened.
#[derive(Debug)]
pub struct Opened {
    /// The engine.
    pub ledger: Postgres,
    /// Whether the ledger is new: all counters start at zero. It belongs in the log.
    pub is_new: bool,
}

/// The engine. Clones share its thread, which ends after the last one is dropped.
#[derive(Clone, Debug)]
pub struct Postgres(Arc<Shared>);

struct Shared {
    target: Target,
    process: ProcessId,
    jobs: Jobs,
    reader: ReaderThread,
    thread: Mutex<Option<JoinHandle<()>>>,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            // Commits wait for the disk together, so a few are enough for thousands of steps per second.
            connections: 8,
            retention: None,
            dead_after: Duration::from_secs(10),
            clock: Clock::default(),
            events: Events::default(),
        }
    }
}

impl Postgres {
    /// Opens a ledger by an address such as `postgres://sparekey@db.internal/sparekey`, and creates or migrates its tables
    /// if necessary. It blocks until the database responds, at most 10 s.
    ///
    /// # Errors
    /// [`LedgerError`], if the database cannot be reached, or its tables are those of a newer version.
    pub fn open(url: &str, options: Options) -> Result<Opened, LedgerError> {
        let target = Target::parse(url)?;
        let process = ids::new_process();
        let (jobs, received) = Jobs::new();
        let (opened_tx, opened) = mpsc::channel();
        let of_thread = target.clone();
        let run = move || {
            let io = |error: std::io::Error| LedgerError::Io(error.to_string());
            let runtime = match reader::runtime() {
                Ok(runtime) => runtime,
                Err(error) => return drop(opened_tx.send(Err(io(error)))),
            };
            let serve = async move {
                let open = tokio::time::timeout(OPEN, Processes::open(&of_thread, process)).await;
                match open.unwrap_or(Err(failure::Failure::Deadline)) {
                    Ok((processes, is_new)) => {
                        let database = Database::new(of_thread, options, process);
                        if opened_tx.send(Ok(is_new)).is_ok() {
                            database::run(database, received, processes).await;
                        }
                    }
                    Err(failure) => drop(opened_tx.send(Err(failure.error()))),
                }
            };
            LocalSet::new().block_on(&runtime, serve);
        };
        let handle = thread::Builder::new().name("ledger".to_owned()).spawn(run);
        let handle = handle.map_err(|error| LedgerError::Io(error.to_string()))?;
        let is_new = opened.recv().unwrap_or(Err(LedgerError::Closed))?;
        let shared =
            Shared { target, process, jobs, reader: ReaderThread::default(), thread: Mutex::new(Some(handle)) };
        Ok(Opened { ledger: Self(Arc::new(shared)), is_new })
    }

    /// Stores all calls that wait, charges the open holds of this process, and stops. It blocks, at most some seconds. Later
    /// calls fail with [`LedgerError::Closed`].
    ///
    /// It returns the number of settles that could not be stored: another process charges their holds in full.
    #[must_use]
    pub fn close(&self) -> usize {
        let unsettled = self.0.jobs.close();
        let handle = self.0.thread.lock().unwrap_or_else(PoisonError::into_inner).take();
        // It ends by itself; a panic of it was an error for its callers already.
        let _ = handle.map(JoinHandle::join);
        unsettled
    }

    /// Returns the number of calls that wait for the engine's thread.
    #[must_use]
    pub fn waiting(&self) -> usize {
        self.0.jobs.waiting()
    }

    fn read<T: Send + 'static>(
        &self,
        query: impl FnOnce(&Reader) -> Result<T, LedgerError> + Send + 'static,
    ) -> Pending<T> {
        let target = self.0.target.clone();
        self.0.reader.read(move || Reader::connect(&target), query)
    }
}

impl Ledger for Postgres {
    fn run(&self, call: Call) -> Pending<Outcome> {
        self.0.jobs.run(call)
    }

    fn void(&self, id: HoldId, limits: Arc<Limits>) -> Pending<Outcome> {
        self.0.jobs.void(id, limits)
    }

    fn days(&self, query: DayQuery) -> Pending<Vec<Day>> {
        self.read(move |reader| reader.days(&query))
    }

    fn rows(&self, query: RowQuery) -> Pending<Vec<LedgerRow>> {
        self.read(move |reader| reader.rows(&query))
    }

    fn response(&self, user: Arc<str>, response_id: Arc<str>) -> Pending<Option<LedgerRow>> {
        self.0.jobs.response(user, response_id)
    }

    fn close(&self) -> usize {
        Self::close(self)
    }

    fn process(&self) -> ProcessId {
        self.0.process
    }
}

impl fmt::Debug for Shared {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Shared").field("process", &self.process).finish_non_exhaustive()
    }
}
