//! The database as the worker uses it.

use std::{rc::Rc, sync::Arc};

use sparekey_policy::{HoldId, ProcessId};
use tokio::{task, time::timeout};

use super::{
    Options,
    failure::Failure,
    pool::{Pool, STEP},
    process::{self, DEADLINE, Processes},
    query,
    step::{self, Key},
    target::Target,
};
use crate::{
    clock::Clock,
    error::LedgerError,
    event::Events,
    row::LedgerRow,
    swap::{Done, Failed, Received, Step, Store, Stored, Worker},
};

pub(super) struct Database {
    pub(super) options: Options,
    pub(super) target: Rc<Target>,
    pub(super) process: ProcessId,
    pub(super) pool: Rc<Pool>,
}

impl Database {
    pub(super) fn new(target: Target, options: Options, process: ProcessId) -> Rc<Self> {
        let target = Rc::new(target);
        let pool = Pool::new(Rc::clone(&target), process, options.connections, options.events.clone());
        Rc::new(Self { options, target, process, pool })
    }
}

/// Runs until the engine is closed.
pub(super) async fn run(database: Rc<Database>, jobs: Received, processes: Processes) {
    let worker = Worker::new(database);
    let keep = task::spawn_local(processes.keep(Rc::clone(&worker)));
    let (closed, unsettled) = worker.serve(jobs).await;
    keep.abort();
    // Fails if the database does not work: another process charges the holds then.
    let _ = timeout(DEADLINE, process::end(&worker, worker.store.process)).await;
    worker.store.pool.close();
    if let Some(done) = closed {
        let _ = done.send(unsettled);
    }
}

impl Store for Database {
    type Key = Key;

    const BATCH_MAX: usize = 64;

    fn clock(&self) -> &Clock {
        &self.options.clock
    }

    fn events(&self) -> &Events {
        &self.options.events
    }

    fn failure(&self) -> Option<LedgerError> {
        self.pool.failure()
    }

    fn trip(self: &Rc<Self>, error: LedgerError) {
        self.pool.trip(error);
    }

    async fn restored(&self) {
        self.pool.restored().await;
    }

    async fn run(&self, step: Step<'_, Key>, cached: &mut Option<Stored>) -> Result<Done, Failed> {
        step::run(&self.pool, step, cached).await
    }

    async fn response(&self, user: &str, response_id: &str) -> Result<Option<LedgerRow>, LedgerError> {
        let find = async {
            let lease = self.pool.lease(|| {}).await?;
            let row = lease.session.response(user, response_id).await?;
            self.pool.give_back(lease);
            Ok(row)
        };
        timeout(STEP, find).await.unwrap_or(Err(Failure::Deadline)).map_err(|failure| failure.error())
    }

    async fn find(&self, id: HoldId) -> Result<Option<(Key, Arc<str>)>, LedgerError> {
        query::find(&self.target, id).await.map_err(|failure| failure.error())
    }
}
