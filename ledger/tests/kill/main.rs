//! Processes under load are killed, and the ledger is opened again each time. No budget is exceeded, no acknowledged reservation
//! and no acknowledged settle is lost.
//!
//! A process is this test binary again. It prints a line for each request before it would be sent, with its cost, and one for
//! each settle that is stored; the lines are the truth of the upstream. `KILL_ROUNDS` sets the number of kills.

mod load;
#[path = "../support/mod.rs"]
mod support;

use std::{
    collections::HashMap,
    env,
    io::{BufRead as _, BufReader},
    path::Path,
    process::{Child, ChildStdout, Command, Stdio},
    sync::Arc,
};

use sparekey_ledger::{DayQuery, End, Ledger, LedgerRow, Opened, Options, RowQuery, Sqlite};
use sparekey_policy::{HoldId, Period, Timestamp, Usd};
use support::{Folder, User, budget, usd};

/// What a process printed.
#[derive(Default)]
struct Truth {
    sent: HashMap<HoldId, Usd>,
    settled: HashMap<HoldId, Usd>,
    user: String,
}

struct Process {
    child: Child,
    lines: BufReader<ChildStdout>,
    truth: Truth,
}

impl Process {
    fn start(path: &Path, number: u64, user: &str) -> Self {
        let mut command = Command::new(env::current_exe().unwrap());
        command.args(["--exact", "child", "--nocapture", "--test-threads=1"]);
        command.env(load::FILE, path).env(load::NUMBER, number.to_string()).env(load::USER, user);
        let mut child = command.stdout(Stdio::piped()).spawn().unwrap();
        let lines = BufReader::new(child.stdout.take().unwrap());
        Self { child, lines, truth: Truth { user: user.to_owned(), ..Truth::default() } }
    }

    /// Reads this number of lines of requests.
    fn read(&mut self, mut count: u64) {
        let mut line = String::new();
        while count > 0 {
            line.clear();
            assert!(self.lines.read_line(&mut line).unwrap() > 0, "the process ended");
            count -= u64::from(self.truth.note(&line));
        }
    }

    fn kill(mut self) -> Truth {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
        let mut line = String::new();
        // The last line can be cut.
        while self.lines.read_line(&mut line).unwrap() > 0 && line.ends_with('\n') {
            self.truth.note(&line);
            line.clear();
        }
        std::mem::take(&mut self.truth)
    }
}

/// A test that fails leaves no process.
impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Truth {
    /// Notes `sent ID COST`, `settled ID COST` and `refused ID 0`; other lines are the test harness's.
    fn note(&mut self, line: &str) -> bool {
        let mut words = line.split_whitespace();
        let map = match words.next() {
            Some("sent") => &mut self.sent,
            Some("settled") => &mut self.settled,
            Some("refused") => return true,
            _ => return false,
        };
        let id = HoldId(words.next().unwrap().parse().unwrap());
        map.insert(id, Usd::from_pico(words.next().unwrap().parse().unwrap()));
        true
    }

    fn cost(&self) -> Usd {
        self.sent.values().fold(Usd::ZERO, |sum, cost| sum.plus(*cost))
    }

    /// Checks the rows of this process's requests.
    fn check(&self, rows: &HashMap<HoldId, LedgerRow>) {
        for (id, cost) in &self.sent {
            let row = rows.get(id).unwrap_or_else(|| panic!("an acknowledged reservation is lost: {id:?}"));
            assert!(row.cost >= *cost, "{row:?}");
        }
        for (id, cost) in &self.settled {
            assert_eq!((rows[id].cost, rows[id].row.end), (*cost, End::Complete), "a stored settle is lost");
        }
        assert!(self.cost() <= usd(load::BUDGET), "{}", self.cost());
    }
}

fn open(path: &Path) -> Sqlite {
    let Opened { ledger, is_new, .. } = Sqlite::open(path, Options::default()).unwrap();
    assert!(!is_new);
    ledger
}

fn rows_since(ledger: &Sqlite, since: Timestamp) -> HashMap<HoldId, LedgerRow> {
    let rows = ledger.rows(RowQuery { since: Some(since), ..RowQuery::default() }).wait().unwrap();
    let count = rows.len();
    let by_id: HashMap<_, _> = rows.into_iter().map(|row| (row.id, row)).collect();
    assert_eq!(by_id.len(), count, "one row per request");
    by_id
}

/// Checks that what a user spent covers the truth and is within the budget.
fn check_user(ledger: &Sqlite, user: &str, truth: Usd) {
    let ledger: Arc<dyn Ledger> = Arc::new(ledger.clone());
    let user = User::new(&ledger, user, budget(Period::Total, load::BUDGET));
    let spent = user.spent(Period::Total);
    assert!(truth <= spent && spent <= usd(load::BUDGET), "truth {truth}, spent {spent}");
    assert_eq!(user.held(Period::Total), Usd::ZERO, "holds of the dead are charged");
    user.check_sums();
}

fn rounds() -> u64 {
    env::var("KILL_ROUNDS").map_or(100, |rounds| rounds.parse().unwrap())
}

/// A number of lines, another one in each round, from the first reservation to a budget that is nearly spent.
fn lines(round: u64) -> u64 {
    1 + round.wrapping_mul(2_654_435_761) % 200
}

fn now() -> Timestamp {
    sparekey_ledger::Clock::default().now()
}

#[test]
fn killed_under_load() {
    let folder = Folder::new();
    let path = folder.ledger();
    assert_eq!(Sqlite::open(&path, Options::default()).unwrap().ledger.close(), 0);
    for round in 0..rounds() {
        let since = now();
        let mut process = Process::start(&path, round, &format!("user-{round}"));
        process.read(lines(round));
        let truth = process.kill();
        let ledger = open(&path);
        truth.check(&rows_since(&ledger, since));
        check_user(&ledger, &truth.user, truth.cost());
        assert_eq!(ledger.close(), 0);
    }
}

/// Both use one user. The first is killed while the second is under load, and then the second.
#[test]
fn two_processes_killed_under_load() {
    let folder = Folder::new();
    let path = folder.ledger();
    assert_eq!(Sqlite::open(&path, Options::default()).unwrap().ledger.close(), 0);
    for round in 0..rounds() / 2 {
        let since = now();
        let user = format!("user-{round}");
        let [mut first, mut second] = [0, 1].map(|index| Process::start(&path, 2 * round + index, &user));
        first.read(lines(round));
        second.read(1);
        let first = first.kill();
        let ledger = open(&path);
        first.check(&rows_since(&ledger, since));
        second.read(1);
        let second = second.kill();
        assert_eq!(ledger.close(), 0);
        let ledger = open(&path);
        let rows = rows_since(&ledger, since);
        first.check(&rows);
        second.check(&rows);
        check_user(&ledger, &user, first.cost().plus(second.cost()));
        let days = ledger.days(DayQuery::default()).wait().unwrap();
        assert!(days.iter().all(|day| day.sums.cost >= Usd::ZERO));
        assert_eq!(ledger.close(), 0);
    }
}

/// Not a test, but the process that is killed.
#[test]
fn child() {
    load::run();
}
