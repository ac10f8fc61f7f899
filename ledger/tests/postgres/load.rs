//! The process that is killed: threads that reserve and settle until then, or until its standard input ends.

use std::{
    env,
    io::{Read as _, Write as _, stdin, stdout},
    process,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    thread,
    time::{Duration, Instant},
};

use sparekey_ledger::{
    Clock, Ledger,
    postgres::{Options, Postgres},
};
use sparekey_policy::{Command, HoldId, Outcome, Period, Reserve, Timestamp, Usd};

use crate::{
    DEAD_AFTER,
    support::{User, budget, row, usd},
};

pub(crate) const ADDRESS: &str = "SPAREKEY_LOAD_ADDRESS";
pub(crate) const NUMBER: &str = "SPAREKEY_LOAD_NUMBER";

/// Cents.
pub(crate) const BUDGET: i64 = 3_000;
pub(crate) const USERS: [&str; 5] = ["Tom", "Ann", "Eve", "Ben", "Cem"];

const THREADS: u64 = 8;

/// Runs until its standard input ends, if this process is a child. Returns whether it is.
pub(crate) fn run() -> bool {
    let (Ok(address), Ok(number)) = (env::var(ADDRESS), env::var(NUMBER)) else { return false };
    let options = Options { dead_after: DEAD_AFTER, ..Options::default() };
    let ledger: Arc<dyn Ledger> = Arc::new(Postgres::open(&address, options).unwrap().ledger);
    let number: u64 = number.parse().unwrap();
    let is_ended = Arc::new(AtomicBool::new(false));
    let start = |index: u64| {
        let (ledger, is_ended) = (Arc::clone(&ledger), Arc::clone(&is_ended));
        thread::spawn(move || send_requests(&ledger, number * THREADS + index, &is_ended))
    };
    let threads: Vec<_> = (0..THREADS).map(start).collect();
    let _ = stdin().read(&mut [0]);
    // A settle waits until it is stored, for ever if the test has failed and its database is gone.
    thread::spawn(|| {
        thread::sleep(Duration::from_secs(30));
        process::exit(1);
    });
    is_ended.store(true, Ordering::Relaxed);
    for thread in threads {
        thread.join().unwrap();
    }
    print(&format!("closed {}", ledger.close()));
    true
}

fn send_requests(ledger: &Arc<dyn Ledger>, thread: u64, is_ended: &AtomicBool) {
    for count in 0_u64.. {
        if is_ended.load(Ordering::Relaxed) {
            return;
        }
        let name = USERS[usize::try_from((thread + count) % 5).unwrap()];
        let user = User::new(ledger, name, budget(Period::Total, BUDGET));
        let id = HoldId((u128::from(thread) << 64) + u128::from(count));
        let want = usd(i64::try_from(count % 7).unwrap() + 1);
        let until = Clock::default().now().plus(Timestamp::HOUR);
        let process = user.ledger.process();
        let reserve = Reserve { id, want, floor: want, least: Usd::from_pico(1), tokens: 0, until, process };
        let started = Instant::now();
        let result = ledger.run(user.call(Command::Reserve(reserve))).wait();
        let Ok(outcome) = result else {
            print(&format!("failed {} {result:?}", started.elapsed().as_millis()));
            // As clients that wait before they repeat.
            thread::sleep(Duration::from_millis(20));
            continue;
        };
        let Outcome::Granted { amount, .. } = outcome else {
            print("refused");
            thread::sleep(Duration::from_millis(5));
            continue;
        };
        let part = i64::try_from(count % 4).unwrap() + 1;
        let cost = Usd::from_pico(amount.as_pico() / 4 * part);
        print(&format!("sent {name} {} {}", id.0, cost.as_pico()));
        let settle = Command::Settle { id, amount: cost, tokens: 0 };
        let pending = ledger.run(user.call(settle).with_row(row(u128::from(count))));
        // Some are not awaited.
        if count % 8 > 0 && pending.wait().is_ok() {
            print(&format!("settled {name} {} {}", id.0, cost.as_pico()));
        }
    }
}

/// One write, so that lines of several threads do not mix. A pipe keeps what a dead process wrote.
fn print(line: &str) {
    let mut stdout = stdout().lock();
    stdout.write_all(format!("{line}\n").as_bytes()).unwrap();
    stdout.flush().unwrap();
}
