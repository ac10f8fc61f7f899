//! What tests ask of a ledger.
#![allow(dead_code, unreachable_pub, reason = "each test binary uses a part")]

use std::sync::Arc;

use sparekey_ledger::{Call, Day, DayQuery, End, Ledger, Row, RowQuery};
use sparekey_policy::{
    Command, HoldId, Limits, Outcome, Period, ProcessId, Report, Reserve, Timestamp, Tokens, Usage, Usd, Zone,
};

/// 2026-11-27 12:00 UTC, a Friday.
pub const NOON: Timestamp = Timestamp::from_seconds(1_795_780_800);
pub const DAY: i64 = 24 * Timestamp::HOUR;

/// A user of a ledger.
#[derive(Clone)]
pub struct User {
    pub ledger: Arc<dyn Ledger>,
    pub name: Arc<str>,
    pub limits: Arc<Limits>,
}

impl User {
    pub fn new(ledger: &Arc<dyn Ledger>, name: &str, limits: Limits) -> Self {
        Self { ledger: Arc::clone(ledger), name: Arc::from(name), limits: Arc::new(limits) }
    }

    /// The same user on another process.
    pub fn on(&self, ledger: &Arc<dyn Ledger>) -> Self {
        Self { ledger: Arc::clone(ledger), ..self.clone() }
    }

    pub fn run(&self, command: Command) -> Outcome {
        self.ledger.run(self.call(command)).wait().unwrap()
    }

    pub fn call(&self, command: Command) -> Call {
        Call::new(Arc::clone(&self.name), Arc::clone(&self.limits), command)
    }

    /// Reserves an amount in cents, all or nothing.
    pub fn reserve(&self, id: u128, cents: i64, until: Timestamp) -> Outcome {
        self.run(reserve(id, cents, until, self.ledger.process()))
    }

    pub fn settle(&self, id: u128, cents: i64) -> Outcome {
        self.ledger.run(settle(self, id, cents)).wait().unwrap()
    }

    pub fn report(&self) -> Report {
        match self.run(Command::Report) {
            Outcome::Report(report) => *report,
            outcome => panic!("{outcome:?}"),
        }
    }

    pub fn spent(&self, period: Period) -> Usd {
        self.report().periods[period as usize].spent
    }

    pub fn held(&self, period: Period) -> Usd {
        self.report().periods[period as usize].held
    }

    pub fn days(&self) -> Vec<Day> {
        self.ledger.days(DayQuery { user: Some(Arc::clone(&self.name)), since: None }).wait().unwrap()
    }

    /// Checks that rows, days and counters agree to the last pico-dollar.
    pub fn check_sums(&self) {
        let query = RowQuery { user: Some(Arc::clone(&self.name)), ..RowQuery::default() };
        let rows = self.ledger.rows(query).wait().unwrap();
        let days = self.days();
        let total = self.spent(Period::Total);
        assert_eq!(rows.iter().fold(Usd::ZERO, |sum, row| sum.plus(row.cost)), total, "rows");
        assert_eq!(days.iter().fold(Usd::ZERO, |sum, day| sum.plus(day.sums.cost)), total, "days");
        let requests = rows.iter().filter(|row| row.row.end != End::Credit).count();
        assert_eq!(days.iter().map(|day| day.sums.requests).sum::<i64>(), i64::try_from(requests).unwrap());
        let today = self.report().periods[Period::Day as usize];
        let of_today = days.iter().filter(|day| day.day == today.period);
        assert_eq!(of_today.fold(Usd::ZERO, |sum, day| sum.plus(day.sums.cost)), today.spent, "today");
    }
}

pub fn reserve(id: u128, cents: i64, until: Timestamp, process: ProcessId) -> Command {
    let want = usd(cents);
    Command::Reserve(Reserve { id: HoldId(id), want, floor: want, least: want, tokens: 0, until, process })
}

/// A settle with a row.
pub fn settle(user: &User, id: u128, cents: i64) -> Call {
    let command = Command::Settle { id: HoldId(id), amount: usd(cents), tokens: 0 };
    user.call(command).with_row(row(id))
}

pub fn row(id: u128) -> Row {
    let model = ["gpt-5", "gpt-5-mini", ""][usize::try_from(id % 3).unwrap()];
    let tokens = Tokens { input: 1_000, cached: 500, output: 200, reasoning: 100, ..Tokens::default() };
    Row { model: Arc::from(model), usage: Usage::from(tokens), status: 200, ..Row::bare(NOON, End::Complete) }
}

pub fn budget(period: Period, cents: i64) -> Limits {
    let mut limits = Limits::none(Arc::new(Zone::utc()));
    limits.budgets.set(period, usd(cents));
    limits.concurrent_requests = std::num::NonZeroU32::new(64);
    limits
}

/// Cents.
pub fn usd(cents: i64) -> Usd {
    Usd::from_pico(cents * 10_000_000_000)
}

pub fn is_granted(outcome: &Outcome) -> bool {
    matches!(outcome, Outcome::Granted { .. })
}
