//! Processes and the database are killed, stopped and restarted while three processes are under load. No budget is exceeded, no
//! acknowledged settle is lost, and rows, sums and counters agree. `KILL_ROUNDS` sets the number of failures.

use std::{
    collections::HashMap,
    env,
    io::{BufRead as _, BufReader},
    process::{Child, Command, Stdio},
    sync::{Arc, Mutex},
    thread::{self, JoinHandle},
    time::{Duration, Instant},
};

use sparekey_ledger::{End, LedgerRow, RowQuery};
use sparekey_policy::{HoldId, Period, Usd};

use crate::{
    DATABASE, eventually,
    load::{self, BUDGET, USERS},
    open,
    support::{Server, User, budget, usd},
};

/// What the processes printed.
#[derive(Default)]
struct Truth {
    sent: HashMap<HoldId, (String, Usd)>,
    settled: HashMap<HoldId, Usd>,
    /// The milliseconds of each call that failed.
    failed: Vec<u64>,
    closed: Vec<usize>,
    /// Requests that did not fit the budget.
    refused: usize,
}

struct Process {
    child: Child,
    reader: JoinHandle<()>,
}

impl Process {
    fn start(server: &Server, number: u64, truth: &Arc<Mutex<Truth>>) -> Self {
        let mut command = Command::new(env::current_exe().unwrap());
        command.env(load::ADDRESS, server.address(DATABASE)).env(load::NUMBER, number.to_string());
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap());
        let truth = Arc::clone(truth);
        let reader = thread::spawn(move || {
            let mut line = String::new();
            // The last line of one that was killed can be cut.
            while lines.read_line(&mut line).unwrap() > 0 && line.ends_with('\n') {
                truth.lock().unwrap().note(&line);
                line.clear();
            }
        });
        Self { child, reader }
    }

    fn kill(mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
        self.reader.join().unwrap();
    }

    fn end(mut self) {
        drop(self.child.stdin.take());
        assert!(self.child.wait().unwrap().success());
        self.reader.join().unwrap();
    }
}

impl Truth {
    fn note(&mut self, line: &str) {
        let words: Vec<_> = line.split_whitespace().collect();
        let id = |word: &str| HoldId(word.parse().unwrap());
        let usd = |word: &str| Usd::from_pico(word.parse().unwrap());
        match words[..] {
            ["sent", user, of, cost] => drop(self.sent.insert(id(of), (user.to_owned(), usd(cost)))),
            ["settled", _, of, cost] => drop(self.settled.insert(id(of), usd(cost))),
            ["refused"] => self.refused += 1,
            ["failed", time, ..] => self.failed.push(time.parse().unwrap()),
            ["closed", count] => self.closed.push(count.parse().unwrap()),
            _ => panic!("{line}"),
        }
    }

    fn check(&self, rows: &HashMap<HoldId, LedgerRow>) {
        for (id, (_, cost)) in &self.sent {
            let row = rows.get(id).unwrap_or_else(|| panic!("an acknowledged reservation is lost: {id:?}"));
            assert!(row.cost >= *cost, "{row:?}");
        }
        for (id, cost) in &self.settled {
            assert_eq!((rows[id].cost, rows[id].row.end), (*cost, End::Complete), "a stored settle is lost");
        }
    }

    fn answered(&self) -> usize {
        self.sent.len() + self.refused
    }

    fn cost(&self, of: &str) -> Usd {
        self.sent.values().filter(|(user, _)| user == of).fold(Usd::ZERO, |sum, (_, cost)| sum.plus(*cost))
    }
}

pub(crate) fn kills_under_load(server: &mut Server) {
    let rounds = env::var("KILL_ROUNDS").map_or(8, |rounds| rounds.parse().unwrap());
    let truth: Arc<Mutex<Truth>> = Arc::default();
    let mut next = 0..;
    let mut start = |server: &Server| Process::start(server, next.next().unwrap(), &truth);
    let mut processes: Vec<_> = (0..3).map(|_| start(server)).collect();
    for round in 0..rounds {
        thread::sleep(Duration::from_millis(700));
        let before = truth.lock().unwrap().answered();
        match round % 4 {
            0 => {
                processes.remove(0).kill();
                processes.push(start(server));
            }
            1 => {
                server.kill();
                server.restart();
            }
            2 => {
                server.stop();
                thread::sleep(Duration::from_millis(900));
                server.proceed();
            }
            _ => server.restart(),
        }
        server.wait();
        let limit = Duration::from_secs(5);
        let back = eventually(limit, || truth.lock().unwrap().answered() > before + 50);
        println!("round {round}: load again after {back:?}");
    }
    processes.into_iter().for_each(Process::end);
    check(server, &truth.lock().unwrap());
}

fn check(server: &Server, truth: &Truth) {
    assert!(truth.closed.iter().all(|unsettled| *unsettled == 0), "{:?}", truth.closed);
    let slowest = truth.failed.iter().max().copied().unwrap_or(0);
    let (count, failed) = (truth.sent.len(), truth.failed.len());
    println!("{count} sent, {failed} failed, the slowest failure after {slowest} ms");
    let ledger = open(server).ledger;
    let users = USERS.map(|name| User::new(&ledger, name, budget(Period::Total, BUDGET)));
    // Of the processes that were killed.
    let started = Instant::now();
    while users.iter().any(|user| user.held(Period::Total) != Usd::ZERO) {
        assert!(started.elapsed() < Duration::from_secs(15), "holds of the dead are not charged");
        thread::sleep(Duration::from_millis(100));
    }
    let rows = ledger.rows(RowQuery::default()).wait().unwrap();
    let count = rows.len();
    let by_id: HashMap<_, _> = rows.into_iter().map(|row| (row.id, row)).collect();
    assert_eq!(by_id.len(), count, "one row per request");
    truth.check(&by_id);
    for user in &users {
        let (spent, cost) = (user.spent(Period::Total), truth.cost(&user.name));
        println!("{}: {cost} of {spent} are true", user.name);
        assert!(cost <= spent && spent <= usd(BUDGET), "true {cost}, spent {spent}");
        assert!(truth.refused > 0 && spent > usd(BUDGET - 10), "the load is too small for the budget: {spent}");
        user.check_sums();
    }
    assert_eq!(ledger.close(), 0);
}
