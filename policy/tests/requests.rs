//! Requests and open requests: rates, concurrency, and users without them.
#![allow(
    clippy::arithmetic_side_effects,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    clippy::wildcard_enum_match_arm,
    reason = "a test may panic"
)]

use std::{num::NonZeroU32, sync::Arc, time::Duration};

use proptest::prelude::*;
use sparekey_policy::{
    Command, DeniedBy, HoldId, Limits, Outcome, ProcessId, Rates, Reserve, State, Timestamp, Usd, Zone, step,
};

const NOW: Timestamp = Timestamp::from_seconds(1_795_780_800);

fn limits(requests: Option<u32>, concurrent: Option<u32>, tokens: Option<u32>) -> Limits {
    let mut limits = Limits::none(Arc::new(Zone::utc()));
    limits.requests_per_minute = requests.and_then(NonZeroU32::new);
    limits.concurrent_requests = concurrent.and_then(NonZeroU32::new);
    limits.tokens_per_minute = tokens.and_then(NonZeroU32::new);
    limits
}

fn reserve(id: u128, tokens: u32, now: Timestamp) -> Command {
    Command::Reserve(Reserve {
        id: HoldId(id),
        want: Usd::ZERO,
        floor: Usd::ZERO,
        least: Usd::ZERO,
        tokens,
        until: now.plus(Timestamp::HOUR),
        process: ProcessId(1),
    })
}

fn settle(id: u128, tokens: u32) -> Command {
    Command::Settle { id: HoldId(id), amount: Usd::ZERO, tokens }
}

fn denied(outcome: &Outcome) -> Option<(DeniedBy, Duration)> {
    match outcome {
        Outcome::Denied(denial) => denial.retry_after.map(|wait| (denial.which, wait)),
        _ => None,
    }
}

fn micros(wait: Duration) -> i64 {
    i64::try_from(wait.as_micros()).unwrap_or(i64::MAX)
}

proptest! {
    /// Whatever the intervals between requests, no window passes more than the burst plus the rate times its length.
    #[test]
    fn no_window_passes_more(
        per_minute in prop_oneof![1..10_u32, 50..70_u32, 900_000..=1_000_000_u32],
        pauses in prop::collection::vec(prop_oneof![Just(0), 0..2_000_i64, 0..5_000_000_i64, -5_000_000..70_000_000_i64], 1..250),
    ) {
        let limits = limits(Some(per_minute), None, None);
        let mut state = State::default();
        let mut passed: Vec<Timestamp> = Vec::new();
        let mut now = NOW;
        // The clock may step back; time then stands still.
        let mut latest = NOW;
        step(&limits, &mut state, now, &Command::Report);
        for (id, pause) in (0..).zip(pauses) {
            now = now.plus(pause);
            latest = latest.max(now);
            let outcome = step(&limits, &mut state, now, &reserve(id, 0, now));
            if let Some((which, wait)) = denied(&outcome) {
                prop_assert_eq!(which, DeniedBy::Requests);
                prop_assert!(wait > Duration::ZERO && wait <= Duration::from_secs(60));
                // The wait is exact.
                let mut early = state.clone();
                let too_early = latest.plus(micros(wait) - 1);
                prop_assert!(denied(&step(&limits, &mut early, too_early, &reserve(id, 0, now))).is_some());
                now = latest.plus(micros(wait));
                latest = now;
                let again = step(&limits, &mut state, now, &reserve(id, 0, now));
                prop_assert!(denied(&again).is_none(), "{again:?}");
            }
            passed.push(latest);
            for (count, first) in (1..).zip(passed.iter().rev()) {
                let window = i128::from(latest.as_micros() - first.as_micros());
                let most = i128::from(per_minute) * (i128::from(Timestamp::MINUTE) + window);
                prop_assert!(count * i128::from(Timestamp::MINUTE) <= most, "{count} in {window} µs");
            }
        }
    }

    /// As many requests as the limit pass at once, and the view of what is left counts down.
    #[test]
    fn a_burst_is_the_limit(per_minute in 1..100_u32) {
        let limits = limits(Some(per_minute), None, None);
        let mut state = State::default();
        for left in (0..per_minute).rev() {
            let outcome = step(&limits, &mut state, NOW, &reserve(left.into(), 0, NOW));
            let Outcome::Granted { rates, .. } = outcome else { panic!("{outcome:?}") };
            prop_assert_eq!(rates.requests.map(|rate| (rate.limit, rate.remaining)), Some((per_minute, left)));
        }
        prop_assert!(denied(&step(&limits, &mut state, NOW, &reserve(1_000, 0, NOW))).is_some());
        prop_assert!(denied(&step(&limits, &mut state, NOW.plus(61 * Timestamp::SECOND), &reserve(1_000, 0, NOW))).is_none());
    }

    /// The number of open requests stays within the limit, and a request is refused only at the limit.
    #[test]
    fn concurrency(max in 1..12_u32, steps in prop::collection::vec((any::<bool>(), 0..24_u128, 0..15_000_000_i64), 1..200)) {
        let limits = limits(None, Some(max), None);
        let mut state = State::default();
        let mut open = std::collections::BTreeSet::new();
        let mut now = NOW;
        for (is_new, id, pause) in steps {
            now = now.plus(pause);
            if is_new {
                let is_repeated = open.contains(&id);
                match step(&limits, &mut state, now, &reserve(id, 0, now)) {
                    Outcome::Granted { .. } => _ = open.insert(id),
                    outcome => {
                        prop_assert_eq!(denied(&outcome).map(|(which, _)| which), Some(DeniedBy::Concurrency));
                        prop_assert!(open.len() == max as usize && !is_repeated);
                    }
                }
            } else {
                let outcome = step(&limits, &mut state, now, &settle(id, 0));
                prop_assert_eq!(outcome == Outcome::Unknown, !open.remove(&id));
            }
            prop_assert_eq!(state.holds().len(), open.len());
            prop_assert!(open.len() <= max as usize);
        }
    }

    /// Without limits everything passes, and nothing is counted. A limit that is set later begins full.
    #[test]
    fn unset_limits_are_a_state_of_their_own(pauses in prop::collection::vec(0..1_000_i64, 1..100), tokens: u32) {
        let unlimited = limits(None, None, None);
        prop_assert!(!unlimited.needs_state());
        let mut state = State::default();
        let mut now = NOW;
        for (id, pause) in (0..).zip(pauses) {
            now = now.plus(pause);
            let outcome = step(&unlimited, &mut state, now, &reserve(id, tokens, now));
            let Outcome::Granted { rates, .. } = outcome else { panic!("{outcome:?}") };
            prop_assert_eq!(rates, Rates::default());
        }
        let mut fresh = State::default();
        step(&unlimited, &mut fresh, now, &Command::Report);
        prop_assert_eq!(&state, &fresh);
        let limited = limits(Some(1), None, None);
        prop_assert!(denied(&step(&limited, &mut state, now, &reserve(1_000, 0, now))).is_none());
        prop_assert!(denied(&step(&limited, &mut state, now, &reserve(1_001, 0, now))).is_some());
        // Lifted again.
        prop_assert!(denied(&step(&unlimited, &mut state, now, &reserve(1_001, 0, now))).is_none());
    }

    /// Tokens that are reserved and not returned stay within the burst plus the rate, and the wait is enough.
    #[test]
    fn tokens_per_minute(
        per_minute in 1..2_000_000_000_u32,
        requests in prop::collection::vec((0..=100_u32, 0..3_000_000_i64), 1..100),
    ) {
        let limits = limits(None, None, Some(per_minute));
        let mut state = State::default();
        let mut now = NOW;
        let mut passed: Vec<(Timestamp, u32)> = Vec::new();
        for (id, (percent, pause)) in (0..).zip(requests) {
            now = now.plus(pause);
            let tokens = u32::try_from(u64::from(per_minute) * u64::from(percent) / 100).unwrap();
            let mut outcome = step(&limits, &mut state, now, &reserve(id, tokens, now));
            if let Some((which, wait)) = denied(&outcome) {
                prop_assert_eq!(which, DeniedBy::Tokens);
                now = now.plus(micros(wait));
                outcome = step(&limits, &mut state, now, &reserve(id, tokens, now));
            }
            prop_assert!(denied(&outcome).is_none());
            step(&limits, &mut state, now, &settle(id, tokens));
            passed.push((now, tokens));
            let mut sum = 0;
            for (first, tokens) in passed.iter().rev() {
                sum += i128::from(*tokens);
                let window = i128::from(now.as_micros() - first.as_micros());
                prop_assert!(sum * i128::from(Timestamp::MINUTE) <= i128::from(per_minute) * (i128::from(Timestamp::MINUTE) + window));
            }
        }
    }
}

#[test]
fn unused_tokens_return_and_a_debt_is_paid() {
    let limits = limits(None, None, Some(1_000));
    let mut state = State::default();
    let left = |state: &mut State| match step(&limits, state, NOW, &Command::Report) {
        Outcome::Report(report) => report.rates.tokens.unwrap(),
        outcome => panic!("{outcome:?}"),
    };
    step(&limits, &mut state, NOW, &reserve(1, 900, NOW));
    assert!(denied(&step(&limits, &mut state, NOW, &reserve(2, 200, NOW))).is_some());
    step(&limits, &mut state, NOW, &settle(1, 100));
    assert_eq!(left(&mut state).remaining, 900);
    // A request larger than the limit passes when the limit is full, and is paid off afterwards.
    let full = NOW.plus(Timestamp::MINUTE);
    assert!(denied(&step(&limits, &mut state, full, &reserve(3, 5_000, full))).is_none());
    step(&limits, &mut state, full, &settle(3, 3_000));
    let (which, wait) = denied(&step(&limits, &mut state, full, &reserve(4, 1, full))).unwrap();
    assert_eq!((which, wait), (DeniedBy::Tokens, Duration::from_millis(120_060)));
}

#[test]
fn clock_that_steps_back() {
    let limits = limits(Some(1), Some(5), None);
    let mut state = State::default();
    step(&limits, &mut state, NOW, &reserve(1, 0, NOW));
    // Up to an hour: the time stands still.
    let hour_ago = NOW.plus(-Timestamp::HOUR);
    assert!(!state.is_step_back(hour_ago));
    let wait = denied(&step(&limits, &mut state, hour_ago, &reserve(2, 0, hour_ago))).unwrap().1;
    assert_eq!(wait, Duration::from_secs(60));
    // More: the new time counts, and waits stay as long as they were.
    let year_ago = NOW.plus(-365 * 24 * Timestamp::HOUR);
    assert!(state.is_step_back(year_ago));
    let wait = denied(&step(&limits, &mut state, year_ago, &reserve(2, 0, year_ago))).unwrap().1;
    assert_eq!(wait, Duration::from_secs(60));
    assert!(!state.is_step_back(year_ago));
    assert_eq!(state.holds()[0].until, year_ago.plus(Timestamp::HOUR));
}

/// Returns what is left of a limit on requests or on tokens.
#[track_caller]
fn remaining(limits: &Limits, state: &State, now: Timestamp) -> u32 {
    let Outcome::Report(report) = step(limits, &mut state.clone(), now, &Command::Report) else { panic!("no report") };
    report.rates.requests.or(report.rates.tokens).unwrap().remaining
}

/// A change of a limit keeps what was counted: from one limit and so many requests or tokens to another limit.
#[test]
fn changed_rates_keep_what_was_counted() {
    let requests = |per_minute| limits(Some(per_minute), None, None);
    let tokens = |per_minute| limits(None, None, Some(per_minute));
    let none = limits(None, None, None);
    for (before, count, after, left) in [
        (3, 3, 60, 57),
        (3, 1, 1_000_000, 999_999),
        (60, 20, 3, 0),
        (60, 2, 3, 1),
        (7, 3, 11, 8),
        (11, 3, 7, 4),
        (60, 20, 60, 40),
    ] {
        let mut state = State::default();
        for id in 0..count {
            step(&requests(before), &mut state, NOW, &reserve(id.into(), 0, NOW));
        }
        let mut of_tokens = State::default();
        step(&tokens(before), &mut of_tokens, NOW, &reserve(0, count, NOW));
        for (limits, mut state) in [(requests(after), state), (tokens(after), of_tokens)] {
            assert_eq!(remaining(&limits, &state, NOW), left, "{before} to {after}");
            // Also where the limit was removed, and requests passed.
            step(&none, &mut state, NOW, &reserve(100, 1, NOW));
            assert_eq!(remaining(&limits, &state, NOW), left, "{before} to none to {after}");
            for id in (1_000..).take(left.min(100) as usize) {
                let outcome = step(&limits, &mut state, NOW, &reserve(id, 1, NOW));
                assert!(matches!(outcome, Outcome::Granted { .. }), "{before} to {after}");
                step(&limits, &mut state, NOW, &settle(id, 1));
            }
            assert_eq!(remaining(&limits, &state, NOW), left - left.min(100), "{before} to {after}");
        }
    }
    // A limit where there was none.
    let mut state = State::default();
    step(&none, &mut state, NOW, &reserve(1, 1, NOW));
    assert_eq!([requests(5), tokens(5)].map(|limits| remaining(&limits, &state, NOW)), [5, 5]);
}

/// A state of an earlier version has no interval beside the arrival time.
#[test]
fn stored_states_without_the_interval() {
    let (three, sixty) = (limits(Some(3), None, None), limits(Some(60), None, None));
    let mut state = State::default();
    step(&three, &mut state, NOW, &reserve(1, 0, NOW));
    let bytes = state.encode();
    // 20 s as a varint of four bytes, and the arrival in eight.
    let (earlier, interval) = bytes.split_at(bytes.len() - 14);
    assert_eq!(interval[..2], [10, 12]);
    let earlier = State::decode(earlier).unwrap();
    assert_eq!(remaining(&three, &earlier, NOW), 2);
    assert_eq!(remaining(&sixty, &earlier, NOW), 40, "20 s are 20 requests");
    assert_eq!(remaining(&sixty, &State::decode(&bytes).unwrap(), NOW), 59);
    let mut kept = earlier;
    step(&three, &mut kept, NOW, &reserve(2, 0, NOW));
    assert_eq!(remaining(&sixty, &kept, NOW), 58, "the next request stores the interval");
}

#[test]
fn changed_rate_waits_at_most_a_minute() {
    let mut state = State::default();
    for id in 0..60 {
        step(&limits(Some(60), None, None), &mut state, NOW, &reserve(id, 0, NOW));
    }
    let outcome = step(&limits(Some(1), None, None), &mut state, NOW, &reserve(60, 0, NOW));
    assert_eq!(denied(&outcome), Some((DeniedBy::Requests, Duration::from_secs(60))));
}

#[test]
fn metered_users_have_a_limit_on_open_requests() {
    let mut limits = limits(None, None, None);
    assert_eq!(limits.concurrency(), None);
    limits.metered = true;
    assert_eq!(limits.concurrency(), Some(8));
    limits.concurrent_requests = NonZeroU32::new(1_000);
    assert_eq!(limits.concurrency(), Some(64));
}

#[test]
fn refusal_may_be_late_if_another_process_has_open_requests() {
    let of = |id, process| match reserve(id, 0, NOW) {
        Command::Reserve(reserve) => Command::Reserve(Reserve { process, ..reserve }),
        other => other,
    };
    let may_be_late = |limits: &Limits, others: &[ProcessId]| {
        let mut state = State::default();
        for (id, process) in others.iter().enumerate() {
            let outcome = step(limits, &mut state, NOW, &of(id as u128, *process));
            assert!(matches!(outcome, Outcome::Granted { .. }), "{outcome:?}");
        }
        match step(limits, &mut state, NOW, &of(100, ProcessId(1))) {
            Outcome::Denied(denial) => denial.may_be_late,
            outcome => panic!("{outcome:?}"),
        }
    };
    let two = limits(None, Some(2), None);
    assert!(!may_be_late(&two, &[ProcessId(1), ProcessId(1)]), "the ends of this process are stored before");
    assert!(may_be_late(&two, &[ProcessId(1), ProcessId(2)]));
    assert!(!may_be_late(&limits(Some(1), Some(2), None), &[ProcessId(2)]), "no end of a request changes a rate");
}
