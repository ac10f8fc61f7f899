//! What the owner takes back.

use std::sync::Arc;

use sparekey_ledger::{End, Row, RowQuery};
use sparekey_policy::{Command, HoldId, Outcome, Period, Timestamp, Usd};

use super::support::{DAY, Store, User, budget, is_granted, usd};

fn void(user: &User, id: u128) -> Outcome {
    user.ledger.void(HoldId(id), Arc::clone(&user.limits)).wait().unwrap()
}

pub(crate) fn void_returns_the_cost_once(store: &Store) {
    let tom = User::new(&store.open(1), "Tom", budget(Period::Day, 100));
    for id in [1, 2] {
        tom.reserve(id, 40, store.hour_later());
        tom.settle(id, 40);
    }
    assert_eq!(void(&tom, 1), Outcome::Adjusted);
    assert_eq!(void(&tom, 1), Outcome::AlreadyDone);
    // The state forgets the id after a day; the row does not.
    store.wait(3 * DAY);
    assert_eq!(void(&tom, 1), Outcome::AlreadyDone);
    assert_eq!(void(&tom, 9), Outcome::Unknown);
    assert_eq!(tom.spent(Period::Total), usd(40));
    let rows = tom.ledger.rows(RowQuery::default()).wait().unwrap();
    assert_eq!((rows[0].cost, rows[0].voided), (Usd::ZERO, Some(usd(40))));
    assert_eq!((rows[1].cost, rows[1].voided), (usd(40), None));
    tom.check_sums();
}

pub(crate) fn void_of_an_older_day(store: &Store) {
    let tom = User::new(&store.open(1), "Tom", budget(Period::Day, 100));
    tom.reserve(1, 40, store.hour_later());
    tom.settle(1, 40);
    store.wait(DAY);
    tom.reserve(2, 10, store.hour_later());
    tom.settle(2, 10);
    assert_eq!(void(&tom, 1), Outcome::Adjusted);
    assert_eq!((tom.spent(Period::Day), tom.spent(Period::Total)), (usd(10), usd(10)));
    tom.check_sums();
}

pub(crate) fn void_of_an_open_request(store: &Store) {
    let tom = User::new(&store.open(1), "Tom", budget(Period::Day, 100));
    tom.reserve(1, 40, store.hour_later());
    assert_eq!(void(&tom, 1), Outcome::Unknown);
    assert!(matches!(tom.settle(1, 30), Outcome::Settled { .. }));
    assert_eq!(tom.spent(Period::Day), usd(30));
}

pub(crate) fn void_of_an_expired_hold_is_final(store: &Store) {
    let tom = User::new(&store.open(1), "Tom", budget(Period::Day, 100));
    tom.reserve(1, 40, store.hour_later());
    store.wait(Timestamp::HOUR);
    tom.reserve(2, 10, store.hour_later());
    assert_eq!(void(&tom, 1), Outcome::Adjusted);
    assert_eq!(tom.settle(1, 30), Outcome::Unknown);
    assert_eq!(tom.spent(Period::Day), Usd::ZERO);
    tom.check_sums();
}

pub(crate) fn credit_lowers_what_is_spent(store: &Store) {
    let tom = User::new(&store.open(1), "Tom", budget(Period::Day, 100));
    tom.reserve(1, 100, store.hour_later());
    tom.settle(1, 100);
    let credit = |id, cents: i64| {
        let command = Command::Adjust { id: HoldId(id), at: store.now(), amount: usd(-cents) };
        tom.ledger.run(tom.call(command).with_row(Row::bare(store.now(), End::Credit))).wait().unwrap()
    };
    assert_eq!(credit(7, 30), Outcome::Adjusted);
    assert_eq!(credit(7, 30), Outcome::AlreadyDone, "the same credit, sent again");
    for period in Period::ALL {
        assert_eq!(tom.spent(period), usd(70));
    }
    assert!(is_granted(&tom.reserve(2, 30, store.hour_later())));
    tom.check_sums();
}
