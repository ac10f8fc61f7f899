//! Reservations per second, and the time of each, on this machine: `cargo run --release -p sparekey-ledger --example commits`.
//!
//! The argument is the folder of the ledger; the default is the folder for temporary files, which can be in memory. Or, with
//! `--features postgres`, the address of an empty database; the last line has two servers then.

use std::{
    env, fs,
    path::PathBuf,
    sync::Arc,
    thread,
    time::{Duration, Instant},
};

use sparekey_ledger::{Call, Clock, End, Ledger, Options, Row, Sqlite};
use sparekey_policy::{Command, HoldId, Limits, Period, Reserve, Timestamp, Usd, Zone};

const TIME: Duration = Duration::from_secs(3);

/// Callers, and their users.
const LOADS: [(u128, u128); 4] = [(1, 1), (8, 8), (64, 64), (64, 1)];

fn main() {
    #[cfg(feature = "postgres")]
    if let Some(address) = env::args().nth(1).filter(|argument| argument.starts_with("postgres:")) {
        return of_database(&address);
    }
    let folder = env::args().nth(1).map_or_else(env::temp_dir, PathBuf::from).join("sparekey-commits");
    for (callers, users) in LOADS {
        let _ = fs::remove_dir_all(&folder);
        fs::create_dir_all(&folder).expect("a folder");
        let ledger = Sqlite::open(&folder.join("sparekey.db"), Options::default()).expect("a ledger").ledger;
        measure(&[Arc::new(ledger)], callers, users);
    }
    let _ = fs::remove_dir_all(&folder);
}

#[cfg(feature = "postgres")]
fn of_database(address: &str) {
    use sparekey_ledger::postgres::{Options, Postgres};
    let open = || Arc::new(Postgres::open(address, Options::default()).expect("a ledger").ledger) as Arc<dyn Ledger>;
    for (callers, users) in LOADS {
        measure(&[open()], callers, users);
    }
    println!("two servers:");
    measure(&[open(), open()], 16, 1);
}

/// The callers share the ledgers, which are closed.
fn measure(ledgers: &[Arc<dyn Ledger>], callers: u128, users: u128) {
    let started = Instant::now();
    let start = |caller: u128| {
        let ledger = Arc::clone(&ledgers[usize::try_from(caller).expect("a small number") % ledgers.len()]);
        thread::spawn(move || reserve_and_settle(&*ledger, caller, &format!("user-{}", caller % users), started))
    };
    let threads: Vec<_> = (0..callers).map(start).collect();
    let mut times: Vec<_> = threads.into_iter().flat_map(|thread| thread.join().expect("a caller")).collect();
    times.sort_unstable();
    let rate = times.len() as u64 / TIME.as_secs();
    let [p50, p99] = [50, 99].map(|percent| times[times.len() * percent / 100].as_micros());
    for ledger in ledgers {
        assert_eq!(ledger.close(), 0);
    }
    println!("{callers} callers, {users} users: {rate} requests per second; reserve p50 {p50} us, p99 {p99} us");
}

/// Returns the time of each reservation. A settle is not awaited, as in the proxy.
fn reserve_and_settle(ledger: &dyn Ledger, caller: u128, user: &str, started: Instant) -> Vec<Duration> {
    let mut limits = Limits::none(Arc::new(Zone::utc()));
    limits.budgets.set(Period::Month, Usd::MAX);
    limits.concurrent_requests = std::num::NonZeroU32::new(64);
    let (limits, user): (_, Arc<str>) = (Arc::new(limits), Arc::from(user));
    let call = |command| Call::new(Arc::clone(&user), Arc::clone(&limits), command);
    let mut times = Vec::new();
    while started.elapsed() < TIME {
        let id = HoldId(caller << 64 | times.len() as u128);
        let want = Usd::from_pico(1_000_000);
        let until = Clock::default().now().plus(Timestamp::HOUR);
        let process = ledger.process();
        let reserve = Reserve { id, want, floor: want, least: want, tokens: 0, until, process };
        let before = Instant::now();
        ledger.run(call(Command::Reserve(reserve))).wait().expect("a grant");
        times.push(before.elapsed());
        let settle = call(Command::Settle { id, amount: want, tokens: 0 });
        drop(ledger.run(settle.with_row(Row::bare(Clock::default().now(), End::Complete))));
    }
    times
}
