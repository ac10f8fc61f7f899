//! Old rows.

use super::*;

#[test]
fn old_rows_are_deleted_and_sums_stay() {
    let folder = Folder::new();
    let start = Clock::default().now();
    let day = 24 * Timestamp::HOUR;
    let ledger = folder.open_with(Options { clock: Clock::new(move || start), ..Options::default() }).unwrap().ledger;
    for id in 0..10 {
        reserve(&ledger, id, 5).unwrap();
        ledger.run(settle(id, 5)).wait().unwrap();
    }
    let days = ledger.days(DayQuery::default()).wait().unwrap();
    let (first, second) = (amounts(&ledger), 60);
    assert_eq!(ledger.close(), 0);
    let clock = Clock::new(move || start.plus(40 * day));
    let retention = Some(Duration::from_secs(30 * 86_400));
    let options = Options { clock: clock.clone(), retention, ..Options::default() };
    let (mut writable, _) = Writable::open(&folder.path(), &options).unwrap();
    for (retention, count) in [(second, 10), (30, 0)] {
        let retention = Duration::from_secs(retention * 86_400);
        assert!(!retention::delete_some(&mut writable, retention, &clock).unwrap());
        let rows: i64 = writable.connection.query_row("SELECT count(*) FROM usage", [], |row| row.get(0)).unwrap();
        assert_eq!(rows, count);
    }
    let reader = Reader::open(&folder.path()).unwrap();
    assert_eq!(reader.days(&DayQuery::default()).unwrap(), days);
    let limits = Limits::none(Arc::new(Zone::utc()));
    let report = reader.report("Tom", &limits, start).unwrap().unwrap();
    assert_eq!((report.periods[3].spent.as_pico(), 0), first);
}

/// More rows than one transaction deletes, by the writer, between other calls.
#[test]
fn the_writer_deletes_old_rows() {
    let folder = Folder::new();
    let ledger = folder.open();
    let pending = (0..2_500).map(|id| [ledger.run(reserve_call(&ledger, id, 0)), ledger.run(settle(id, 0))]);
    let pending: Vec<_> = pending.flatten().collect();
    assert!(pending.into_iter().map(Pending::wait).all(|result| result.is_ok()));
    let rows = |ledger: &Sqlite| ledger.rows(RowQuery::default()).wait().unwrap().len();
    assert_eq!((rows(&ledger), ledger.close()), (2_500, 0));
    let later = Clock::new(|| Clock::default().now().plus(1_000 * Timestamp::HOUR));
    let retention = Some(Duration::from_secs(86_400));
    let ledger = folder.open_with(Options { clock: later, retention, ..Options::default() }).unwrap().ledger;
    // Each call is followed by a look for old rows, as long as there are more.
    for _ in 0..4 {
        amounts(&ledger);
    }
    assert_eq!(rows(&ledger), 0);
}
