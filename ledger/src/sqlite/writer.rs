//! The thread that writes: takes what waits, runs it in one transaction, and replies.

use std::{
    collections::VecDeque,
    path::{Path, PathBuf},
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
        mpsc::{Receiver, RecvTimeoutError},
    },
    thread,
    time::{Duration, Instant},
};

use rusqlite::{OptionalExtension as _, params};
use sparekey_policy::{Command, HoldId, Limits, Outcome};

use super::{
    Options, columns,
    connection::Writable,
    failure::Failure,
    file_id::FileId,
    process::Process,
    retention,
    transaction::{self, Failed},
};
use crate::{call::Call, error::LedgerError, event::Event, pending::Reply, row::LedgerRow, waiting::KEPT_MAX};

/// Calls of one transaction. The memory that it changes stays within the page cache.
pub(super) const BATCH_MAX: usize = 512;

/// At least, from one look for calls to the next. Those that arrive meanwhile share a transaction, and so the disk's confirmation:
/// a request of one of 16 clients takes 58 µs of CPU time with it, and 78 without.
const COMMIT_INTERVAL: Duration = Duration::from_millis(1);

/// Between two tries to store what was kept.
const RETRY: Duration = Duration::from_millis(100);

/// Between two looks for dead processes and old rows.
const CHECK: Duration = Duration::from_secs(5);

/// What the thread is asked for.
#[derive(Debug)]
pub(super) enum Job {
    Change(Request),
    Response { user: Arc<str>, response_id: Arc<str>, reply: Reply<Option<LedgerRow>> },
    Close,
}

/// A change, and where its outcome goes.
#[derive(Debug)]
pub(super) struct Request {
    pub(super) work: Work,
    pub(super) reply: Option<Reply<Outcome>>,
}

impl Job {
    /// Whether it is a settle for which no caller waits.
    fn can_wait(&self) -> bool {
        let Self::Change(Request { work: Work::Call(call), reply }) = self else { return false };
        call.must_be_stored() && reply.as_ref().is_none_or(Reply::is_closed)
    }
}

#[derive(Debug)]
pub(super) enum Work {
    Call(Box<Call>),
    Void { id: HoldId, limits: Arc<Limits> },
}

/// A query that waits until the calls before it are stored.
type Lookup = (Arc<str>, Arc<str>, Reply<Option<LedgerRow>>);

#[derive(Debug)]
pub(super) struct Writer {
    path: PathBuf,
    file_id: FileId,
    options: Options,
    /// `None` after a failure; the next call opens the file again.
    connection: Option<Writable>,
    queue: VecDeque<Request>,
    lookups: Vec<Lookup>,
    /// What could not be stored and is repeated.
    kept: VecDeque<Request>,
    next_check: Instant,
}

impl Writer {
    pub(super) fn new(path: &Path, file_id: FileId, options: Options, connection: Writable) -> Self {
        Self {
            path: path.to_owned(),
            file_id,
            options,
            connection: Some(connection),
            queue: VecDeque::new(),
            lookups: Vec::new(),
            kept: VecDeque::new(),
            next_check: Instant::now(),
        }
    }

    /// Registers this process, and charges the holds of dead ones. Returns their number.
    pub(super) fn start(&mut self, process: &mut Process) -> Result<usize, LedgerError> {
        self.check_processes(process).map_err(|failed| failed.failure.error(&self.path))
    }

    /// Runs until it is closed, and returns the number of settles that could not be stored.
    pub(super) fn run(mut self, mut process: Process, jobs: &Receiver<Job>, waiting: &AtomicUsize) -> usize {
        let mut is_open = true;
        while is_open {
            is_open = self.receive(jobs, waiting);
            let is_writing = is_open && !(self.queue.is_empty() && self.kept.is_empty());
            let next_commit = Instant::now() + COMMIT_INTERVAL;
            self.work();
            if is_writing {
                thread::sleep(next_commit.saturating_duration_since(Instant::now()));
            }
            if Instant::now() >= self.next_check {
                self.check(&mut process);
            }
        }
        // What was kept gets a last try.
        self.work();
        let unsettled = self.kept.len();
        self.kept.iter().for_each(|request| self.report_lost(&request.work));
        let clock = self.options.clock.clone();
        let id = process.id();
        if let Ok(connection) = self.connection()
            && let Ok(count) = transaction::end_process(connection, id, &clock)
        {
            if count > 0 {
                self.options.events.send(Event::ProcessEnded { process: id, count });
            }
            process.remove_lock(id);
        }
        unsettled
    }

    /// Waits for a job, and takes those that wait too, with settles alone also those of a short time. Returns whether more can come.
    fn receive(&mut self, jobs: &Receiver<Job>, waiting: &AtomicUsize) -> bool {
        let pause = self.next_check.saturating_duration_since(Instant::now());
        let pause = if self.kept.is_empty() { pause } else { pause.min(RETRY) };
        let mut next = match jobs.recv_timeout(pause) {
            Ok(job) => Some(job),
            Err(RecvTimeoutError::Timeout) => None,
            Err(RecvTimeoutError::Disconnected) => return false,
        };
        let mut wait_until = Some(Instant::now() + self.options.settle_delay);
        while let Some(job) = next {
            wait_until = wait_until.filter(|_| job.can_wait());
            match job {
                Job::Change(request) => self.queue.push_back(request),
                Job::Response { user, response_id, reply } => self.lookups.push((user, response_id, reply)),
                Job::Close => return false,
            }
            waiting.fetch_sub(1, Ordering::Relaxed);
            next = match wait_until {
                _ if self.queue.len() >= BATCH_MAX => None,
                None => jobs.try_recv().ok(),
                Some(until) => jobs.recv_timeout(until.saturating_duration_since(Instant::now())).ok(),
            };
        }
        true
    }

    /// Runs what was received, what was kept first.
    fn work(&mut self) {
        let mut kept = std::mem::take(&mut self.kept);
        kept.append(&mut self.queue);
        self.queue = kept;
        while let Some(first) = self.queue.pop_front() {
            let mut batch = vec![first];
            let is_call = |request: &Request| matches!(request.work, Work::Call(_));
            while batch.len() < BATCH_MAX && batch.iter().all(is_call) && self.queue.front().is_some_and(is_call) {
                batch.extend(self.queue.pop_front());
            }
            self.run_batch(batch);
        }
        for (user, response_id, reply) in std::mem::take(&mut self.lookups) {
            let row = self.response(&user, &response_id).map_err(|failure| failure.error(&self.path));
            let _ = reply.send(row);
        }
    }

    fn run_batch(&mut self, batch: Vec<Request>) {
        match self.attempt(&batch) {
            Ok(outcomes) => {
                for (request, outcome) in batch.into_iter().zip(outcomes) {
                    self.reply(request, outcome);
                }
            }
            // Each alone, so that only the one that fails is refused.
            Err(failed) if batch.len() > 1 && failed.failure.can_be_of_one_call() && !failed.is_ambiguous => {
                for request in batch {
                    self.run_batch(vec![request]);
                }
            }
            Err(mut failed) => {
                self.options.events.send(Event::Failed(failed.failure.error(&self.path)));
                for request in batch {
                    self.refuse(request, &failed);
                }
                if !failed.failure.can_be_of_one_call() {
                    // The rest would fail too, each after a wait. Nothing of it was run.
                    failed.is_ambiguous = false;
                    for request in std::mem::take(&mut self.queue) {
                        self.refuse(request, &failed);
                    }
                }
            }
        }
    }

    fn attempt(&mut self, batch: &[Request]) -> Result<Vec<Result<Outcome, LedgerError>>, Failed> {
        let (clock, events) = (self.options.clock.clone(), self.options.events.clone());
        let connection = self.connection()?;
        let result = if let [Request { work: Work::Void { id, limits }, .. }] = batch {
            transaction::void(connection, *id, limits, &clock).map(|outcome| vec![outcome])
        } else {
            let calls = batch.iter().filter_map(|request| match &request.work {
                Work::Call(call) => Some(&**call),
                Work::Void { .. } => None,
            });
            transaction::run(connection, &calls.collect::<Vec<_>>(), &clock, &events)
        };
        self.note(result)
    }

    /// Closes the connection after a failure that it may not survive.
    fn note<T>(&mut self, result: Result<T, Failed>) -> Result<T, Failed> {
        if let Err(failed) = &result
            && !failed.failure.keeps_connection()
        {
            self.connection = None;
        }
        result
    }

    fn connection(&mut self) -> Result<&mut Writable, Failure> {
        self.file_id.check(&self.path).map_err(Failure::Known)?;
        if self.connection.is_none() {
            self.connection = Some(Writable::reopen(&self.path, &self.options).map_err(Failure::Known)?);
        }
        self.connection.as_mut().ok_or(Failure::Known(LedgerError::Closed))
    }

    /// Replies. A grant whose caller is gone is settled at zero.
    fn reply(&mut self, request: Request, outcome: Result<Outcome, LedgerError>) {
        let Request { work, reply: Some(reply) } = request else { return };
        if let Err(Ok(Outcome::Granted { .. })) = reply.send(outcome) {
            self.undo(&work);
        }
    }

    /// A settle is kept. Of other calls the caller gets the error; a reservation that may be stored is settled at zero.
    fn refuse(&mut self, request: Request, failed: &Failed) {
        let Failed { failure, is_ambiguous } = failed;
        let Request { work, reply } = request;
        if matches!(&work, Work::Call(call) if call.must_be_stored()) {
            if !failure.can_be_of_one_call() {
                self.keep(Request { work, reply });
                return;
            }
            self.report_lost(&work);
        }
        if *is_ambiguous {
            self.undo(&work);
        }
        if let Some(reply) = reply {
            let _ = reply.send(Err(failure.error(&self.path)));
        }
    }

    fn undo(&mut self, work: &Work) {
        if let Work::Call(call) = work
            && let Some(undo) = call.undo()
        {
            self.keep(Request { work: Work::Call(Box::new(undo)), reply: None });
        }
    }

    /// Drops the oldest one if there are too many.
    fn keep(&mut self, request: Request) {
        if self.kept.len() >= KEPT_MAX
            && let Some(Request { work, reply }) = self.kept.pop_front()
        {
            self.report_lost(&work);
            if let Some(reply) = reply {
                let _ = reply.send(Err(LedgerError::Overloaded(KEPT_MAX)));
            }
        }
        self.kept.push_back(request);
    }

    fn report_lost(&self, work: &Work) {
        if let Work::Call(call) = work
            && let Command::Settle { id, .. } = call.command
        {
            self.options.events.send(Event::SettleLost { user: Arc::clone(&call.user), id });
        }
    }

    fn response(&mut self, user: &str, response_id: &str) -> Result<Option<LedgerRow>, Failure> {
        let condition = "WHERE route = '/responses' AND substr(response_id, -12) = substr(?1, -12) AND response_id = ?1 \
                         AND user = ?2 ORDER BY at DESC LIMIT 1";
        let connection = &self.connection()?.connection;
        let mut select = connection.prepare_cached(&format!("{} {condition}", columns::SELECT))?;
        let row = select.query_row(params![response_id, user], columns::read).optional()?;
        Ok(row.map(|(_, row)| row))
    }

    /// A failure here is no loss: the next look repeats it.
    fn check(&mut self, process: &mut Process) {
        self.next_check = Instant::now() + CHECK;
        let _ = self.check_processes(process);
        if let Some(retention) = self.options.retention {
            let clock = self.options.clock.clone();
            let result = self.connection().map_err(Failed::from);
            let result = result.and_then(|connection| retention::delete_some(connection, retention, &clock));
            if let Ok(true) = self.note(result) {
                // Calls that wait come first.
                self.next_check = Instant::now();
            }
        }
    }

    fn check_processes(&mut self, process: &mut Process) -> Result<usize, Failed> {
        let (clock, events) = (self.options.clock.clone(), self.options.events.clone());
        let mut check = || -> Result<usize, Failed> {
            let connection = self.connection()?;
            if !process.is_registered(&connection.connection)? {
                transaction::in_transaction(connection, true, |writable| process.register(&writable.connection))?;
            }
            let mut expired = 0;
            for dead in process.dead(&connection.connection)? {
                let count = transaction::end_process(connection, dead, &clock)?;
                process.remove_lock(dead);
                events.send(Event::ProcessEnded { process: dead, count });
                expired += count;
            }
            Ok(expired)
        };
        let result = check();
        self.note(result)
    }
}
