//! The process that is killed: threads that reserve and settle until then.

use std::{
    env,
    io::{Write as _, stdout},
    path::PathBuf,
    sync::Arc,
    thread,
};

use sparekey_ledger::{Ledger, Options, Sqlite};
use sparekey_policy::{Command, HoldId, Outcome, Period, Reserve, Timestamp, Usd};

use crate::support::{User, budget, row, usd};

pub(crate) const FILE: &str = "SPAREKEY_KILL_FILE";
pub(crate) const NUMBER: &str = "SPAREKEY_KILL_NUMBER";
pub(crate) const USER: &str = "SPAREKEY_KILL_USER";

/// Cents.
pub(crate) const BUDGET: i64 = 250;

const THREADS: u64 = 8;

/// Runs until it is killed, if this process is a child.
pub(crate) fn run() {
    let (Ok(path), Ok(number), Ok(user)) = (env::var(FILE), env::var(NUMBER), env::var(USER)) else { return };
    let ledger: Arc<dyn Ledger> = Arc::new(Sqlite::open(&PathBuf::from(path), Options::default()).unwrap().ledger);
    let user = User::new(&ledger, &user, budget(Period::Total, BUDGET));
    let number: u64 = number.parse().unwrap();
    let start = |index: u64| {
        let user = user.clone();
        thread::spawn(move || send_requests(&user, number * THREADS + index))
    };
    let threads: Vec<_> = (0..THREADS).map(start).collect();
    for thread in threads {
        thread.join().unwrap();
    }
}

fn send_requests(user: &User, thread: u64) {
    for count in 0_u64.. {
        let id = HoldId((u128::from(thread) << 64) + u128::from(count));
        // At most a quarter of what is left, so that little is left soon, and each request is at the budget's end.
        let (want, floor, least) = (usd(50), Usd::ZERO, Usd::from_pico(1));
        let until = sparekey_ledger::Clock::default().now().plus(Timestamp::HOUR);
        let process = user.ledger.process();
        let reserve = Reserve { id, want, floor, least, tokens: 0, until, process };
        let Outcome::Granted { amount, .. } = user.run(Command::Reserve(reserve)) else {
            print("refused", id, Usd::ZERO);
            continue;
        };
        let part = i64::try_from(count % 4).unwrap() + 1;
        let cost = Usd::from_pico(amount.as_pico() / 4 * part);
        print("sent", id, cost);
        let settle = Command::Settle { id, amount: cost, tokens: 0 };
        let pending = user.ledger.run(user.call(settle).with_row(row(u128::from(count))));
        // Some are not awaited.
        if count % 8 > 0 {
            assert!(matches!(pending.wait(), Ok(Outcome::Settled { .. })));
            print("settled", id, cost);
        }
    }
}

/// One write, so that lines of several threads do not mix. A pipe keeps what a dead process wrote.
fn print(word: &str, HoldId(id): HoldId, cost: Usd) {
    let line = format!("\n{word} {id} {}\n", cost.as_pico());
    let mut stdout = stdout().lock();
    stdout.write_all(line.as_bytes()).unwrap();
    stdout.flush().unwrap();
}
