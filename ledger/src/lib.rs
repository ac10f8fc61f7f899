//! The ledger of an OpenAI access-key proxy: the state of each user, and a row per request that was settled.
//!
//! **In scope:** engines that store a user's [`State`](sparekey_policy::State) and the rows of the same step together; sums per
//! day; rows made void, credits; the name of a process, so that the holds of a dead one are charged; what a request costs at its
//! end.
//!
//! **Out of scope:** every decision. [`step`](sparekey_policy::step) is the only place of limits, and no engine repeats one in
//! SQL. The caller computes amounts that are reserved, logs, and responds to clients.
//!
//! ```text
//! Call ──► engine: read the state ──► Change::of (pure) ──► store state and rows, if the state is unchanged ──► Outcome
//! ```
//!
//! [`Change::of`] is the same for all engines. An engine reads and stores in one transaction ([`Sqlite`]), or swaps the
//! state if its version is still the one that was read, and runs the call again if not: a conditional `UPDATE` in a database,
//! a conditional write in a key-value store. `tests/engines/suite/` is the suite that every engine passes.
//!
//! ```
//! use std::sync::Arc;
//!
//! use sparekey_ledger::{Call, Clock, Ledger, Memory};
//! use sparekey_policy::{Command, HoldId, Limits, Outcome, Period, ProcessId, Reserve, Timestamp, Usd, Zone};
//!
//! let mut limits = Limits::none(Arc::new(Zone::utc()));
//! limits.budgets.set(Period::Month, Usd::parse("5").unwrap());
//! let (user, limits) = (Arc::from("Tom"), Arc::new(limits));
//!
//! let ledger = Memory::new(Clock::default(), ProcessId(1));
//! let id = HoldId(7);
//! let want = Usd::parse("0.01").unwrap();
//! let until = Clock::default().now().plus(Timestamp::HOUR);
//! let reserve = Reserve { id, want, floor: want, least: want, tokens: 0, until, process: ledger.process() };
//! let call = Call::new(Arc::clone(&user), Arc::clone(&limits), Command::Reserve(reserve));
//! assert!(matches!(ledger.run(call).wait(), Ok(Outcome::Granted { .. })));
//!
//! let settle = Command::Settle { id, amount: Usd::parse("0.002").unwrap(), tokens: 700 };
//! assert!(matches!(ledger.run(Call::new(user, limits, settle)).wait(), Ok(Outcome::Settled { .. })));
//! ```

mod call;
mod call_numbers;
mod change;
mod charge;
mod clock;
#[cfg(any(feature = "dynamodb", feature = "postgres", feature = "sqlite"))]
mod columns;
#[cfg(any(feature = "postgres", feature = "sqlite"))]
pub mod copy;
mod day;
#[cfg(feature = "dynamodb")]
pub mod dynamodb;
mod engine;
mod error;
mod event;
mod ids;
mod memory;
#[cfg(any(feature = "postgres", feature = "sqlite"))]
mod names;
mod pending;
#[cfg(any(feature = "dynamodb", feature = "postgres", feature = "sqlite"))]
mod plan;
#[cfg(feature = "postgres")]
pub mod postgres;
#[cfg(any(feature = "postgres", feature = "sqlite"))]
mod reader_thread;
#[cfg(any(feature = "dynamodb", feature = "postgres", feature = "sqlite"))]
mod report;
#[cfg(any(feature = "dynamodb", feature = "postgres", feature = "sqlite"))]
mod retention;
mod row;
mod row_text;
#[cfg(feature = "sqlite")]
mod sqlite;
#[cfg(any(feature = "dynamodb", feature = "postgres"))]
mod swap;
mod usage_columns;
#[cfg(any(feature = "dynamodb", feature = "postgres", feature = "sqlite"))]
mod waiting;

#[cfg(any(feature = "dynamodb", feature = "postgres", feature = "sqlite"))]
pub use self::retention::RETENTION_DAYS_MAX;
#[cfg(feature = "sqlite")]
pub use self::sqlite::{Import, Opened, Options, Reader, Sqlite};
pub use self::{
    call::Call,
    change::Change,
    charge::{Charge, Cost, Reported, ResponseHead, Settled},
    clock::Clock,
    day::{Day, DayQuery, Sums},
    engine::{Ledger, RowQuery},
    error::LedgerError,
    event::{Event, Events},
    ids::new_hold_id,
    memory::Memory,
    pending::{Pending, Reply},
    row::{End, LedgerRow, Row},
};
