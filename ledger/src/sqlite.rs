//! The engine of a server on one machine: an SQLite file.
//!
//! One thread writes: it takes all calls that wait, runs them in one transaction, and commits once for all of them. With a
//! reservation among them the commit is synchronous (`synchronous=FULL`): the reservation survives a power cut. Every commit
//! survives the end of the process.
//!
//! Several processes can share the file, as during an upgrade. Each names its holds by a [`ProcessId`], and keeps a lock on a
//! file beside the ledger. A process whose lock is free is dead, and its holds are charged at once.

mod columns;
mod connection;
mod copy;
mod failure;
mod file_id;
mod process;
mod reader;
mod retention;
mod schema;
mod store;
#[cfg(test)]
mod tests;
mod transaction;
mod writer;

use std::{
    path::{Path, PathBuf},
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicUsize, Ordering},
        mpsc,
    },
    thread::{self, JoinHandle},
    time::Duration,
};

use sparekey_policy::{HoldId, Limits, Outcome, ProcessId};

use self::{
    connection::Writable,
    file_id::FileId,
    process::Process,
    writer::{Job, Request, Work, Writer},
};
pub use self::{copy::Import, reader::Reader};
use crate::{
    call::Call,
    clock::Clock,
    day::{Day, DayQuery},
    engine::{Ledger, RowQuery},
    error::LedgerError,
    event::Events,
    pending::Pending,
    reader_thread::ReaderThread,
    row::LedgerRow,
    waiting::WAITING_MAX,
};

/// How a ledger is opened.
#[derive(Clone, Debug)]
pub struct Options {
    /// Whether a file that does not exist is created.
    pub create: bool,
    /// How long a call waits for another process that writes.
    pub busy_timeout: Duration,
    /// How long a settle waits for which no caller waits. A busy user's next reservation arrives before, and one commit stores
    /// both.
    pub settle_delay: Duration,
    /// Rows that are older are deleted, but none of the last two days. Sums per day stay. `None` keeps all.
    pub retention: Option<Duration>,
    /// The clock.
    pub clock: Clock,
    /// Where events go.
    pub events: Events,
    /// Failures that a test injects.
    #[cfg(test)]
    faults: connection::Faults,
}

/// A ledger that was opened.
#[derive(Debug)]
pub struct Opened {
    /// The engine.
    pub ledger: Sqlite,
    /// Whether the ledger is new: all counters start at zero. It belongs in the log.
    pub is_new: bool,
    /// The number of holds of dead processes that were charged.
    pub expired: usize,
}

/// The engine. Clones share its thread, which ends after the last one is dropped.
#[derive(Clone, Debug)]
pub struct Sqlite(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    path: PathBuf,
    process: ProcessId,
    jobs: mpsc::Sender<Job>,
    waiting: Arc<AtomicUsize>,
    reader: ReaderThread,
    writer: Mutex<Option<JoinHandle<usize>>>,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            create: true,
            busy_timeout: Duration::from_secs(2),
            settle_delay: Duration::from_millis(2),
            retention: None,
            clock: Clock::default(),
            events: Events::default(),
            #[cfg(test)]
            faults: connection::Faults::default(),
        }
    }
}

impl Sqlite {
    /// Opens a ledger, and creates or migrates it if necessary. It charges the holds of dead processes. It blocks for some
    /// milliseconds.
    ///
    /// # Errors
    /// [`LedgerError`], if the file cannot be opened for writing, or is not a ledger that this version can write.
    pub fn open(path: &Path, options: Options) -> Result<Opened, LedgerError> {
        let (connection, is_new) = Writable::open(path, &options)?;
        let file_id = FileId::of(path)?;
        // Locks are beside the file itself, whichever link another process uses.
        let file = path.canonicalize().map_err(|error| failure::of_file(path, &error))?;
        let mut process = Process::new(&file);
        let id = process.id();
        let mut writer = Writer::new(path, file_id, options, connection);
        let expired = writer.start(&mut process)?;
        let (jobs, received) = mpsc::channel();
        let waiting = Arc::new(AtomicUsize::new(0));
        let counted = Arc::clone(&waiting);
        let run = move || writer.run(process, &received, &counted);
        let handle = thread::Builder::new().name("ledger".to_owned()).spawn(run);
        let handle = handle.map_err(|error| LedgerError::Io(error.to_string()))?;
        let shared = Shared {
            path: path.to_owned(),
            process: id,
            jobs,
            waiting,
            reader: ReaderThread::default(),
            writer: Mutex::new(Some(handle)),
        };
        Ok(Opened { ledger: Self(Arc::new(shared)), is_new, expired })
    }

    /// Stores all calls that wait, charges the open holds of this process, and stops. It blocks. Later calls fail with
    /// [`LedgerError::Closed`].
    ///
    /// It returns the number of settles that could not be stored: the next process charges their holds in full.
    #[must_use]
    pub fn close(&self) -> usize {
        // A closed channel means that the thread has ended.
        let _ = self.0.jobs.send(Job::Close);
        let handle = self.0.writer.lock().unwrap_or_else(PoisonError::into_inner).take();
        handle.and_then(|handle| handle.join().ok()).unwrap_or(0)
    }

    /// Returns the number of calls that wait for the writer.
    #[must_use]
    pub fn waiting(&self) -> usize {
        self.0.waiting.load(Ordering::Relaxed)
    }

    fn request(&self, work: Work, is_bounded: bool) -> Pending<Outcome> {
        let waiting = self.waiting();
        if is_bounded && waiting >= WAITING_MAX {
            return Pending::ready(Err(LedgerError::Overloaded(waiting)));
        }
        let (reply, pending) = Pending::new();
        self.send(Job::Change(Request { work, reply: Some(reply) }));
        pending
    }

    /// A job that cannot be sent drops its reply, so that its caller gets [`LedgerError::Closed`].
    fn send(&self, job: Job) {
        self.0.waiting.fetch_add(1, Ordering::Relaxed);
        let _ = self.0.jobs.send(job);
    }

    fn read<T: Send + 'static>(
        &self,
        query: impl FnOnce(&Reader) -> Result<T, LedgerError> + Send + 'static,
    ) -> Pending<T> {
        let path = self.0.path.clone();
        self.0.reader.read(move || Reader::open(&path), query)
    }
}

impl Ledger for Sqlite {
    fn run(&self, call: Call) -> Pending<Outcome> {
        let undo = call.undo();
        let is_bounded = !call.must_be_stored();
        let pending = self.request(Work::Call(Box::new(call)), is_bounded);
        let Some(undo) = undo else { return pending };
        let engine = self.clone();
        pending
            .on_lost_grant(move || engine.send(Job::Change(Request { work: Work::Call(Box::new(undo)), reply: None })))
    }

    fn void(&self, id: HoldId, limits: Arc<Limits>) -> Pending<Outcome> {
        self.request(Work::Void { id, limits }, true)
    }

    fn days(&self, query: DayQuery) -> Pending<Vec<Day>> {
        self.read(move |reader| reader.days(&query))
    }

    fn rows(&self, query: RowQuery) -> Pending<Vec<LedgerRow>> {
        self.read(move |reader| reader.rows(&query))
    }

    fn response(&self, user: Arc<str>, response_id: Arc<str>) -> Pending<Option<LedgerRow>> {
        let (reply, pending) = Pending::new();
        // In the writer, after the calls before it: a client can refer to a response as soon as it has read it.
        self.send(Job::Response { user, response_id, reply });
        pending
    }

    fn close(&self) -> usize {
        Self::close(self)
    }

    fn process(&self) -> ProcessId {
        self.0.process
    }
}
