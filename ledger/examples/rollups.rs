//! The time of the usual queries, and the size of a row: `cargo run --release -p sparekey-ledger --example rollups`.
//!
//! The arguments are the number of rows (2,000,000), of 100 users and 5 models in 90 days, and the folder.

use std::{
    env, fs,
    path::{Path, PathBuf},
    sync::{
        Arc,
        atomic::{AtomicI64, Ordering},
    },
    time::{Duration, Instant},
};

use sparekey_ledger::{Call, Clock, DayQuery, End, Ledger, Options, Reader, Row, RowQuery, Sqlite};
use sparekey_policy::{Command, HoldId, Limits, Period, Reserve, Timestamp, Tokens, Usage, Usd, Zone};

const USERS: u64 = 100;
const DAYS: u64 = 90;
const DAY: i64 = 24 * Timestamp::HOUR;
/// Open requests of a user at once, while the rows are written.
const OPEN: u64 = 32;

fn main() {
    let rows = env::args().nth(1).map_or(2_000_000, |rows| rows.parse().expect("a number of rows"));
    let folder = env::args().nth(2).map_or_else(env::temp_dir, PathBuf::from).join("sparekey-rollups");
    let _ = fs::remove_dir_all(&folder);
    fs::create_dir_all(&folder).expect("a folder");
    let path = folder.join("sparekey.db");
    let started = Instant::now();
    let end = fill(&path, rows);
    let count = Reader::open(&path).and_then(|reader| reader.days(&DayQuery::default())).expect("days");
    let count: i64 = count.iter().map(|day| day.sums.requests).sum();
    println!("{count} rows written in {:.1} s", started.elapsed().as_secs_f64());
    let size = fs::metadata(&path).expect("a file").len();
    println!("{} MB, {} bytes per row", size / 1_000_000, size / u64::try_from(count).expect("a count"));
    query(&path, end);
    let _ = fs::remove_dir_all(&folder);
}

/// Writes the rows through the engine, and returns the time of the last one.
fn fill(path: &Path, rows: u64) -> Timestamp {
    let now = Arc::new(AtomicI64::new(1_785_000_000 * Timestamp::SECOND));
    let clock = {
        let now = Arc::clone(&now);
        Clock::new(move || Timestamp::from_micros(now.load(Ordering::Relaxed)))
    };
    let ledger = Sqlite::open(path, Options { clock: clock.clone(), ..Options::default() }).expect("a ledger").ledger;
    let mut limits = Limits::none(Arc::new(Zone::utc()));
    limits.metered = true;
    limits.concurrent_requests = std::num::NonZeroU32::new(64);
    let limits = Arc::new(limits);
    let users: Vec<Arc<str>> = (0..USERS).map(|user| Arc::from(format!("user-{user}"))).collect();
    let mut next = 0;
    for day in 0..DAYS {
        while next < rows * (day + 1) / DAYS {
            let block: Vec<_> = (next..next + USERS * OPEN).collect();
            let user = |id: u64| Arc::clone(&users[usize::try_from(id % USERS).expect("a user")]);
            for calls in [reserve, settle] {
                let run = |id: &u64| ledger.run(Call { user: user(*id), ..calls(*id, &limits, &clock, &ledger) });
                for pending in block.iter().map(run).collect::<Vec<_>>() {
                    pending.wait().expect("a stored call");
                }
            }
            next += USERS * OPEN;
        }
        now.fetch_add(DAY, Ordering::Relaxed);
    }
    assert_eq!(ledger.close(), 0);
    clock.now()
}

fn reserve(id: u64, limits: &Arc<Limits>, clock: &Clock, ledger: &Sqlite) -> Call {
    let want = Usd::from_pico(50_000_000_000);
    let until = clock.now().plus(Timestamp::HOUR);
    let process = ledger.process();
    let reserve = Reserve { id: scramble(id), want, floor: want, least: want, tokens: 0, until, process };
    Call::new(Arc::from(""), Arc::clone(limits), Command::Reserve(reserve))
}

fn settle(id: u64, limits: &Arc<Limits>, clock: &Clock, _: &Sqlite) -> Call {
    let tokens =
        Tokens { input: 1_500 + id % 900, cached: 1_024, output: 200 + id % 300, reasoning: 64, ..Tokens::default() };
    let HoldId(random) = scramble(id);
    let models = ["gpt-5", "gpt-5-mini", "gpt-5-nano", "text-embedding-3-small", "gpt-4o"];
    let row = Row {
        key: Arc::from("5f3a9b1c"),
        route: Arc::from("/chat/completions"),
        model: Arc::from(models[usize::try_from(id / USERS % 5).expect("a model")]),
        usage: Usage::from(tokens),
        prices: Arc::from("2026-11-20"),
        status: 200,
        upstream_id: Some(Arc::from(format!("req_{random:032x}"))),
        response_id: Some(Arc::from(format!("chatcmpl-{:029x}", random >> 12))),
        head: Some(Duration::from_micros(350_000 + id % 1_000)),
        total: Duration::from_micros(2_350_000 + id % 1_000),
        ..Row::bare(clock.now(), End::Complete)
    };
    let command = Command::Settle {
        id: scramble(id),
        amount: Usd::from_pico(1_234_567_000 + i64::try_from(id).expect("a number")),
        tokens: 0,
    };
    Call::new(Arc::from(""), Arc::clone(limits), command).with_row(row)
}

/// An id that looks random.
fn scramble(id: u64) -> HoldId {
    HoldId(u128::from(id + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15_f39c_c060_5ced_c835))
}

fn query(path: &Path, end: Timestamp) {
    let reader = Reader::open(path).expect("a reader");
    let day = |days: i64| Some(Period::Day.at(end.plus(-days * DAY), &Zone::utc()));
    let tom: Arc<str> = Arc::from("user-7");
    let limits = Limits::none(Arc::new(Zone::utc()));
    let days =
        |user: Option<&Arc<str>>, since| reader.days(&DayQuery { user: user.cloned(), since }).expect("days").len();
    time("all users, 90 days", || days(None, None));
    time("all users, 30 days", || days(None, day(30)));
    time("one user, 90 days", || days(Some(&tom), None));
    time("one user, 30 days", || days(Some(&tom), day(30)));
    time("report of one user", || usize::from(reader.report("user-7", &limits, end).expect("a report").is_some()));
    let newest = RowQuery { user: Some(tom), since: None, limit: Some(100) };
    time("last 100 rows of one user", || reader.rows(&newest).expect("rows").len());
}

/// Prints the median of some runs.
fn time(name: &str, mut run: impl FnMut() -> usize) {
    let mut times: Vec<_> = (0..9)
        .map(|_| {
            let before = Instant::now();
            let count = run();
            (before.elapsed(), count)
        })
        .collect();
    times.sort_unstable();
    let (time, count) = times[times.len() / 2];
    println!("{name}: {count} results in {:.2} ms", time.as_secs_f64() * 1e3);
}
