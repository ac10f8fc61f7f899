//! A store with compare-and-swap, as an engine for a remote database has it, and wrong variants of it.

use std::{collections::BTreeMap, sync::Arc};

use sparekey_ledger::{Call, Change, LedgerRow, Sums};
use sparekey_policy::{Command, HoldId, Limits, Outcome, ProcessId, Reserve, State, Timestamp, Usd, step};

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Variant {
    Right,
    /// An expired hold is released instead of charged.
    ExpiryReleases,
    /// The check runs on a state that was read earlier, and the hold is added without a second check.
    CheckThenAdd,
    /// A settle that arrives twice is booked twice.
    SettleRepeats,
    /// A power cut loses reservations too.
    ReserveNotDurable,
}

/// A state as a process has read it.
#[derive(Clone)]
pub(crate) struct Seen {
    version: u64,
    bytes: Option<Vec<u8>>,
}

#[derive(Clone, Default)]
struct Stored {
    states: BTreeMap<Arc<str>, (u64, Vec<u8>)>,
    rows: BTreeMap<HoldId, LedgerRow>,
    days: BTreeMap<(Arc<str>, i32), Sums>,
}

pub(crate) struct Store {
    variant: Variant,
    now: Stored,
    /// After the last durable change: what a power cut leaves.
    durable: Stored,
    /// What a wrong variant needs of each settled request.
    settled: BTreeMap<HoldId, Usd>,
    next_adjustment: u128,
}

impl Store {
    pub(crate) fn new(variant: Variant) -> Self {
        let (now, durable) = (Stored::default(), Stored::default());
        Self { variant, now, durable, settled: BTreeMap::new(), next_adjustment: 1 << 100 }
    }

    pub(crate) fn read(&self, user: &str) -> Seen {
        let stored = self.now.states.get(user);
        Seen { version: stored.map_or(0, |(version, _)| *version), bytes: stored.map(|(_, bytes)| bytes.clone()) }
    }

    /// Runs a call on the state that was seen, and swaps the result in. If another call came between, it starts again.
    pub(crate) fn run(&mut self, seen: &Seen, call: &Call, now: Timestamp) -> Outcome {
        let current = self.read(&call.user);
        let is_stale = seen.version != current.version;
        if is_stale && self.variant == Variant::CheckThenAdd && call.reserve().is_some() {
            return self.add_unchecked(seen, call, now);
        }
        let mut state = decode(current.bytes.as_deref());
        if self.variant == Variant::ExpiryReleases {
            release(call, &mut state, now);
        }
        let change = Change::of(call, &mut state, now);
        let outcome = change.outcome.clone();
        self.store(call, &state, change);
        if self.variant == Variant::SettleRepeats {
            self.repeat(call, &outcome, now);
        }
        outcome
    }

    /// All that is not durable is lost.
    pub(crate) fn cut_power(&mut self) {
        self.now = self.durable.clone();
    }

    /// Checks that the rows and the sums per day are what the counters have.
    pub(crate) fn check_sums(&self, user: &str, spent: Usd) {
        let rows = self.now.rows.values().filter(|row| &*row.user == user);
        assert_eq!(rows.fold(Usd::ZERO, |sum, row| sum.plus(row.cost)), spent);
        let days = self.now.days.iter().filter(|((of, _), _)| &**of == user);
        assert_eq!(days.fold(Usd::ZERO, |sum, (_, sums)| sum.plus(sums.cost)), spent);
    }

    fn store(&mut self, call: &Call, state: &State, change: Change) {
        let Stored { states, rows, days } = &mut self.now;
        let mut add = |row: &LedgerRow, sums: Sums| {
            let day = days.entry((Arc::clone(&row.user), row.day.number())).or_default();
            *day = day.plus(sums);
        };
        if let Some(row) = change.removed.and_then(|id| rows.remove(&id)) {
            add(&row, Sums::of(&row).negated());
        }
        for row in change.rows {
            add(&row, Sums::of(&row));
            assert_eq!(rows.insert(row.id, row), None, "one row per request");
        }
        if change.is_changed {
            let version = states.get(&call.user).map_or(1, |(version, _)| version + 1);
            states.insert(Arc::clone(&call.user), (version, state.encode()));
        }
        // A commit of a reservation makes all before it durable too.
        if call.must_be_durable() && self.variant != Variant::ReserveNotDurable {
            self.durable = self.now.clone();
        }
    }

    /// The check passes on the state that was seen, and the hold is added to the current one.
    fn add_unchecked(&mut self, seen: &Seen, call: &Call, now: Timestamp) -> Outcome {
        let outcome = step(&call.limits, &mut decode(seen.bytes.as_deref()), now, &call.command);
        if let (Outcome::Granted { amount, .. }, Some(reserve)) = (&outcome, call.reserve()) {
            let mut unlimited = Limits::none(Arc::clone(&call.limits.zone));
            unlimited.metered = true;
            unlimited.concurrent_requests = call.limits.concurrent_requests;
            let command = Command::Reserve(Reserve { want: *amount, floor: *amount, least: *amount, ..*reserve });
            let mut state = decode(self.read(&call.user).bytes.as_deref());
            let add = Call::new(Arc::clone(&call.user), Arc::new(unlimited), command);
            let change = Change::of(&add, &mut state, now);
            let granted = change.outcome.clone();
            self.store(&add, &state, change);
            return granted;
        }
        outcome
    }

    /// Remembers what each settle returned of its hold; the wrong variant returns it again.
    fn repeat(&mut self, call: &Call, outcome: &Outcome, now: Timestamp) {
        let Command::Settle { id, amount, .. } = call.command else { return };
        if let Outcome::Settled { held, .. } = *outcome {
            self.settled.insert(id, held);
        }
        if let (Outcome::Unknown, Some(held)) = (outcome, self.settled.get(&id)) {
            self.next_adjustment += 1;
            let command = Command::Adjust { id: HoldId(self.next_adjustment), at: now, amount: amount.minus(*held) };
            let again = Call::new(Arc::clone(&call.user), Arc::clone(&call.limits), command);
            let mut state = decode(self.read(&call.user).bytes.as_deref());
            let change = Change::of(&again, &mut state, now);
            self.store(&again, &state, change);
        }
    }
}

fn decode(bytes: Option<&[u8]>) -> State {
    bytes.map_or_else(State::default, |bytes| State::decode(bytes).unwrap())
}

/// Settles at zero what the call is about to expire.
fn release(call: &Call, state: &mut State, now: Timestamp) {
    let ended = if let Command::ProcessEnded(process) = call.command { Some(process) } else { None };
    let mut ids: Vec<_> = state.expiring(now).map(|hold| hold.id).collect();
    ids.extend(state.holds().iter().filter(|hold| Some(hold.process) == ended).map(|hold| hold.id));
    for id in ids {
        // The step expires and charges it, and the settle takes the charge back.
        step(&call.limits, state, now, &Command::ProcessEnded(ended.unwrap_or(ProcessId(u64::MAX))));
        step(&call.limits, state, now, &Command::Settle { id, amount: Usd::ZERO, tokens: 0 });
    }
}
