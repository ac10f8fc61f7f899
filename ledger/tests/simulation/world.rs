//! Users, processes and an upstream in simulated time. The upstream counts the truth.

use std::{collections::BTreeMap, num::NonZeroU32, sync::Arc};

use sparekey_ledger::{Call, End, Row};
use sparekey_policy::{
    CalendarPeriod, Command, HoldId, Limits, Outcome, Period, ProcessId, Reserve, Timestamp, Usd, Zone,
};

use crate::{
    random::Random,
    store::{Seen, Store, Variant},
};

const USERS: [&str; 3] = ["Tom", "Ann", "Eve"];
const PROCESSES: usize = 3;
const BUDGETS: [(Period, i64); 3] = [(Period::Day, 300), (Period::Week, 1_200), (Period::Total, 2_500)];

pub(crate) struct World {
    random: Random,
    now: Timestamp,
    store: Store,
    limits: Arc<Limits>,
    users: [Arc<str>; USERS.len()],
    /// The name of each process; a restart has a new one.
    processes: [ProcessId; PROCESSES],
    next_id: u128,
    next_process: u64,
    /// Reservations between their read and their swap.
    starting: Vec<(usize, Seen, Call)>,
    open: Vec<Open>,
    /// What arrives later.
    messages: Vec<(Timestamp, Call)>,
    truth: BTreeMap<(Arc<str>, String), Usd>,
    pub(crate) sent: u64,
    pub(crate) refused: u64,
    pub(crate) lost: u64,
}

/// A request at the upstream.
struct Open {
    id: HoldId,
    user: Arc<str>,
    process: usize,
    cost: Usd,
    ends: Timestamp,
}

#[derive(Debug)]
#[expect(dead_code, reason = "a failed test prints it")]
pub(crate) struct Violation {
    user: Arc<str>,
    period: CalendarPeriod,
    truth: Usd,
    budget: Usd,
}

impl World {
    pub(crate) fn new(seed: u64, variant: Variant) -> Self {
        let mut limits = Limits::none(Arc::new(Zone::utc()));
        for (period, cents) in BUDGETS {
            limits.budgets.set(period, usd(cents));
        }
        limits.concurrent_requests = NonZeroU32::new(64);
        Self {
            random: Random::new(seed),
            now: Timestamp::from_seconds(1_795_780_800),
            store: Store::new(variant),
            limits: Arc::new(limits),
            users: USERS.map(Arc::from),
            processes: [ProcessId(0), ProcessId(1), ProcessId(2)],
            next_id: 0,
            next_process: 3,
            starting: Vec::new(),
            open: Vec::new(),
            messages: Vec::new(),
            truth: BTreeMap::new(),
            sent: 0,
            refused: 0,
            lost: 0,
        }
    }

    /// Does one thing.
    pub(crate) fn step(&mut self) -> Result<(), Violation> {
        match self.random.below(100) {
            0..45 => self.read(),
            45..85 => self.swap()?,
            85..87 => self.crash(),
            87 => {
                self.store.cut_power();
                (0..PROCESSES).for_each(|process| self.end(process));
            }
            _ => {}
        }
        let pause = self.random.below(12);
        self.now = self.now.plus(i64::try_from(pause).unwrap() * Timestamp::MINUTE);
        self.deliver();
        self.finish();
        Ok(())
    }

    /// Checks that rows and counters agree.
    pub(crate) fn check_sums(&mut self) {
        for user in self.users.clone() {
            let outcome = self.run(&self.call(&user, Command::Report));
            let Outcome::Report(report) = outcome else { panic!("{outcome:?}") };
            self.store.check_sums(&user, report.periods[Period::Total as usize].spent);
        }
    }

    /// A process reads the state for a new request.
    fn read(&mut self) {
        let process = self.random.index(PROCESSES);
        let user = Arc::clone(&self.users[self.random.index(USERS.len())]);
        let want = usd(i64::try_from(1 + self.random.below(90)).unwrap());
        let floor = usd(i64::try_from(self.random.below(30)).unwrap());
        let reserve = Reserve {
            id: HoldId(self.next_id),
            want,
            floor,
            least: usd(1),
            tokens: 0,
            until: self.now.plus(Timestamp::HOUR),
            process: self.processes[process],
        };
        self.next_id += 1;
        let seen = self.store.read(&user);
        self.starting.push((process, seen, self.call(&user, Command::Reserve(reserve))));
    }

    /// A process stores a reservation, and sends the request if it is granted.
    fn swap(&mut self) -> Result<(), Violation> {
        if self.starting.is_empty() {
            return Ok(());
        }
        let index = self.random.index(self.starting.len());
        let (process, seen, call) = self.starting.swap_remove(index);
        let Some(reserve) = call.reserve().copied() else { return Ok(()) };
        let mut outcome = self.store.run(&seen, &call, self.now);
        if self.random.percent(5) {
            // The reply was lost, and the process asks again.
            outcome = self.store.run(&self.store.read(&call.user), &call, self.now);
        }
        let Outcome::Granted { amount, .. } = outcome else {
            self.refused += 1;
            return Ok(());
        };
        if self.random.percent(3) {
            // The client left before the request was sent.
            self.settle(&call.user, reserve.id, Usd::ZERO);
            return Ok(());
        }
        // Often the whole hold, else a part.
        let part = if self.random.percent(60) { 100 } else { i64::try_from(self.random.below(100)).unwrap() };
        let cost = Usd::from_pico(amount.as_pico() / 100 * part);
        let length = i64::try_from(self.random.below(70)).unwrap() * Timestamp::MINUTE;
        let ends = self.now.plus(length).min(reserve.until);
        self.open.push(Open { id: reserve.id, user: Arc::clone(&call.user), process, cost, ends });
        self.sent += 1;
        self.count(&call.user, cost)
    }

    /// The upstream counts a request when it is sent.
    fn count(&mut self, user: &Arc<str>, cost: Usd) -> Result<(), Violation> {
        for (period, budget) in self.limits.budgets.iter() {
            let period = period.at(self.now, &self.limits.zone);
            let truth = self.truth.entry((Arc::clone(user), period.to_string())).or_default();
            *truth = truth.plus(cost);
            if *truth > budget {
                return Err(Violation { user: Arc::clone(user), period, truth: *truth, budget });
            }
        }
        Ok(())
    }

    fn finish(&mut self) {
        while let Some(index) = self.open.iter().position(|open| open.ends <= self.now) {
            let Open { id, user, cost, .. } = self.open.swap_remove(index);
            self.settle(&user, id, cost);
        }
    }

    /// A settle arrives now, later, never, or several times.
    fn settle(&mut self, user: &Arc<str>, id: HoldId, amount: Usd) {
        let row = Row::bare(self.now, End::Complete);
        let call = self.call(user, Command::Settle { id, amount, tokens: 0 }).with_row(row);
        if self.random.percent(6) {
            self.lost += 1;
            return;
        }
        let copies = if self.random.percent(20) { 2 + self.random.below(2) } else { 1 };
        for _ in 0..copies {
            let delay = if self.random.percent(10) { self.random.below(27 * 60) } else { 0 };
            self.messages.push((self.now.plus(i64::try_from(delay).unwrap() * Timestamp::MINUTE), call.clone()));
        }
        self.deliver();
    }

    fn deliver(&mut self) {
        while let Some(index) = self.messages.iter().position(|(at, _)| *at <= self.now) {
            let (_, call) = self.messages.swap_remove(index);
            self.run(&call);
        }
    }

    /// A process ends without a settle of its requests. The upstream does not notice.
    fn crash(&mut self) {
        let process = self.random.index(PROCESSES);
        self.end(process);
    }

    fn end(&mut self, process: usize) {
        let name = self.processes[process];
        self.processes[process] = ProcessId(self.next_process);
        self.next_process += 1;
        self.lost += u64::try_from(self.open.iter().filter(|open| open.process == process).count()).unwrap();
        self.open.retain(|open| open.process != process);
        self.starting.retain(|(of, ..)| *of != process);
        // Noticed by another process at once, later, or never.
        if self.random.percent(70) {
            for user in self.users.clone() {
                let delay = i64::try_from(self.random.below(20)).unwrap() * Timestamp::MINUTE;
                self.messages.push((self.now.plus(delay), self.call(&user, Command::ProcessEnded(name))));
            }
        }
    }

    fn run(&mut self, call: &Call) -> Outcome {
        let seen = self.store.read(&call.user);
        self.store.run(&seen, call, self.now)
    }

    fn call(&self, user: &Arc<str>, command: Command) -> Call {
        Call::new(Arc::clone(user), Arc::clone(&self.limits), command)
    }
}

/// Cents.
fn usd(cents: i64) -> Usd {
    Usd::from_pico(cents * 10_000_000_000)
}
