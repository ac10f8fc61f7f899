//! The state of one user: what [`step`](crate::step) reads and changes.
//!
//! The encoded form is in `state/encoding.rs`.

mod counter;
pub(crate) mod encoding;
mod hold;
mod varint;

pub use hold::{Hold, HoldId, ProcessId};

use self::{counter::Counter, hold::Tombstone};
use crate::{
    period::{CalendarPeriod, Period},
    rate::Arrival,
    timestamp::Timestamp,
    token_bucket::TokenBucket,
    usd::Usd,
};

/// The clocks of several machines, and a clock that is set, differ by less. A clock that is further behind was wrong.
const CLOCK_TOLERANCE: i64 = Timestamp::HOUR;

/// A settle that is later than this after its hold's end changes nothing.
const TOMBSTONE_LIFE: i64 = 24 * Timestamp::HOUR;

/// The most tombstones; the one that ends first makes place for a new one.
const TOMBSTONES_MAX: usize = 32;

/// What is stored of one user: rates, counters of money, holds.
///
/// A new user's state is the default. It has no pointers to limits: changing a limit keeps what was counted.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct State {
    last: Option<Timestamp>,
    pub(crate) requests: Option<Arrival>,
    pub(crate) tokens: TokenBucket,
    counters: [Counter; Period::ALL.len()],
    holds: Vec<Hold>,
    tombstones: Vec<Tombstone>,
    /// Encoded fields that this version does not read.
    unknown: Vec<u8>,
}

impl State {
    /// Returns the open holds.
    #[must_use]
    pub fn holds(&self) -> &[Hold] {
        &self.holds
    }

    /// Returns the holds that a step at `now` expires: they are charged in full.
    pub fn expiring(&self, now: Timestamp) -> impl Iterator<Item = &Hold> {
        let now = self.clock(now);
        // A step back keeps the remaining time of each hold.
        let back = self.last.map_or(0, |last| last.since(now)).max(0);
        self.holds.iter().filter(move |hold| hold.until.plus(back.saturating_neg()) <= now)
    }

    /// Whether the clock is more than an hour behind the last step. The step takes it, and it belongs in the log.
    #[must_use]
    pub fn is_step_back(&self, now: Timestamp) -> bool {
        self.last.is_some_and(|last| last.since(now) > CLOCK_TOLERANCE)
    }

    /// The time that counts at `now`: never earlier than the last one, but for a large step back.
    fn clock(&self, now: Timestamp) -> Timestamp {
        if self.is_step_back(now) { now } else { self.last.map_or(now, |last| last.max(now)) }
    }

    /// Sets the clock, expires holds and tombstones, and returns the time that counts.
    pub(crate) fn advance(&mut self, now: Timestamp) -> Timestamp {
        let now = self.clock(now);
        if let Some(back) = self.last.map(|last| now.since(last)).filter(|shift| *shift < 0) {
            self.shift(back);
        }
        self.last = Some(now);
        self.tombstones.retain(|tombstone| tombstone.until > now);
        self.expire(|hold| hold.until <= now, now);
        now
    }

    /// Moves all instants, so that what remains of each wait stays the same after a step back.
    fn shift(&mut self, micros: i64) {
        let holds = self.holds.iter_mut().map(|hold| &mut hold.until);
        let tombstones = self.tombstones.iter_mut().map(|tombstone| &mut tombstone.until);
        let rates = self.requests.iter_mut().map(|arrival| &mut arrival.at).chain([&mut self.tokens.at]);
        for instant in holds.chain(tombstones).chain(rates) {
            *instant = instant.plus(micros);
        }
    }

    /// Charges the holds that are chosen in full, and returns their number.
    pub(crate) fn expire(&mut self, is_expired: impl Fn(&Hold) -> bool, now: Timestamp) -> usize {
        let mut count = 0_usize;
        while let Some(index) = self.holds.iter().position(&is_expired) {
            let hold = self.holds.swap_remove(index);
            self.charge(hold.day, hold.amount);
            let Hold { id, amount, day, .. } = hold;
            let until = now.plus(TOMBSTONE_LIFE);
            self.bury(Tombstone { id, amount, until, day, is_final: false });
            count = count.saturating_add(1);
        }
        count
    }

    /// Records that this request was adjusted: neither a settle nor the same adjustment changes anything any more.
    pub(crate) fn finalize(&mut self, id: HoldId, day: i32, now: Timestamp) {
        self.tombstones.retain(|tombstone| tombstone.id != id);
        let until = now.plus(TOMBSTONE_LIFE);
        self.bury(Tombstone { id, amount: Usd::ZERO, until, day, is_final: true });
    }

    fn bury(&mut self, tombstone: Tombstone) {
        if self.tombstones.len() >= TOMBSTONES_MAX {
            let first = self.tombstones.iter().zip(0..).min_by_key(|(tombstone, _)| tombstone.until);
            if let Some((_, index)) = first {
                self.tombstones.swap_remove(index);
            }
        }
        self.tombstones.push(tombstone);
    }

    pub(crate) fn hold(&self, id: HoldId) -> Option<&Hold> {
        self.holds.iter().find(|hold| hold.id == id)
    }

    /// Whether a tombstone has this id, and whether it is final.
    pub(crate) fn tombstone(&self, id: HoldId) -> Option<bool> {
        self.tombstones.iter().find(|tombstone| tombstone.id == id).map(|tombstone| tombstone.is_final)
    }

    pub(crate) fn add_hold(&mut self, hold: Hold) {
        self.holds.push(hold);
    }

    pub(crate) fn remove_hold(&mut self, id: HoldId) -> Option<Hold> {
        let index = self.holds.iter().position(|hold| hold.id == id)?;
        Some(self.holds.swap_remove(index))
    }

    /// Removes the tombstone of an expired hold, and returns what was charged, and for which day.
    pub(crate) fn remove_expired(&mut self, id: HoldId) -> Option<(Usd, i32)> {
        let index = self.tombstones.iter().position(|tombstone| tombstone.id == id && !tombstone.is_final)?;
        let tombstone = self.tombstones.swap_remove(index);
        Some((tombstone.amount, tombstone.day))
    }

    /// Opens the periods that contain the day. Only periods that are kept or newer can be opened.
    pub(crate) fn open(&mut self, day: i32) {
        for (counter, period) in self.counters.iter_mut().zip(Period::ALL) {
            counter.add(period.of_day(day).number(), Usd::ZERO);
        }
    }

    /// Adds to what is spent in the periods that contain the day. A period older than the kept ones is left out.
    pub(crate) fn charge(&mut self, day: i32, amount: Usd) {
        if amount != Usd::ZERO {
            for (counter, period) in self.counters.iter_mut().zip(Period::ALL) {
                counter.add(period.of_day(day).number(), amount);
            }
        }
    }

    /// Returns what was spent in a period; `None` if it is older than the kept ones.
    #[must_use]
    pub fn spent(&self, period: CalendarPeriod) -> Option<Usd> {
        let mut counters = self.counters.iter().zip(Period::ALL);
        counters.find(|(_, kind)| *kind == period.period()).and_then(|(counter, _)| counter.spent(period.number()))
    }

    /// Returns the sum of the holds whose requests belong to a period.
    pub(crate) fn held(&self, period: CalendarPeriod) -> Usd {
        let holds = self.holds.iter().filter(|hold| period.period().of_day(hold.day) == period);
        holds.fold(Usd::ZERO, |sum, hold| sum.plus(hold.amount))
    }
}
