//! Budgets are hard: in any order of reserving, settling, losing, repeating, and at any time.
#![allow(
    clippy::arithmetic_side_effects,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    clippy::wildcard_enum_match_arm,
    reason = "a test may panic"
)]

use std::{collections::BTreeMap, sync::Arc};

use proptest::prelude::*;
use sparekey_policy::{
    Command, DeniedBy, HoldId, Limits, Outcome, Period, ProcessId, Report, Reserve, State, Timestamp, Usd, Zone, step,
};

const NOW: Timestamp = Timestamp::from_seconds(1_795_780_800);
const DAY: i64 = 24 * Timestamp::HOUR;

fn limits(budgets: &[(Period, i64)]) -> Limits {
    let mut limits = Limits::none(Arc::new(Zone::utc()));
    limits.metered = true;
    for (period, cents) in budgets {
        limits.budgets.set(*period, usd(*cents));
    }
    limits
}

/// Cents.
fn usd(cents: i64) -> Usd {
    Usd::from_pico(cents * 10_000_000_000)
}

fn reserve(id: u128, want: i64, floor: i64, least: i64, now: Timestamp) -> Command {
    let [want, floor, least] = [want, floor, least].map(usd);
    let until = now.plus(Timestamp::HOUR);
    Command::Reserve(Reserve {
        id: HoldId(id),
        want,
        floor,
        least,
        tokens: 0,
        until,
        process: ProcessId(u64::try_from(id % 3).unwrap()),
    })
}

fn settle(id: u128, cents: i64) -> Command {
    Command::Settle { id: HoldId(id), amount: usd(cents), tokens: 0 }
}

fn report(limits: &Limits, state: &State, now: Timestamp) -> Report {
    match step(limits, &mut state.clone(), now, &Command::Report) {
        Outcome::Report(report) => *report,
        outcome => panic!("{outcome:?}"),
    }
}

#[derive(Clone, Debug)]
enum Event {
    Reserve {
        want: i64,
        floor: i64,
        least: i64,
    },
    /// The cost is a part of the hold, in percent.
    Settle {
        which: prop::sample::Index,
        percent: i64,
        repeats: usize,
    },
    ProcessEnded(u64),
    Wait(i64),
}

fn event() -> impl Strategy<Value = Event> {
    let settle = (any::<prop::sample::Index>(), 0..=100_i64, 0..3_usize);
    prop_oneof![
        4 => (0..300_i64, 0..100_i64, 0..100_i64).prop_map(|(want, floor, least)| Event::Reserve { want, floor, least }),
        3 => settle.prop_map(|(which, percent, repeats)| Event::Settle { which, percent, repeats }),
        1 => (0..3_u64).prop_map(Event::ProcessEnded),
        2 => prop_oneof![0..Timestamp::MINUTE, 0..2 * Timestamp::HOUR, 0..2 * DAY, -Timestamp::HOUR..0].prop_map(Event::Wait),
    ]
}

/// A request that was sent.
struct Sent {
    id: u128,
    held: Usd,
    at: Timestamp,
    /// The cost, once it is known. Until then it can be the whole hold.
    cost: Option<Usd>,
    is_settled: bool,
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    /// After each step, spent and held cover what was really spent, and a grant never exceeds the budget.
    #[test]
    fn spent_and_held_stay_within_the_budget(
        budgets in prop::sample::subsequence(vec![(Period::Day, 500), (Period::Week, 900), (Period::Month, 1_500), (Period::Total, 4_000)], 1..=4),
        events in prop::collection::vec(event(), 1..120),
    ) {
        let limits = limits(&budgets);
        let mut state = State::default();
        let mut sent: Vec<Sent> = Vec::new();
        let mut now = NOW;
        let mut latest = NOW;
        step(&limits, &mut state, now, &Command::Report);
        for (id, event) in (0..).zip(events) {
            match event {
                Event::Wait(pause) => {
                    // Never more than an hour behind the latest time.
                    now = now.plus(pause).max(latest.plus(-Timestamp::HOUR));
                    latest = latest.max(now);
                    step(&limits, &mut state, now, &Command::Report);
                }
                Event::Reserve { want, floor, least } => {
                    let least = least.min(want);
                    let command = reserve(id, want, floor, least, latest);
                    if let Outcome::Granted { amount, .. } = step(&limits, &mut state, now, &command) {
                        prop_assert!(usd(least) <= amount && amount <= usd(want));
                        let again = step(&limits, &mut state, now, &command);
                        prop_assert!(matches!(again, Outcome::Granted { amount: again, .. } if again == amount), "{again:?}");
                        sent.push(Sent { id, held: amount, at: latest, cost: None, is_settled: false });
                        for period in report(&limits, &state, now).periods {
                            prop_assert!(period.left().is_none_or(|left| left >= Usd::ZERO), "{period:?}");
                        }
                    }
                }
                Event::Settle { which, percent, repeats } => {
                    if sent.is_empty() {
                        continue;
                    }
                    let request = which.get_mut(&mut sent);
                    let actual = Usd::from_pico(request.held.as_pico() / 100 * percent);
                    let command = Command::Settle { id: HoldId(request.id), amount: actual, tokens: 0 };
                    if let Outcome::Settled { held, .. } = step(&limits, &mut state, now, &command) {
                        prop_assert!(!request.is_settled);
                        prop_assert_eq!(held, request.held);
                        request.is_settled = true;
                        request.cost = Some(actual);
                    }
                    let settled = state.clone();
                    for _ in 0..repeats {
                        prop_assert_eq!(step(&limits, &mut state, now, &command), Outcome::Unknown);
                        prop_assert_eq!(&state, &settled);
                    }
                }
                Event::ProcessEnded(process) => {
                    step(&limits, &mut state, now, &Command::ProcessEnded(ProcessId(process)));
                    prop_assert!(state.holds().iter().all(|hold| hold.process != ProcessId(process)));
                }
            }
            // Holds and charges are what was sent: each settled request with its cost, all others with their holds.
            let report = report(&limits, &state, now);
            for (period, kind) in report.periods.iter().zip(Period::ALL) {
                let within = sent.iter().filter(|request| kind.at(request.at, &limits.zone) == period.period);
                let truth = within.fold(Usd::ZERO, |sum, request| sum.plus(request.cost.unwrap_or(request.held)));
                prop_assert_eq!(period.spent.plus(period.held), truth, "{:?}", period);
            }
        }
        // All others settle late, and then nothing is held.
        for request in sent.iter_mut().filter(|request| !request.is_settled) {
            step(&limits, &mut state, now, &settle(request.id, 0));
        }
        prop_assert_eq!(report(&limits, &state, now).open, 0);
    }

    /// The sum of what was settled is the counter, for each period; amounts above the hold included.
    #[test]
    fn counters_are_sums(requests in prop::collection::vec((0..200_i64, 0..20 * Timestamp::HOUR), 1..100)) {
        let limits = limits(&[]);
        let mut state = State::default();
        let mut sums: BTreeMap<String, Usd> = BTreeMap::new();
        let mut now = NOW;
        for (id, (cents, pause)) in (0..).zip(requests) {
            now = now.plus(pause);
            step(&limits, &mut state, now, &reserve(id, 100, 100, 100, now));
            step(&limits, &mut state, now, &settle(id, cents));
            for period in report(&limits, &state, now).periods {
                let sum = sums.entry(period.period.to_string()).or_default();
                *sum = sum.plus(usd(cents));
                prop_assert_eq!(period.spent, *sum);
            }
        }
    }

    /// Any commands at any times with any numbers: no panic, and amounts never wrap around.
    #[test]
    fn any_numbers(commands in prop::collection::vec((any::<i64>(), any::<[i64; 3]>(), any::<u32>(), 0..6_u8, 0..4_u128), 1..60)) {
        let mut limits = limits(&[(Period::Day, 1), (Period::Total, 900_000_000)]);
        limits.tokens_per_minute = std::num::NonZeroU32::new(u32::MAX);
        let mut state = State::default();
        for (time, amounts, tokens, kind, id) in commands {
            let [want, floor, least] = amounts.map(Usd::from_pico);
            let (now, id, process) = (Timestamp::from_micros(time), HoldId(id), ProcessId(1));
            let command = match kind {
                0 => Command::Settle { id, amount: want, tokens },
                1 => Command::Adjust { id, at: Timestamp::from_micros(amounts[1]), amount: want },
                2 => Command::ProcessEnded(process),
                3 => Command::Report,
                _ => Command::Reserve(Reserve { id, want, floor, least, tokens, until: now.plus(amounts[2]), process }),
            };
            if let Outcome::Granted { amount, .. } = step(&limits, &mut state, now, &command) {
                prop_assert!(amount >= Usd::ZERO);
            }
            prop_assert_eq!(State::decode(&state.encode()), Ok(state.clone()));
        }
    }
}

fn spent(limits: &Limits, state: &State, now: Timestamp) -> [String; 4] {
    report(limits, state, now).periods.map(|period| period.spent.to_string())
}

fn denied(outcome: Outcome) -> (DeniedBy, Option<u64>) {
    match outcome {
        Outcome::Denied(denial) => (denial.which, denial.retry_after.map(|wait| wait.as_secs())),
        outcome => panic!("{outcome:?}"),
    }
}

#[test]
fn spent_held_and_does_not_fit() {
    let limits = limits(&[(Period::Day, 100), (Period::Month, 150)]);
    let mut state = State::default();
    step(&limits, &mut state, NOW, &reserve(1, 80, 80, 80, NOW));
    let (which, wait) = denied(step(&limits, &mut state, NOW, &reserve(2, 30, 30, 30, NOW)));
    assert!(matches!(which, DeniedBy::Held(report) if report.period.to_string() == "2026-11-27"), "{which:?}");
    assert_eq!(wait, Some(2));
    step(&limits, &mut state, NOW, &settle(1, 80));
    let (which, wait) = denied(step(&limits, &mut state, NOW, &reserve(2, 30, 30, 30, NOW)));
    assert!(matches!(which, DeniedBy::Budget(report) if report.left() == Some(usd(20))), "{which:?}");
    assert_eq!(wait, None);
    // The month is the longer wait.
    let (which, _) = denied(step(&limits, &mut state, NOW, &reserve(2, 90, 90, 90, NOW)));
    assert!(matches!(which, DeniedBy::Budget(report) if report.period.to_string() == "2026-11"), "{which:?}");
    let tomorrow = NOW.plus(DAY);
    assert!(matches!(step(&limits, &mut state, tomorrow, &reserve(3, 70, 70, 70, tomorrow)), Outcome::Granted { .. }));
    step(&limits, &mut state, tomorrow, &settle(3, 70));
    // Everything is spent: a request without cost passes, the smallest cost does not.
    assert!(matches!(step(&limits, &mut state, tomorrow, &reserve(4, 0, 0, 0, tomorrow)), Outcome::Granted { .. }));
    denied(step(&limits, &mut state, tomorrow, &reserve(5, 1, 0, 0, tomorrow)));
}

#[test]
fn a_request_holds_a_quarter_of_the_rest_or_its_floor() {
    let limits = limits(&[(Period::Month, 400)]);
    let mut state = State::default();
    let mut granted =
        |id, want, floor, least| match step(&limits, &mut state, NOW, &reserve(id, want, floor, least, NOW)) {
            Outcome::Granted { amount, .. } => amount,
            outcome => panic!("{outcome:?}"),
        };
    assert_eq!(granted(1, 50, 10, 5), usd(50));
    assert_eq!(granted(2, 399, 10, 5), Usd::from_pico(usd(350).as_pico() / 4));
    assert_eq!(granted(3, 399, 200, 5), usd(200));
    assert_eq!(granted(4, 399, 5, 60), usd(60));
    assert_eq!(granted(5, 399, 200, 1), Usd::from_pico(usd(350).as_pico() * 3 / 4 - usd(260).as_pico()));
}

#[test]
fn budget_for_ten_requests_starts_ten() {
    let mut limits = limits(&[(Period::Month, 100)]);
    limits.concurrent_requests = std::num::NonZeroU32::new(64);
    let mut state = State::default();
    let grants = (0..50)
        .filter(|id| matches!(step(&limits, &mut state, NOW, &reserve(*id, 10, 10, 10, NOW)), Outcome::Granted { .. }));
    assert_eq!(grants.count(), 10);
}

#[test]
fn expired_hold_is_charged_and_can_be_settled_once_within_a_day() {
    let limits = limits(&[(Period::Month, 100)]);
    for (settled_after, left, outcome_is_unknown) in
        [(2 * Timestamp::HOUR, "0.30", false), (26 * Timestamp::HOUR, "0.80", true)]
    {
        let mut state = State::default();
        step(&limits, &mut state, NOW, &reserve(1, 80, 80, 80, NOW));
        let expiry = NOW.plus(Timestamp::HOUR);
        assert_eq!(state.expiring(expiry.plus(-1)).count(), 0);
        assert_eq!(state.expiring(expiry).count(), 1);
        assert_eq!(spent(&limits, &state, expiry)[2], "0.80");
        step(&limits, &mut state, expiry, &Command::Report);
        assert_eq!(step(&limits, &mut state, expiry, &reserve(1, 80, 80, 80, NOW)), Outcome::AlreadyDone);
        let late = NOW.plus(settled_after);
        let outcome = step(&limits, &mut state, late, &settle(1, 30));
        assert_eq!(outcome == Outcome::Unknown, outcome_is_unknown);
        assert_eq!(spent(&limits, &state, late)[2], left);
        assert_eq!(step(&limits, &mut state, late, &settle(1, 10)), Outcome::Unknown);
        assert_eq!(spent(&limits, &state, late)[2], left);
    }
}

#[test]
fn the_period_of_the_reservation_is_charged() {
    let limits = limits(&[(Period::Day, 100)]);
    let mut state = State::default();
    let evening = NOW.plus(12 * Timestamp::HOUR - Timestamp::MINUTE);
    step(&limits, &mut state, evening, &reserve(1, 80, 80, 80, evening));
    let morning = evening.plus(2 * Timestamp::MINUTE);
    assert!(matches!(step(&limits, &mut state, morning, &reserve(2, 90, 90, 90, morning)), Outcome::Granted { .. }));
    step(&limits, &mut state, morning, &settle(1, 70));
    assert_eq!(spent(&limits, &state, morning), ["0.00", "0.70", "0.70", "0.70"]);
    assert_eq!(spent(&limits, &state, evening), ["0.00", "0.70", "0.70", "0.70"], "within an hour time stands still");
}

#[test]
fn step_back_reopens_older_counters_and_never_counts_from_zero() {
    let limits = limits(&[(Period::Day, 100)]);
    let mut state = State::default();
    let days = [0, 1, 2, 3].map(|day| NOW.plus(day * DAY));
    for (id, day) in (0..).zip(days).take(3) {
        step(&limits, &mut state, day, &reserve(id, 90, 90, 90, day));
        step(&limits, &mut state, day, &settle(id, 90));
    }
    // The day before is kept.
    let (which, _) = denied(step(&limits, &mut state, days[1], &reserve(8, 20, 20, 20, days[1])));
    assert!(matches!(which, DeniedBy::Budget(report) if report.spent == usd(90)));
    // The one before that is not.
    let outcome = step(&limits, &mut state, days[0], &reserve(9, 20, 20, 20, days[0]));
    assert!(matches!(outcome, Outcome::PeriodNotKept(period) if period.to_string() == "2026-11-27"), "{outcome:?}");
    assert!(matches!(step(&limits, &mut state, days[0], &Command::Report), Outcome::PeriodNotKept(_)));
    assert!(matches!(step(&limits, &mut state, days[3], &reserve(9, 20, 20, 20, days[3])), Outcome::Granted { .. }));
}

#[test]
fn clock_that_jumps_ahead_and_back() {
    let limits = limits(&[(Period::Day, 100)]);
    let mut state = State::default();
    step(&limits, &mut state, NOW, &reserve(1, 60, 60, 60, NOW));
    let wrong = NOW.plus(4 * 365 * DAY);
    step(&limits, &mut state, wrong, &reserve(2, 60, 60, 60, wrong));
    assert!(state.is_step_back(NOW));
    let (which, _) = denied(step(&limits, &mut state, NOW, &reserve(3, 60, 60, 60, NOW)));
    assert!(matches!(which, DeniedBy::Budget(report) if report.spent == usd(60)));
    // The hold of the wrong time still has an hour.
    assert_eq!(state.holds()[0].until, NOW.plus(Timestamp::HOUR));
    // The next days are counted beside the wrong one.
    for day in 1..4 {
        let now = NOW.plus(day * DAY);
        let id = 10 + u128::try_from(day).unwrap();
        assert!(matches!(step(&limits, &mut state, now, &reserve(id, 60, 60, 60, now)), Outcome::Granted { .. }));
        denied(step(&limits, &mut state, now, &reserve(id + 10, 60, 60, 60, now)));
        step(&limits, &mut state, now, &settle(id, 60));
    }
}

#[test]
fn changed_budgets_keep_what_was_spent() {
    let mut state = State::default();
    let five = limits(&[(Period::Month, 500)]);
    step(&five, &mut state, NOW, &reserve(1, 400, 400, 400, NOW));
    step(&five, &mut state, NOW, &settle(1, 400));
    denied(step(&limits(&[(Period::Month, 300)]), &mut state, NOW, &reserve(2, 1, 1, 1, NOW)));
    denied(step(&limits(&[(Period::Day, 400)]), &mut state, NOW, &reserve(2, 1, 1, 1, NOW)));
    let more = limits(&[(Period::Month, 401)]);
    assert!(matches!(step(&more, &mut state, NOW, &reserve(2, 1, 1, 1, NOW)), Outcome::Granted { .. }));
}

#[test]
fn adjustments_have_an_effect_once() {
    let limits = limits(&[(Period::Month, 100)]);
    let mut state = State::default();
    let adjust = |id, cents| Command::Adjust { id: HoldId(id), at: NOW, amount: usd(cents) };
    step(&limits, &mut state, NOW, &reserve(1, 80, 80, 80, NOW));
    assert_eq!(step(&limits, &mut state, NOW, &adjust(1, -80)), Outcome::StillOpen);
    step(&limits, &mut state, NOW, &settle(1, 80));
    assert_eq!(step(&limits, &mut state, NOW, &adjust(1, -80)), Outcome::Adjusted);
    assert_eq!(step(&limits, &mut state, NOW, &adjust(1, -80)), Outcome::AlreadyDone);
    assert_eq!(spent(&limits, &state, NOW), ["0.00", "0.00", "0.00", "0.00"]);
    // A credit adds to what is left.
    step(&limits, &mut state, NOW, &adjust(2, -50));
    assert_eq!(report(&limits, &state, NOW).periods[2].left(), Some(usd(150)));
    // An expired hold that is made void is not settled any more.
    step(&limits, &mut state, NOW, &reserve(3, 100, 100, 100, NOW));
    let late = NOW.plus(2 * Timestamp::HOUR);
    step(&limits, &mut state, late, &adjust(3, -100));
    assert_eq!(step(&limits, &mut state, late, &settle(3, 100)), Outcome::Unknown);
    assert_eq!(spent(&limits, &state, late)[2], "-0.50");
}

#[test]
fn zone_that_changes_meanwhile() {
    let mut limits = limits(&[(Period::Day, 100)]);
    let mut state = State::default();
    step(&limits, &mut state, NOW, &reserve(1, 80, 80, 80, NOW));
    limits.zone = Arc::new(Zone::new("East".to_owned(), 13 * 3_600, vec![]).unwrap());
    step(&limits, &mut state, NOW, &settle(1, 80));
    assert_eq!(spent(&limits, &state, NOW), ["0.00", "0.80", "0.80", "0.80"]);
    limits.zone = Arc::new(Zone::utc());
    assert_eq!(spent(&limits, &state, NOW)[0], "0.80");
}
