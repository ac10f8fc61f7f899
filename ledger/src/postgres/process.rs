//! Processes that use the ledger, and which of them are dead.
//!
//! A process holds a session advisory lock on its id, on a connection of its own. PostgreSQL releases it when the session ends:
//! at any end of the process, but also when the network or the database fails. So the holds of a process are charged only
//! after its lock was free for some time, in which a process that lives takes it again.

use std::{
    collections::HashMap,
    rc::Rc,
    sync::Arc,
    time::{Duration, Instant},
};

use sparekey_policy::{Command, Limits, Outcome, ProcessId, Zone};
use tokio::{
    sync::oneshot,
    time::{sleep, timeout},
};

use super::{
    database::Database,
    failure::Failure,
    retention, schema,
    target::{Connection, Target},
};
use crate::{call::Call, error::LedgerError, event::Event, swap::Worker};

/// Between two looks for dead processes and old rows.
const CHECK: Duration = Duration::from_secs(2);

/// Between two tries to get the session of the lock back.
const RECONNECT: Duration = Duration::from_millis(500);

/// For connecting, and for a statement over all users.
pub(super) const DEADLINE: Duration = Duration::from_secs(5);

/// The server ends the session of a machine that lost its power or its network after 3 s and three probes.
const SETTINGS: &str = "SET statement_timeout = '5s'; SET tcp_keepalives_idle = 3; SET tcp_keepalives_interval = 2; \
                        SET tcp_keepalives_count = 3";

/// The ids of all processes whose lock is free. A lock on a `bigint` has its halves in two columns.
const FREE: &str = "SELECT id FROM sparekey.process WHERE id <> $1 AND id NOT IN (\
     SELECT (classid::bigint << 32) | objid::bigint FROM pg_catalog.pg_locks \
     WHERE locktype = 'advisory' AND objsubid = 1 AND granted \
     AND database = (SELECT oid FROM pg_catalog.pg_database WHERE datname = current_database()))";

/// A few holds are open at a time, so the database reads all states: 0.3 s if there are a million.
const USERS: &str = "SELECT user_name FROM sparekey.state WHERE processes @> ARRAY[$1]::bigint[]";

/// The session of this process's lock.
pub(super) struct Processes {
    process: ProcessId,
    session: Option<Lock>,
    /// When the lock of each process was first seen free.
    free: HashMap<ProcessId, Instant>,
}

struct Lock {
    connection: Connection,
    is_held: bool,
}

impl Processes {
    /// Connects, creates or migrates the tables, and takes the lock. Returns whether the tables are new.
    pub(super) async fn open(target: &Target, process: ProcessId) -> Result<(Self, bool), Failure> {
        let mut connection = target.connect(SETTINGS, DEADLINE).await?;
        let is_new = schema::migrate(&mut connection).await?;
        let mut this = Self { process, session: Some(Lock { connection, is_held: false }), free: HashMap::new() };
        this.take_lock().await?;
        Ok((this, is_new))
    }

    /// Keeps the lock, and looks for dead processes and old rows.
    pub(super) async fn keep(mut self, worker: Rc<Worker<Database>>) {
        loop {
            let pause = if let Ok(pause) = self.check(&worker).await {
                pause
            } else {
                // What was seen before proves nothing: the processes lost their locks at the same time.
                self.session = None;
                self.free.clear();
                RECONNECT
            };
            sleep(pause).await;
        }
    }

    async fn check(&mut self, worker: &Rc<Worker<Database>>) -> Result<Duration, Failure> {
        if self.session.as_ref().is_none_or(|session| session.connection.is_closed()) {
            self.free.clear();
            let connection = worker.store.target.connect(SETTINGS, DEADLINE).await?;
            self.session = Some(Lock { connection, is_held: false });
        }
        timeout(DEADLINE, self.take_lock()).await.unwrap_or(Err(Failure::Deadline))?;
        for dead in
            timeout(DEADLINE, self.dead(worker.store.options.dead_after)).await.unwrap_or(Err(Failure::Deadline))?
        {
            timeout(DEADLINE, self.end(worker, dead)).await.unwrap_or(Err(Failure::Deadline))?;
        }
        let Some(retention) = worker.store.options.retention else {
            return Ok(CHECK.min(worker.store.options.dead_after));
        };
        let Some(Lock { connection, .. }) = &self.session else { return Ok(RECONNECT) };
        let deleted = retention::delete_some(connection, retention, &worker.store.options.clock);
        // Old rows wait for the next look, and the lock does not depend on them.
        let has_more = timeout(DEADLINE, deleted).await.unwrap_or(Ok(false)).unwrap_or(false);
        Ok(if has_more { Duration::from_millis(20) } else { CHECK.min(worker.store.options.dead_after) })
    }

    /// Takes the lock if it is not held, and registers the process. Another one holds it while it charges this process.
    async fn take_lock(&mut self) -> Result<(), Failure> {
        let Some(Lock { connection, is_held }) = &mut self.session else { return Ok(()) };
        let id = self.process.0.cast_signed();
        if !*is_held {
            *is_held = try_lock(connection, id).await?;
        }
        if *is_held {
            connection.execute("INSERT INTO sparekey.process VALUES ($1) ON CONFLICT DO NOTHING", &[&id]).await?;
        }
        Ok(())
    }

    /// Returns the processes whose lock was free in each look for a time.
    async fn dead(&mut self, after: Duration) -> Result<Vec<ProcessId>, Failure> {
        let Some(Lock { connection, .. }) = &self.session else { return Ok(Vec::new()) };
        let id = self.process.0.cast_signed();
        let mut free = HashMap::new();
        for row in connection.query(FREE, &[&id]).await? {
            let process = ProcessId(row.try_get::<_, i64>(0)?.cast_unsigned());
            let since = self.free.get(&process).copied().unwrap_or_else(Instant::now);
            free.insert(process, since);
        }
        self.free = free;
        let dead = self.free.iter().filter(|(_, since)| since.elapsed() >= after);
        Ok(dead.map(|(process, _)| *process).collect())
    }

    /// Charges the holds of a process under its lock, so that it cannot take it meanwhile.
    async fn end(&mut self, worker: &Rc<Worker<Database>>, dead: ProcessId) -> Result<(), Failure> {
        self.free.remove(&dead);
        let Some(Lock { connection, .. }) = &self.session else { return Ok(()) };
        let id = dead.0.cast_signed();
        if !try_lock(connection, id).await? {
            return Ok(());
        }
        let (count, is_complete) = end_on(worker, connection, dead).await?;
        connection.execute("SELECT pg_advisory_unlock($1)", &[&id]).await?;
        if is_complete {
            worker.store.options.events.send(Event::ProcessEnded { process: dead, count });
        }
        Ok(())
    }
}

/// Charges all holds of a process, and removes it from the table.
pub(super) async fn end(worker: &Rc<Worker<Database>>, process: ProcessId) -> Result<(), Failure> {
    let connection = worker.store.target.connect(SETTINGS, DEADLINE).await?;
    end_on(worker, &connection, process).await.map(drop)
}

/// Returns the number of holds, and whether those of all users were charged. If not, the process stays in the table: a user
/// whose state cannot be read or is locked does not keep back the others.
async fn end_on(
    worker: &Rc<Worker<Database>>,
    connection: &Connection,
    process: ProcessId,
) -> Result<(usize, bool), Failure> {
    let id = process.0.cast_signed();
    let (mut count, mut is_complete) = (0, true);
    for row in connection.query(USERS, &[&id]).await? {
        let user: Arc<str> = Arc::from(row.try_get::<_, &str>(0)?);
        match charge(worker, &user, process).await {
            Ok(charged) => count += charged,
            Err(_) => is_complete = false,
        }
    }
    if is_complete {
        connection.execute("DELETE FROM sparekey.process WHERE id = $1", &[&id]).await?;
    }
    Ok((count, is_complete))
}

/// Whether a server uses the database.
pub(super) async fn is_any_alive(connection: &Connection) -> Result<bool, Failure> {
    let all: i64 = connection.query_one("SELECT count(*) FROM sparekey.process", &[]).await?.try_get(0)?;
    // No process has this id: they are random.
    let free = connection.query(FREE, &[&0_i64]).await?.len();
    Ok(usize::try_from(all).is_ok_and(|all| all > free))
}

/// Charges all holds of a user that have the name of a process, and returns their number.
async fn charge(worker: &Rc<Worker<Database>>, user: &Arc<str>, process: ProcessId) -> Result<usize, LedgerError> {
    // Holds are charged without a look at limits.
    let limits = Arc::new(Limits::none(Arc::new(Zone::utc())));
    let (reply, outcome) = oneshot::channel();
    worker.push(Call::new(Arc::clone(user), limits, Command::ProcessEnded(process)), Some(reply));
    match outcome.await.unwrap_or(Err(LedgerError::Closed))? {
        Outcome::Expired { count } => Ok(count),
        _ => Ok(0),
    }
}

async fn try_lock(connection: &Connection, id: i64) -> Result<bool, Failure> {
    Ok(connection.query_one("SELECT pg_try_advisory_lock($1)", &[&id]).await?.try_get(0)?)
}
