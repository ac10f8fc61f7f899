//! Each request is settled once, or charged.

use sparekey_ledger::{Call, End, RowQuery};
use sparekey_policy::{Command, HoldId, Outcome, Period, Timestamp, Usd};

use super::support::{Store, User, budget, is_granted, reserve, settle, usd};

pub(crate) fn settle_once(store: &Store) {
    let tom = User::new(&store.open(1), "Tom", budget(Period::Day, 100));
    tom.reserve(1, 40, store.hour_later());
    assert!(matches!(tom.settle(1, 15), Outcome::Settled { held, was_expired: false, .. } if held == usd(40)));
    for cents in [15, 0, 40] {
        assert_eq!(tom.settle(1, cents), Outcome::Unknown);
    }
    assert_eq!(tom.settle(2, 10), Outcome::Unknown);
    assert_eq!(tom.spent(Period::Day), usd(15));
    assert_eq!(tom.ledger.rows(RowQuery::default()).wait().unwrap().len(), 1);
    tom.check_sums();
}

pub(crate) fn repeated_reserve_is_the_same_grant(store: &Store) {
    let tom = User::new(&store.open(1), "Tom", budget(Period::Day, 100));
    for _ in 0..3 {
        assert!(is_granted(&tom.reserve(1, 60, store.hour_later())));
    }
    assert_eq!(tom.held(Period::Day), usd(60));
}

pub(crate) fn lost_settle_is_charged_at_its_end(store: &Store) {
    let tom = User::new(&store.open(1), "Tom", budget(Period::Day, 100));
    tom.reserve(1, 60, store.hour_later());
    store.wait(Timestamp::HOUR);
    assert!(matches!(tom.reserve(2, 60, store.hour_later()), Outcome::Denied(_)));
    assert!(is_granted(&tom.reserve(3, 40, store.hour_later())));
    assert_eq!(tom.spent(Period::Day), usd(60));
    let rows = tom.ledger.rows(RowQuery::default()).wait().unwrap();
    assert_eq!(rows.len(), 1);
    assert_eq!((rows[0].id, rows[0].cost, rows[0].row.end), (HoldId(1), usd(60), End::Expired));
    assert!(rows[0].row.is_estimated);
    tom.check_sums();
}

pub(crate) fn late_settle_replaces_the_expired_row(store: &Store) {
    let tom = User::new(&store.open(1), "Tom", budget(Period::Day, 100));
    tom.reserve(1, 60, store.hour_later());
    store.wait(2 * Timestamp::HOUR);
    // Stored by the call of another request.
    tom.reserve(2, 10, store.hour_later());
    assert_eq!(tom.spent(Period::Day), usd(60));
    assert!(matches!(tom.settle(1, 20), Outcome::Settled { was_expired: true, .. }));
    assert_eq!(tom.settle(1, 20), Outcome::Unknown);
    assert_eq!(tom.spent(Period::Day), usd(20));
    let rows = tom.ledger.rows(RowQuery::default()).wait().unwrap();
    assert_eq!(rows.iter().map(|row| (row.cost, row.row.end)).collect::<Vec<_>>(), [(usd(20), End::Complete)]);
    // The expired row had no model; its sums are empty.
    assert_eq!(tom.days().iter().map(|day| &*day.model).collect::<Vec<_>>(), ["gpt-5-mini"]);
    tom.check_sums();
}

pub(crate) fn settle_at_the_moment_of_expiry(store: &Store) {
    let tom = User::new(&store.open(1), "Tom", budget(Period::Day, 100));
    tom.reserve(1, 60, store.hour_later());
    tom.reserve(2, 10, store.hour_later());
    store.wait(Timestamp::HOUR);
    assert!(matches!(tom.settle(1, 20), Outcome::Settled { was_expired: true, .. }));
    assert_eq!(tom.spent(Period::Day), usd(30));
    assert_eq!(tom.ledger.rows(RowQuery::default()).wait().unwrap().len(), 2);
    tom.check_sums();
}

pub(crate) fn ended_process_is_charged(store: &Store) {
    let tom = User::new(&store.open(1), "Tom", budget(Period::Day, 100));
    tom.reserve(1, 60, store.hour_later());
    tom.reserve(2, 5, store.hour_later());
    let ended = Command::ProcessEnded(tom.ledger.process());
    assert_eq!(tom.run(ended), Outcome::Expired { count: 2 });
    assert_eq!(tom.run(ended), Outcome::Expired { count: 0 });
    assert_eq!((tom.spent(Period::Day), tom.held(Period::Day)), (usd(65), Usd::ZERO));
    tom.check_sums();
    assert!(matches!(tom.settle(1, 10), Outcome::Settled { was_expired: true, .. }));
    assert_eq!(tom.spent(Period::Day), usd(15));
    tom.check_sums();
}

pub(crate) fn holds_of_other_processes_stay(store: &Store) {
    let (old, new) = (store.open(1), store.open(2));
    let tom = User::new(&old, "Tom", budget(Period::Day, 100));
    tom.reserve(1, 30, store.hour_later());
    tom.on(&new).reserve(2, 40, store.hour_later());
    assert_eq!(tom.on(&new).run(Command::ProcessEnded(old.process())), Outcome::Expired { count: 1 });
    assert_eq!((tom.spent(Period::Day), tom.held(Period::Day)), (usd(30), usd(40)));
}

pub(crate) fn dropped_grant_is_settled_at_zero(store: &Store) {
    let tom = User::new(&store.open(1), "Tom", budget(Period::Day, 100));
    let start = |id| tom.ledger.run(tom.call(reserve(id, 60, store.hour_later(), tom.ledger.process())));
    for id in 0..20 {
        drop(start(id));
    }
    // Serial after them.
    tom.report();
    let kept = start(100);
    let granted = is_granted(&kept.wait().unwrap());
    // A drop races with its grant, and its undo can be later than the report.
    assert!(granted || is_granted(&tom.reserve(101, 60, store.hour_later())));
    assert_eq!(tom.held(Period::Day), usd(60));
}

/// Many calls in flight at once, of several users and processes, over days.
pub(crate) fn random_calls_keep_the_sums(store: &Store) {
    let ledgers = [store.open(1), store.open(2)];
    let users = ["Tom", "Ann", "Eve"].map(|name| User::new(&ledgers[0], name, budget(Period::Week, 10_000)));
    let mut random = 7_u64;
    let mut next = |bound: u64| {
        random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (random >> 33) % bound
    };
    let mut sent: Vec<u128> = Vec::new();
    for round in 0..60_u128 {
        let mut pending = Vec::new();
        for index in 0..10 {
            let id = round * 10 + index;
            let ledger = &ledgers[usize::try_from(next(2)).unwrap()];
            let user = users[usize::try_from(id % 3).unwrap()].on(ledger);
            let call: Call = if next(3) == 0 && !sent.is_empty() {
                let id = sent[usize::try_from(next(sent.len().try_into().unwrap())).unwrap()];
                let owner = users[usize::try_from(id % 3).unwrap()].on(ledger);
                settle(&owner, id, i64::try_from(next(20)).unwrap())
            } else {
                sent.push(id);
                user.call(reserve(id, 20, store.hour_later(), ledger.process()))
            };
            pending.push(ledger.run(call));
        }
        for pending in pending {
            pending.wait().unwrap();
        }
        store.wait(i64::try_from(next(90)).unwrap() * Timestamp::MINUTE);
    }
    for user in &users {
        user.check_sums();
        assert!(user.spent(Period::Total) > Usd::ZERO);
    }
}
