//! A ledger under test, with a clock of its own.
#![allow(dead_code, unreachable_pub, reason = "each test binary uses a part")]

pub mod actual_time;
#[cfg(feature = "sqlite")]
mod folder;
#[cfg(feature = "dynamodb")]
pub mod moto;
#[cfg(feature = "postgres")]
mod server;
mod user;

use std::sync::{
    Arc,
    atomic::{AtomicI64, Ordering},
};

#[cfg(feature = "sqlite")]
pub use folder::Folder;
#[cfg(feature = "postgres")]
pub use server::Server;
use sparekey_ledger::{Clock, Ledger, Memory};
use sparekey_policy::{ProcessId, Timestamp};
pub use user::*;

/// One store, which several processes open.
pub struct Store {
    now: Arc<AtomicI64>,
    engine: Engine,
}

enum Engine {
    Memory(Memory),
    #[cfg(feature = "sqlite")]
    Sqlite(Folder),
    #[cfg(feature = "postgres")]
    Postgres(String),
    #[cfg(feature = "dynamodb")]
    DynamoDb(sparekey_ledger::dynamodb::Table),
}

impl Store {
    pub fn memory() -> Self {
        let now = Arc::new(AtomicI64::new(NOON.as_micros()));
        Self { engine: Engine::Memory(Memory::new(clock(&now), ProcessId(0))), now }
    }

    #[cfg(feature = "sqlite")]
    pub fn sqlite() -> Self {
        let now = Arc::new(AtomicI64::new(NOON.as_micros()));
        Self { engine: Engine::Sqlite(Folder::new()), now }
    }

    /// `None` where PostgreSQL is not installed.
    #[cfg(feature = "postgres")]
    pub fn postgres() -> Option<Self> {
        let now = Arc::new(AtomicI64::new(NOON.as_micros()));
        Some(Self { engine: Engine::Postgres(Server::shared()?.create_database()), now })
    }

    /// `None` where moto is not installed.
    #[cfg(feature = "dynamodb")]
    pub fn dynamodb() -> Option<Self> {
        let now = Arc::new(AtomicI64::new(NOON.as_micros()));
        Some(Self { engine: Engine::DynamoDb(moto::Moto::shared()?.create_table()), now })
    }

    /// Opens the store as another process.
    pub fn open(&self, process: u64) -> Arc<dyn Ledger> {
        match &self.engine {
            Engine::Memory(memory) => Arc::new(memory.share(ProcessId(process))),
            #[cfg(feature = "sqlite")]
            Engine::Sqlite(folder) => {
                let options = sparekey_ledger::Options { clock: clock(&self.now), ..Default::default() };
                Arc::new(sparekey_ledger::Sqlite::open(&folder.ledger(), options).unwrap().ledger)
            }
            #[cfg(feature = "postgres")]
            Engine::Postgres(address) => {
                use sparekey_ledger::postgres::{Options, Postgres};
                let options = Options { clock: clock(&self.now), connections: 3, ..Options::default() };
                Arc::new(Postgres::open(address, options).unwrap().ledger)
            }
            #[cfg(feature = "dynamodb")]
            Engine::DynamoDb(table) => {
                // One server for all tests, which run in parallel.
                let deadline = std::time::Duration::from_secs(60);
                let options = sparekey_ledger::dynamodb::Options {
                    deadline,
                    clock: clock(&self.now),
                    process: ProcessId(process),
                    ..Default::default()
                };
                Arc::new(moto::open(table.clone(), moto::Plain, options))
            }
        }
    }

    pub fn now(&self) -> Timestamp {
        Timestamp::from_micros(self.now.load(Ordering::SeqCst))
    }

    pub fn hour_later(&self) -> Timestamp {
        self.now().plus(Timestamp::HOUR)
    }

    pub fn wait(&self, micros: i64) {
        self.now.fetch_add(micros, Ordering::SeqCst);
    }
}

pub fn clock(now: &Arc<AtomicI64>) -> Clock {
    let now = Arc::clone(now);
    Clock::new(move || Timestamp::from_micros(now.load(Ordering::SeqCst)))
}
