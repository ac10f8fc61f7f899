//! Tests of what other engines do not have: a file, a disk, processes.

mod delayed_settles;
mod events;
mod failures;
mod files;
mod old_rows;
mod processes;

use std::{
    env, fs, iter,
    path::PathBuf,
    process,
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering},
    },
};

use rusqlite::Connection;
use sparekey_policy::{Command, Limits, Period, Reserve, Timestamp, Usd, Zone};

use super::{connection::Faults, *};
use crate::row::{End, Row};

struct Folder(PathBuf);

impl Folder {
    fn new() -> Self {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let name = format!("sparekey-sqlite-{}-{}", process::id(), NEXT.fetch_add(1, Ordering::Relaxed));
        let path = env::temp_dir().join(name);
        fs::create_dir_all(&path).unwrap();
        Self(path)
    }

    fn path(&self) -> PathBuf {
        self.0.join("sparekey.db")
    }

    fn open(&self) -> Sqlite {
        self.open_with(Options::default()).unwrap().ledger
    }

    fn open_with(&self, options: Options) -> Result<Opened, LedgerError> {
        Sqlite::open(&self.path(), Options { busy_timeout: Duration::from_millis(20), ..options })
    }

    /// Another program that uses the file.
    fn sql(&self) -> Connection {
        Connection::open(self.path()).unwrap()
    }

    fn locks(&self) -> usize {
        let names = fs::read_dir(&self.0).unwrap().map(|entry| entry.unwrap().file_name());
        names.filter(|name| name.to_string_lossy().ends_with(".lock")).count()
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

fn call(command: Command) -> Call {
    let mut limits = Limits::none(Arc::new(Zone::utc()));
    limits.budgets.set(Period::Total, Usd::from_pico(100));
    Call::new(Arc::from("Tom"), Arc::new(limits), command)
}

fn reserve(ledger: &Sqlite, id: u128, pico: i64) -> Result<Outcome, LedgerError> {
    ledger.run(reserve_call(ledger, id, pico)).wait()
}

fn reserve_call(ledger: &Sqlite, id: u128, pico: i64) -> Call {
    let want = Usd::from_pico(pico);
    let until = Clock::default().now().plus(Timestamp::HOUR);
    let process = ledger.process();
    call(Command::Reserve(Reserve { id: HoldId(id), want, floor: want, least: want, tokens: 0, until, process }))
}

fn settle(id: u128, pico: i64) -> Call {
    let command = Command::Settle { id: HoldId(id), amount: Usd::from_pico(pico), tokens: 0 };
    call(command).with_row(Row::bare(Timestamp::default(), End::Complete))
}

/// Spent and held.
fn amounts(ledger: &Sqlite) -> (i64, i64) {
    match ledger.run(call(Command::Report)).wait().unwrap() {
        Outcome::Report(report) => (report.periods[3].spent.as_pico(), report.periods[3].held.as_pico()),
        outcome => panic!("{outcome:?}"),
    }
}

fn is_granted(result: &Result<Outcome, LedgerError>) -> bool {
    matches!(result, Ok(Outcome::Granted { .. }))
}
