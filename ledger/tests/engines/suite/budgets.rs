//! Budgets hold, whatever runs in parallel.

use std::{
    sync::{Arc, Barrier},
    thread,
};

use sparekey_policy::{Command, HoldId, Outcome, Period, Reserve, Timestamp, Usd, Zone};

use super::support::{DAY, Store, User, budget, is_granted, usd};

/// Runs `count` reservations of 10 cents at once, each on the process of its number, and returns the ids of the granted ones.
fn reserve_at_once(users: &[User], count: u128, until: Timestamp) -> Vec<u128> {
    let barrier = Arc::new(Barrier::new(usize::try_from(count).unwrap()));
    let start = |id: u128| {
        let user = users[usize::try_from(id).unwrap() % users.len()].clone();
        let barrier = Arc::clone(&barrier);
        thread::spawn(move || {
            barrier.wait();
            is_granted(&user.reserve(id, 10, until)).then_some(id)
        })
    };
    let threads: Vec<_> = (0..count).map(start).collect();
    threads.into_iter().filter_map(|thread| thread.join().unwrap()).collect()
}

pub(crate) fn parallel_requests_stay_within_the_budget(store: &Store) {
    let tom = User::new(&store.open(1), "Tom", budget(Period::Month, 100));
    let granted = reserve_at_once(std::slice::from_ref(&tom), 50, store.hour_later());
    assert_eq!(granted.len(), 10);
    assert_eq!(tom.held(Period::Month), usd(100));
    for id in granted {
        tom.settle(id, 10);
    }
    assert_eq!(tom.spent(Period::Month), usd(100));
    assert_eq!(tom.held(Period::Month), Usd::ZERO);
    tom.check_sums();
}

pub(crate) fn parallel_requests_of_two_processes_stay_within_the_budget(store: &Store) {
    let tom = User::new(&store.open(1), "Tom", budget(Period::Month, 100));
    let users = [tom.clone(), tom.on(&store.open(2))];
    let granted = reserve_at_once(&users, 50, store.hour_later());
    assert_eq!(granted.len(), 10);
    for id in granted {
        users[usize::try_from(id + 1).unwrap() % 2].settle(id, 10);
    }
    assert_eq!(tom.spent(Period::Month), usd(100));
    tom.check_sums();
}

pub(crate) fn first_requests_of_a_new_user(store: &Store) {
    let ledger = store.open(1);
    for name in ["Ann", "Ben", "Cem", "Dan", "Eve"] {
        let user = User::new(&ledger, name, budget(Period::Total, 30));
        assert_eq!(reserve_at_once(std::slice::from_ref(&user), 20, store.hour_later()).len(), 3, "{name}");
    }
}

pub(crate) fn four_requests_at_once_start(store: &Store) {
    let tom = User::new(&store.open(1), "Tom", budget(Period::Month, 500));
    for id in 0..4 {
        // A dear model: each request could cost $3.
        let command = Command::Reserve(Reserve {
            id: HoldId(id),
            want: usd(300),
            floor: usd(20),
            least: usd(10),
            tokens: 0,
            until: store.hour_later(),
            process: tom.ledger.process(),
        });
        assert!(is_granted(&tom.run(command)), "{id}");
    }
    assert!(tom.held(Period::Month) <= usd(500));
}

pub(crate) fn period_of_the_reservation_is_charged(store: &Store) {
    let tom = User::new(&store.open(1), "Tom", budget(Period::Day, 100));
    store.wait(12 * Timestamp::HOUR - 1);
    tom.reserve(1, 60, store.hour_later());
    store.wait(1);
    assert!(is_granted(&tom.reserve(2, 100, store.hour_later())), "a new day");
    tom.settle(1, 50);
    tom.settle(2, 70);
    assert_eq!(tom.spent(Period::Day), usd(70));
    let days: Vec<_> = tom.days().iter().map(|day| (day.day.to_string(), day.sums.cost)).collect();
    assert_eq!(days, [("2026-11-27".to_owned(), usd(50)), ("2026-11-28".to_owned(), usd(70))]);
    tom.check_sums();
}

pub(crate) fn new_period_starts_at_zero(store: &Store) {
    for (period, pause) in [(Period::Day, DAY), (Period::Week, 3 * DAY), (Period::Month, 31 * DAY)] {
        let name = period.name();
        let user = User::new(&store.open(1), name, budget(period, 100));
        user.reserve(1, 100, store.hour_later());
        user.settle(1, 100);
        assert!(matches!(user.reserve(2, 1, store.hour_later()), Outcome::Denied(_)), "{name}");
        store.wait(pause);
        assert!(is_granted(&user.reserve(3, 100, store.hour_later())), "{name}");
        assert_eq!(user.spent(Period::Total), usd(100));
    }
}

pub(crate) fn days_in_a_time_zone(store: &Store) {
    let zone = Zone::new("Pacific/Kiritimati".to_owned(), 14 * 3_600, Vec::new()).unwrap();
    let mut limits = budget(Period::Day, 100);
    limits.zone = Arc::new(zone);
    let tom = User::new(&store.open(1), "Tom", limits);
    tom.reserve(1, 10, store.hour_later());
    tom.settle(1, 10);
    assert_eq!(tom.days()[0].day.to_string(), "2026-11-28");
    tom.check_sums();
}

pub(crate) fn raised_and_lowered_budgets(store: &Store) {
    let ledger = store.open(1);
    let with = |cents| User::new(&ledger, "Tom", budget(Period::Month, cents));
    with(100).reserve(1, 80, store.hour_later());
    with(100).settle(1, 80);
    assert!(matches!(with(50).reserve(2, 10, store.hour_later()), Outcome::Denied(_)));
    assert!(is_granted(&with(200).reserve(3, 120, store.hour_later())));
    // Without a budget the usage is counted on.
    let mut limits = budget(Period::Month, 100);
    limits.budgets = sparekey_policy::Budgets::default();
    limits.metered = true;
    let free = User::new(&ledger, "Tom", limits);
    assert!(is_granted(&free.reserve(4, 10_000, store.hour_later())));
    free.settle(4, 9_000);
    assert_eq!(free.spent(Period::Month), usd(9_080));
    free.check_sums();
}
