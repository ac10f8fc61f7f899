//! Requests that fail.

use std::{
    sync::atomic::Ordering,
    thread,
    time::{Duration, Instant},
};

use sparekey_ledger::{Event, LedgerError, dynamodb::Table};
use sparekey_policy::{Period, Usd};

use crate::{
    eventually, open, reserve,
    support::{is_granted, settle, usd},
    tom,
    transport::Fault,
};

/// While there is no connection, calls fail: the first after the deadline of a step, the others without a try. A settle waits.
pub(crate) fn table_that_is_down(table: &Table) {
    let opened = open(table);
    let tom = tom(&opened.ledger);
    assert!(is_granted(&reserve(&tom, 1, 30).unwrap()));
    opened.faults.set(Fault::Down);
    let settled = opened.ledger.run(settle(&tom, 1, 10));
    let started = Instant::now();
    let error = reserve(&tom, 2, 30).unwrap_err();
    assert!(matches!(&error, LedgerError::Unreachable(_)), "{error}");
    assert!(started.elapsed() < Duration::from_millis(1500), "{:?}", started.elapsed());
    let sent = opened.faults.sent.load(Ordering::Relaxed);
    assert_eq!(reserve(&tom, 3, 30).unwrap_err(), error);
    assert_eq!(opened.faults.sent.load(Ordering::Relaxed), sent, "nothing is sent");
    assert!(opened.events.lock().unwrap().contains(&Event::Failed(error)));
    opened.faults.set(Fault::None);
    settled.wait().unwrap();
    assert!(is_granted(&reserve(&tom, 4, 30).unwrap()));
    assert_eq!((tom.spent(Period::Total), tom.held(Period::Total)), (usd(10), usd(30)));
    tom.check_sums();
}

pub(crate) fn connection_that_hangs(table: &Table) {
    let opened = open(table);
    let tom = tom(&opened.ledger);
    opened.faults.set(Fault::Hangs);
    let started = Instant::now();
    assert!(matches!(reserve(&tom, 1, 30), Err(LedgerError::Unreachable(_))));
    assert!(started.elapsed() < Duration::from_millis(1500), "{:?}", started.elapsed());
    assert!(opened.faults.sent.load(Ordering::Relaxed) >= 2, "it is tried again");
    opened.faults.set(Fault::None);
    eventually(Duration::from_secs(3), || reserve(&tom, 2, 30).is_ok());
    assert_eq!(tom.held(Period::Total), usd(30), "the first one holds nothing");
}

pub(crate) fn throttled_requests_are_repeated(table: &Table) {
    let opened = open(table);
    let tom = tom(&opened.ledger);
    for (id, name) in (1..).zip([
        "ProvisionedThroughputExceededException",
        "ThrottlingException",
        "RequestLimitExceeded",
        "TransactionConflictException",
    ]) {
        opened.faults.set(Fault::Refused(3, 400, name));
        assert!(is_granted(&reserve(&tom, id, 10).unwrap()), "{name}");
    }
    opened.faults.set(Fault::Refused(2, 500, "InternalServerError"));
    assert!(is_granted(&reserve(&tom, 5, 10).unwrap()));
    assert_eq!(tom.held(Period::Total), usd(50));
    opened.faults.set(Fault::Refused(usize::MAX, 400, "ThrottlingException"));
    assert_eq!(reserve(&tom, 6, 10), Err(LedgerError::UserBusy("Tom".into())));
    opened.faults.set(Fault::None);
    assert!(is_granted(&reserve(&tom, 7, 10).unwrap()), "other calls go on at once");
}

/// The step finds what it stored.
pub(crate) fn lost_responses(table: &Table) {
    let opened = open(table);
    let tom = tom(&opened.ledger);
    assert!(is_granted(&reserve(&tom, 1, 30).unwrap()));
    opened.faults.set(Fault::Lost(1));
    assert!(is_granted(&reserve(&tom, 2, 30).unwrap()));
    opened.faults.set(Fault::Lost(1));
    opened.ledger.run(settle(&tom, 1, 10)).wait().unwrap();
    assert_eq!((tom.spent(Period::Total), tom.held(Period::Total)), (usd(10), usd(30)));
    tom.check_sums();
}

/// A request of a reservation that failed arrives when its id is settled at zero: it finds another version.
pub(crate) fn late_reserve_is_not_stored(table: &Table) {
    let opened = open(table);
    let tom = tom(&opened.ledger);
    assert!(is_granted(&reserve(&tom, 1, 30).unwrap()));
    opened.faults.set(Fault::Late(Duration::from_millis(2600)));
    let late = thread::spawn({
        let tom = tom.clone();
        move || reserve(&tom, 2, 50)
    });
    thread::sleep(Duration::from_millis(5));
    opened.faults.set(Fault::Down);
    assert!(late.join().unwrap().is_err());
    opened.faults.set(Fault::None);
    eventually(Duration::from_secs(3), || opened.ledger.run(tom.call(sparekey_policy::Command::Report)).wait().is_ok());
    for _ in 0..25 {
        assert_eq!(tom.held(Period::Total), usd(30));
        thread::sleep(Duration::from_millis(100));
    }
}

/// What an owner must correct: no right, no table. It is not tried again.
pub(crate) fn refused_requests(table: &Table) {
    let opened = open(table);
    let tom = tom(&opened.ledger);
    opened.faults.set(Fault::Refused(1, 400, "AccessDeniedException"));
    let error = reserve(&tom, 1, 10).unwrap_err().to_string();
    assert_eq!(error, "the database of the ledger cannot be reached: DynamoDB: no (400 AccessDeniedException)");
    assert_eq!(opened.faults.sent.load(Ordering::Relaxed), 1);
    eventually(Duration::from_secs(2), || reserve(&tom, 2, 10).is_ok());
    let other = open(&crate::support::moto::Moto::shared().unwrap().table("no-such-table"));
    let error = reserve(&crate::tom(&other.ledger), 1, 10).unwrap_err().to_string();
    assert!(error.contains("ResourceNotFoundException"), "{error}");
}

pub(crate) fn flush_waits_for_settles(table: &Table) {
    let opened = open(table);
    let tom = tom(&opened.ledger);
    for id in 1..=20 {
        assert!(is_granted(&reserve(&tom, id, 1).unwrap()));
    }
    let other = open(table);
    for id in 1..=20 {
        drop(opened.ledger.run(settle(&tom, id, 1)));
    }
    opened.engine.flush().wait().unwrap();
    let seen = tom.on(&other.ledger);
    assert_eq!((seen.spent(Period::Total), seen.held(Period::Total)), (usd(20), Usd::ZERO));
    // Without the table it does not wait until it is back.
    reserve(&tom, 21, 1).unwrap();
    opened.faults.set(Fault::Down);
    let settled = opened.ledger.run(settle(&tom, 21, 1));
    let started = Instant::now();
    opened.engine.flush().wait().unwrap();
    opened.engine.flush().wait().unwrap();
    assert!(started.elapsed() < Duration::from_millis(1500), "{:?}", started.elapsed());
    opened.faults.set(Fault::None);
    settled.wait().unwrap();
    seen.check_sums();
}
