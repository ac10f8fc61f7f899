//! The reader of the owner's commands.

use std::sync::Arc;

use sparekey_ledger::{
    Clock, DayQuery, Ledger, LedgerError, RowQuery,
    dynamodb::{Options, Reader, Table},
};
use sparekey_policy::{HoldId, Limits, Period, Timestamp, Zone};

use crate::support::{
    self, NOON, budget,
    moto::{self, Moto, Plain},
};

fn options() -> Options {
    Options { clock: Clock::new(|| NOON), ..Options::default() }
}

pub(crate) fn reads_as_the_engine(table: &Table) {
    let reader = Reader::new(table.clone(), Plain, &options()).unwrap();
    let limits = budget(Period::Day, 100);
    let report = |user: &str| reader.report(user, &limits, NOON).unwrap().unwrap();
    assert!(reader.days(&DayQuery::default()).unwrap().is_empty());
    assert_eq!(reader.has_users(), Ok(false));
    assert_eq!(report("Tom").periods[0].spent, support::usd(0));

    let ledger: Arc<dyn Ledger> = Arc::new(moto::open(table.clone(), Plain, options()));
    let [tom, ann] = ["Tom", "Ann"].map(|name| support::User::new(&ledger, name, budget(Period::Day, 100)));
    for (user, id, cents) in [(&tom, 1, 15), (&ann, 2, 4), (&tom, 3, 1)] {
        user.reserve(id, 40, NOON.plus(Timestamp::HOUR));
        user.settle(id, cents);
    }
    tom.reserve(4, 40, NOON.plus(Timestamp::HOUR));

    assert_eq!(reader.has_users(), Ok(true));
    let only_ann = Some(Arc::from("Ann"));
    for query in [DayQuery::default(), DayQuery { user: only_ann.clone(), since: None }] {
        assert_eq!(reader.days(&query), ledger.days(query).wait());
    }
    for query in [RowQuery::default(), RowQuery { user: only_ann, limit: Some(1), ..RowQuery::default() }] {
        let rows = reader.rows(&query).unwrap();
        assert!(!rows.is_empty());
        assert_eq!(Ok(rows), ledger.rows(query).wait());
    }
    assert_eq!(reader.row(HoldId(2)).unwrap().unwrap().cost, support::usd(4));
    assert_eq!(reader.row(HoldId(4)), Ok(None), "an open request");
    let day = report("Tom").periods[0];
    assert_eq!((day.spent, day.held), (support::usd(16), support::usd(40)));
}

pub(crate) fn missing_table(_: &Table) {
    let table = Moto::shared().unwrap().table("elsewhere");
    let reader = Reader::new(table, Plain, &options()).unwrap();
    let limits = Limits::none(Arc::new(Zone::utc()));
    for error in [
        reader.days(&DayQuery::default()).unwrap_err(),
        reader.row(HoldId(1)).unwrap_err(),
        reader.report("Tom", &limits, NOON).unwrap_err(),
    ] {
        let LedgerError::Unreachable(reason) = error else { panic!("{error}") };
        assert!(reason.contains("ResourceNotFoundException"), "{reason}");
    }
}
