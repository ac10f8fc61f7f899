//! A ledger that a test fills as the server does.

use std::{
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicI64, Ordering},
    },
};

use sparekey_ledger::{Call, Clock, End, Ledger as _, Options, Row, Sqlite};
use sparekey_policy::{Command, HoldId, Limits, Outcome, Period, Reserve, Timestamp, Tokens, Usage, Usd, Zone};

/// 2026-11-24 12:00 UTC, a Tuesday.
pub(in crate::only) const NOON: Timestamp = Timestamp::from_seconds(1_795_521_600);
pub(in crate::only) const DAY: i64 = 24 * Timestamp::HOUR;

/// A process that has the ledger open, with a clock of its own.
pub(in crate::only) struct Writer {
    ledger: Sqlite,
    now: Arc<AtomicI64>,
    limits: Arc<Limits>,
}

impl Writer {
    pub(in crate::only) fn open(path: &Path, now: Timestamp, zone: &str) -> Self {
        let now = Arc::new(AtomicI64::new(now.as_micros()));
        let clock = Arc::clone(&now);
        let clock = Clock::new(move || Timestamp::from_micros(clock.load(Ordering::SeqCst)));
        let ledger = Sqlite::open(path, Options { clock, ..Options::default() }).unwrap().ledger;
        let mut limits = Limits::none(Arc::new(Zone::iana(zone, NOON).unwrap()));
        limits.budgets.set(Period::Month, Usd::parse("5").unwrap());
        Self { ledger, now, limits: Arc::new(limits) }
    }

    pub(in crate::only) fn wait(&self, micros: i64) {
        self.now.fetch_add(micros, Ordering::SeqCst);
    }

    /// Reserves an amount, all or nothing.
    pub(in crate::only) fn reserve(&self, user: &str, id: u128, usd: &str) -> Outcome {
        let want = Usd::parse(usd).unwrap();
        let until = self.now().plus(Timestamp::HOUR);
        let process = self.ledger.process();
        let reserve = Reserve { id: HoldId(id), want, floor: want, least: want, tokens: 0, until, process };
        self.ledger.run(self.call(user, Command::Reserve(reserve))).wait().unwrap()
    }

    /// A request from its start to its end.
    pub(in crate::only) fn request(&self, user: &str, id: u128, usd: &str, model: &str) {
        assert!(matches!(self.reserve(user, id, usd), Outcome::Granted { .. }), "{user}: {id}");
        let tokens = Tokens { input: 1_000, cached: 400, output: 50, ..Tokens::default() };
        let row = Row { model: Arc::from(model), usage: Usage::from(tokens), ..Row::bare(self.now(), End::Complete) };
        let settle = Command::Settle { id: HoldId(id), amount: Usd::parse(usd).unwrap(), tokens: 1_050 };
        let outcome = self.ledger.run(self.call(user, settle).with_row(row)).wait().unwrap();
        assert!(matches!(outcome, Outcome::Settled { .. }), "{outcome:?}");
    }

    /// Lowers what a user spent.
    pub(in crate::only) fn credit(&self, user: &str, id: u128, usd: &str) {
        let (at, amount) = (self.now(), Usd::ZERO.minus(Usd::parse(usd).unwrap()));
        let adjust = self.call(user, Command::Adjust { id: HoldId(id), at, amount });
        let outcome = self.ledger.run(adjust.with_row(Row::bare(at, End::Credit))).wait().unwrap();
        assert!(matches!(outcome, Outcome::Adjusted), "{outcome:?}");
    }

    fn call(&self, user: &str, command: Command) -> Call {
        Call::new(Arc::from(user), Arc::clone(&self.limits), command)
    }

    fn now(&self) -> Timestamp {
        Timestamp::from_micros(self.now.load(Ordering::SeqCst))
    }
}

/// As the end of the process does.
impl Drop for Writer {
    fn drop(&mut self) {
        let _ = self.ledger.close();
    }
}
