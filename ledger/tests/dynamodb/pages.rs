//! Rows that are read some at a time.

use std::{
    sync::{Arc, atomic::Ordering},
    time::Duration,
};

use serde_json::{Value, json};
use sparekey_ledger::{
    Clock, Ledger, LedgerError, LedgerRow, RowQuery,
    dynamodb::{Options, Reader, Table},
};
use sparekey_policy::{HoldId, Limits, Outcome, Period, Timestamp};

use crate::{
    items,
    support::{
        self, DAY, NOON, budget,
        moto::{self, Moto, Plain},
    },
    transport::{Fault, Faults, Faulty},
};

/// More than a page.
const COPIES: u128 = 1_100;

/// `BatchWriteItem` takes so many.
const BATCH: usize = 25;

/// A page of the emulation takes longer than one of DynamoDB.
const DEADLINE: Duration = Duration::from_secs(60);

fn options(now: Timestamp) -> Options {
    Options { clock: Clock::new(move || now), deadline: DEADLINE, ..Options::default() }
}

/// Stores a request of a user at an instant.
fn store(table: &Table, user: &str, id: u128, now: Timestamp) {
    let ledger: Arc<dyn Ledger> = Arc::new(moto::open(table.clone(), Plain, options(now)));
    let user = support::User::new(&ledger, user, budget(Period::Month, 1_000));
    user.reserve(id, 4, now.plus(Timestamp::HOUR));
    user.settle(id, 1);
}

/// Stores copies of a user's only row of October with these ids, each at its microsecond of the next day.
fn store_copies(table: &Table, user: &str, ids: impl Iterator<Item = u128>) {
    let partition = format!("l#{user}#2026-10");
    let row = items::scan(table).into_iter().find(|item| item["pk"]["S"] == *partition).unwrap();
    let copies: Vec<_> = ids
        .map(|id| {
            let mut item = row.clone();
            item["id"]["S"] = json!(format!("{id:032x}"));
            item["sk"]["S"] = json!(format!("2026-10-28 12:00:00.{id:06}"));
            json!({ "PutRequest": { "Item": item } })
        })
        .collect();
    for batch in copies.chunks(BATCH) {
        let body = json!({ "RequestItems": { table.name(): batch } }).to_string();
        let response = Moto::shared().unwrap().send("BatchWriteItem", body.into_bytes());
        let response: Value = serde_json::from_slice(&response.body).unwrap();
        assert_eq!(response["UnprocessedItems"], json!({}));
    }
}

fn ids(rows: &[LedgerRow]) -> Vec<u128> {
    rows.iter().map(|row| row.id.0).collect()
}

pub(crate) fn each_row_once(table: &Table) {
    let october = NOON.plus(-31 * DAY);
    store(table, "Tom", 1, october);
    store(table, "Ann", 2, october);
    store(table, "Tom", 3, NOON);
    store_copies(table, "Tom", 10..10 + COPIES);
    let reader = Reader::new(table.clone(), Plain, &options(NOON)).unwrap();
    let newest_first: Vec<_> = (10..10 + COPIES).rev().collect();
    for (since, expected) in [
        (october, [&[2, 3], &*newest_first, &[1]].concat()),
        (october.plus(DAY), [&[3], &*newest_first].concat()),
        (NOON.plus(DAY), vec![]),
    ] {
        let pages: Vec<_> = reader.rows_since(since).unwrap().collect::<Result<_, _>>().unwrap();
        assert_eq!(pages.iter().flat_map(|page| ids(page)).collect::<Vec<_>>(), expected);
        let sizes: Vec<_> = pages.iter().map(Vec::len).collect();
        assert!(sizes.iter().all(|size| (1..=1_000).contains(size)), "{sizes:?}");
    }
    // In the second page of its partition.
    let (id, limits) = (HoldId(10), Arc::new(Limits::none(Arc::new(sparekey_policy::Zone::utc()))));
    assert_eq!(reader.row(id).unwrap().unwrap().voided, None);
    let ledger = moto::open(table.clone(), Plain, options(NOON));
    assert_eq!(ledger.void(id, limits).wait(), Ok(Outcome::Adjusted));
    assert_eq!(reader.row(id).unwrap().unwrap().voided, Some(support::usd(1)));
    assert_eq!(reader.row(HoldId(9)), Ok(None));
}

pub(crate) fn rows_of_a_query(table: &Table) {
    let october = NOON.plus(-31 * DAY);
    for (user, id) in [("Tom", 1), ("Ann", 2), ("Eve", 3)] {
        store(table, user, id, october);
        store(table, user, id + 3, NOON);
    }
    // Eve's have the instants of Tom's.
    store_copies(table, "Tom", (10..10 + COPIES).step_by(2));
    store_copies(table, "Eve", (10..10 + COPIES).step_by(20));
    store_copies(table, "Ann", 700..1_300);
    let reader = Reader::new(table.clone(), Plain, &options(NOON)).unwrap();
    for (user, since, limit) in [
        (None, None, None),
        (None, None, Some(10_000)),
        (None, Some(october.plus(DAY).plus(900)), Some(100)),
        (Some("Tom"), Some(october.plus(DAY)), Some(300)),
        (Some("Bob"), None, Some(5)),
    ] {
        let query = RowQuery { user: user.map(Arc::from), since, limit };
        let pages: Vec<_> = reader.pages_of(&query).unwrap().collect::<Result<_, _>>().unwrap();
        assert!(pages.iter().all(|page| (1..=1_000).contains(&page.len())), "{query:?}");
        let (found, expected) = (pages.concat(), reader.rows(&query).unwrap());
        assert!(found == expected, "{query:?}: {:?} instead of {:?}", ids(&found), ids(&expected));
    }
}

/// A reader of one row whose requests fail, with the deadline of a function.
fn faulty(table: &Table) -> (Reader<Faulty>, Arc<Faults>) {
    store(table, "Tom", 1, NOON);
    let faults = Arc::<Faults>::default();
    let options = Options { clock: Clock::new(|| NOON), ..Options::default() };
    (Reader::new(table.clone(), Faulty(Arc::clone(&faults)), &options).unwrap(), faults)
}

pub(crate) fn failures_that_pass(table: &Table) {
    let (reader, faults) = faulty(table);
    for fault in [
        Fault::Refused(3, 400, "ProvisionedThroughputExceededException"),
        Fault::Refused(3, 400, "ThrottlingException"),
        Fault::Refused(3, 500, "InternalServerError"),
        Fault::Refused(1, 503, "ServiceUnavailable"),
        Fault::Lost(2),
    ] {
        let mut pages = reader.rows_since(NOON).unwrap();
        faults.set(fault.clone());
        assert_eq!(pages.next().unwrap().map(|rows| ids(&rows)), Ok(vec![1]), "{fault:?}");
        assert_eq!(pages.next(), None);
    }
}

pub(crate) fn failures_that_stay(table: &Table) {
    let (reader, faults) = faulty(table);
    for (fault, tries) in [
        (Fault::Refused(usize::MAX, 400, "ThrottlingException"), 2..=8),
        (Fault::Refused(usize::MAX, 500, "InternalServerError"), 2..=8),
        (Fault::Hangs, 2..=3),
        (Fault::Refused(usize::MAX, 400, "AccessDeniedException"), 1..=1),
    ] {
        faults.set(Fault::None);
        // Of two partitions, so that it could go on.
        let mut pages = reader.rows_since(NOON.plus(-31 * DAY)).unwrap();
        faults.set(fault.clone());
        faults.sent.store(0, Ordering::Relaxed);
        let error = pages.next().unwrap().unwrap_err();
        assert!(matches!(error, LedgerError::Busy | LedgerError::Unreachable(_)), "{error}");
        let sent = faults.sent.load(Ordering::Relaxed);
        assert!(tries.contains(&sent), "{fault:?}: {sent} tries");
        assert_eq!(pages.next(), None);
    }
}

/// So that a wrong address is an error at once.
pub(crate) fn first_request_is_not_repeated(table: &Table) {
    let (reader, faults) = faulty(table);
    faults.set(Fault::Refused(usize::MAX, 500, "InternalServerError"));
    faults.sent.store(0, Ordering::Relaxed);
    assert!(reader.row(HoldId(1)).is_err());
    assert!(reader.rows_since(NOON).is_err());
    assert_eq!(faults.sent.load(Ordering::Relaxed), 2);
}
