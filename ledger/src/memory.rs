//! The engine of tests: in memory, lost with the process.

use std::{
    collections::{BTreeMap, HashMap},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use sparekey_policy::{CalendarPeriod, HoldId, Limits, Outcome, Period, ProcessId, State, Timestamp, Usd};

use crate::{
    call::Call,
    change::{self, Change},
    clock::Clock,
    day::{Day, DayQuery, Sums},
    engine::{Ledger, RowQuery},
    error::LedgerError,
    pending::Pending,
    row::LedgerRow,
};

/// States and rows in memory. Clones share them, as processes share a file.
#[derive(Clone, Debug)]
pub struct Memory {
    stored: Arc<Mutex<Stored>>,
    clock: Clock,
    process: ProcessId,
}

#[derive(Debug, Default)]
struct Stored {
    /// Encoded, as in every engine.
    states: HashMap<Arc<str>, Vec<u8>>,
    rows: Vec<(Timestamp, LedgerRow)>,
    days: BTreeMap<(i32, Arc<str>, Arc<str>), Sums>,
}

impl Memory {
    /// Creates an empty ledger.
    #[must_use]
    pub fn new(clock: Clock, process: ProcessId) -> Self {
        Self { stored: Arc::default(), clock, process }
    }

    /// Returns the same ledger for another process.
    #[must_use]
    pub fn share(&self, process: ProcessId) -> Self {
        Self { process, ..self.clone() }
    }

    fn lock(&self) -> MutexGuard<'_, Stored> {
        self.stored.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Stored {
    fn run(&mut self, call: &Call, now: Timestamp) -> Result<Outcome, LedgerError> {
        let mut state =
            self.states.get(&call.user).map_or_else(|| Ok(State::default()), |bytes| State::decode(bytes))?;
        let change = Change::of(call, &mut state, now);
        if change.is_changed {
            self.states.insert(Arc::clone(&call.user), state.encode());
        }
        if let Some(id) = change.removed
            && let Some(index) = self.rows.iter().position(|(_, row)| row.id == id)
        {
            let (_, row) = self.rows.remove(index);
            self.add(&row, Sums::of(&row).negated());
        }
        for row in change.rows {
            self.add(&row, Sums::of(&row));
            self.rows.push((now, row));
        }
        Ok(change.outcome)
    }

    fn void(&mut self, id: HoldId, limits: Arc<Limits>, now: Timestamp) -> Result<Outcome, LedgerError> {
        let Some(index) = self.rows.iter().position(|(_, row)| row.id == id) else { return Ok(Outcome::Unknown) };
        let mut row = self.rows[index].1.clone();
        if row.voided.is_some() {
            return Ok(Outcome::AlreadyDone);
        }
        let outcome = self.run(&change::void(&row, limits, now), now)?;
        if outcome == Outcome::Adjusted {
            self.add(&row, Sums { cost: Usd::ZERO.minus(row.cost), ..Sums::default() });
            row.voided = Some(std::mem::take(&mut row.cost));
            self.rows[index].1 = row;
        }
        Ok(outcome)
    }

    fn add(&mut self, row: &LedgerRow, sums: Sums) {
        let key = (row.day.number(), Arc::clone(&row.user), Arc::clone(&row.row.model));
        let day = self.days.entry(key).or_default();
        *day = day.plus(sums);
    }
}

impl Ledger for Memory {
    fn run(&self, call: Call) -> Pending<Outcome> {
        let pending = Pending::ready(self.lock().run(&call, self.clock.now()));
        let Some(undo) = call.undo() else { return pending };
        let engine = self.clone();
        pending.on_lost_grant(move || drop(engine.run(undo)))
    }

    fn void(&self, id: HoldId, limits: Arc<Limits>) -> Pending<Outcome> {
        Pending::ready(self.lock().void(id, limits, self.clock.now()))
    }

    fn days(&self, query: DayQuery) -> Pending<Vec<Day>> {
        let stored = self.lock();
        let since = query.since.map_or(i32::MIN, CalendarPeriod::number);
        let is_asked = |day: i32, user| day >= since && is_of(query.user.as_ref(), user);
        let days = stored.days.iter().filter(|((day, user, _), sums)| is_asked(*day, user) && !sums.is_empty());
        let days = days.map(|((day, user, model), sums)| {
            let (user, model) = (Arc::clone(user), Arc::clone(model));
            Day { day: Period::Day.of_day(*day), user, model, sums: *sums }
        });
        Pending::ready(Ok(days.collect()))
    }

    fn rows(&self, query: RowQuery) -> Pending<Vec<LedgerRow>> {
        let stored = self.lock();
        let since = query.since.unwrap_or(Timestamp::from_micros(i64::MIN));
        let rows = stored.rows.iter().filter(|(at, row)| *at >= since && is_of(query.user.as_ref(), &row.user));
        let mut rows: Vec<_> = rows.map(|(_, row)| row.clone()).collect();
        let limit = query.limit.map_or(usize::MAX, |limit| usize::try_from(limit).unwrap_or(usize::MAX));
        Pending::ready(Ok(rows.split_off(rows.len().saturating_sub(limit))))
    }

    fn response(&self, user: Arc<str>, response_id: Arc<str>) -> Pending<Option<LedgerRow>> {
        let stored = self.lock();
        let is_it = |row: &&LedgerRow| row.user == user && row.row.is_response(&response_id);
        Pending::ready(Ok(stored.rows.iter().map(|(_, row)| row).rfind(is_it).cloned()))
    }

    fn process(&self) -> ProcessId {
        self.process
    }
}

fn is_of(wanted: Option<&Arc<str>>, user: &Arc<str>) -> bool {
    wanted.is_none_or(|wanted| wanted == user)
}
