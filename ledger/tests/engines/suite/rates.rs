//! Limits on rates and on open requests.

use std::{num::NonZeroU32, sync::Arc};

use sparekey_ledger::RowQuery;
use sparekey_policy::{Command, DeniedBy, HoldId, Limits, Outcome, Period, Reserve, Timestamp, Zone};

use super::support::{Store, User, budget, is_granted, reserve, usd};

pub(crate) fn requests_per_minute(store: &Store) {
    let mut limits = budget(Period::Month, 100);
    limits.requests_per_minute = NonZeroU32::new(3);
    let tom = User::new(&store.open(1), "Tom", limits);
    for id in 0..3 {
        assert!(is_granted(&tom.reserve(id, 1, store.hour_later())));
    }
    let Outcome::Denied(denial) = tom.reserve(3, 1, store.hour_later()) else { panic!("granted") };
    assert_eq!(denial.which, DeniedBy::Requests);
    store.wait(20 * Timestamp::SECOND);
    assert!(is_granted(&tom.reserve(4, 1, store.hour_later())));
}

pub(crate) fn tokens_per_minute(store: &Store) {
    let mut limits = budget(Period::Month, 100);
    limits.tokens_per_minute = NonZeroU32::new(1_000);
    let tom = User::new(&store.open(1), "Tom", limits);
    let ask = |id| {
        let Command::Reserve(reserve) = reserve(id, 1, store.hour_later(), tom.ledger.process()) else {
            unreachable!()
        };
        tom.run(Command::Reserve(Reserve { tokens: 600, ..reserve }))
    };
    assert!(is_granted(&ask(1)));
    assert!(matches!(ask(2), Outcome::Denied(denial) if denial.which == DeniedBy::Tokens));
    tom.run(Command::Settle { id: HoldId(1), amount: usd(1), tokens: 100 });
    assert!(is_granted(&ask(3)), "the estimate was too high");
}

pub(crate) fn concurrent_requests(store: &Store) {
    let mut limits = budget(Period::Month, 100);
    limits.concurrent_requests = NonZeroU32::new(2);
    let tom = User::new(&store.open(1), "Tom", limits);
    tom.reserve(1, 1, store.hour_later());
    tom.reserve(2, 1, store.hour_later());
    assert!(
        matches!(tom.reserve(3, 1, store.hour_later()), Outcome::Denied(denial) if denial.which == DeniedBy::Concurrency)
    );
    tom.settle(1, 1);
    assert!(is_granted(&tom.reserve(3, 1, store.hour_later())));
}

pub(crate) fn no_row_for_a_place(store: &Store) {
    let mut limits = Limits::none(Arc::new(Zone::utc()));
    limits.concurrent_requests = NonZeroU32::new(4);
    let tom = User::new(&store.open(1), "Tom", limits);
    tom.run(Command::Reserve(Reserve::place(HoldId(1), tom.ledger.process())));
    tom.run(Command::ProcessEnded(tom.ledger.process()));
    assert_eq!(tom.ledger.rows(RowQuery::default()).wait().unwrap(), []);
}
