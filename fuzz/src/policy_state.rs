//! The stored state of a user.

use std::{num::NonZeroU32, sync::Arc};

use sparekey_policy::{
    Command, HoldId, Limits, Outcome, Period, ProcessId, Reserve, State, Timestamp, Usd, Zone, step,
};

/// Checks that any state that can be read is one that commands run on: no panic, no grant beyond the budget, and the
/// same state after writing and reading it.
pub(crate) fn policy_state(input: &[u8]) {
    let Ok(mut state) = State::decode(input) else { return };
    let budget = Usd::from_pico(1_000_000);
    let mut limits = Limits::none(Arc::new(Zone::utc()));
    limits.requests_per_minute = NonZeroU32::new(60);
    limits.tokens_per_minute = NonZeroU32::new(1_000);
    limits.budgets.set(Period::Day, budget);
    limits.budgets.set(Period::Total, budget);
    let now = Timestamp::from_seconds(1_795_780_800);
    let id = HoldId(u128::from_be_bytes(*b"fuzzfuzzfuzzfuzz"));
    let (want, least) = (Usd::from_pico(500_000), Usd::from_pico(1));
    let until = now.plus(Timestamp::HOUR);
    let reserve = Reserve { id, want, floor: least, least, tokens: 10, until, process: ProcessId(1) };
    let held_before = state.holds().iter().any(|hold| hold.id == id);
    let commands = [
        Command::Report,
        Command::Reserve(reserve),
        Command::Settle { id, amount: want, tokens: 20 },
        Command::Adjust { id, at: now, amount: Usd::from_pico(-5) },
        Command::ProcessEnded(ProcessId(1)),
    ];
    for command in commands {
        if let Outcome::Granted { amount, .. } = step(&limits, &mut state, now, &command)
            && !held_before
            && let Outcome::Report(report) = step(&limits, &mut state, now, &Command::Report)
        {
            assert!(least <= amount && amount <= want);
            assert!(
                report.periods.iter().all(|period| period.left().is_none_or(|left| left >= Usd::ZERO)),
                "{report:?}"
            );
        }
        assert_eq!(State::decode(&state.encode()).as_ref(), Ok(&state));
    }
}
