//! The rows of a query, some at a time, of the engines that other engines are copied into.

#[path = "../support/mod.rs"]
mod support;

use std::sync::Arc;

use libtest_mimic::{Arguments, Completion, Trial};
use sparekey_ledger::{
    Import, LedgerError, LedgerRow, Reader, RowQuery,
    copy::{Position, Source, Target, pages_of},
};
use sparekey_policy::{HoldId, Period, Zone};
use support::{NOON, row, usd};

/// More than a page.
const ROWS: u32 = 5_300;

/// An engine, and whether it ran.
type Test = (&'static str, fn() -> bool);

const TESTS: &[Test] = &[
    ("sqlite", sqlite),
    #[cfg(feature = "postgres")]
    ("postgres", postgres),
];

fn main() {
    let trial = |(engine, run): &Test| {
        let run = *run;
        Trial::ignorable_test(format!("{engine}::pages_are_the_rows_of_a_query"), move || {
            Ok(if run() { Completion::Completed } else { Completion::ignored_with("it is not installed") })
        })
    };
    libtest_mimic::run(&Arguments::from_args(), TESTS.iter().map(trial).collect()).exit();
}

fn sqlite() -> bool {
    let folder = support::Folder::new();
    fill(Box::new(Import::begin(&folder.ledger()).unwrap()));
    let reader = Reader::open(&folder.ledger()).unwrap();
    check(&reader, |query| reader.rows(query));
    true
}

#[cfg(feature = "postgres")]
fn postgres() -> bool {
    use sparekey_ledger::postgres;

    let Some(server) = support::Server::start() else { return false };
    let address = server.create_database();
    fill(Box::new(postgres::Import::begin(&address).unwrap()));
    let reader = postgres::Reader::open(&address).unwrap();
    check(&reader, |query| reader.rows(query));
    true
}

/// Stores rows of two users, three at each instant.
fn fill(mut target: Box<dyn Target>) {
    let row_at = |number: u32| -> (Position, LedgerRow) {
        let user = if number % 7 < 2 { "Ann" } else { "Tom" };
        let day = Period::Day.at(NOON, &Zone::utc());
        let id = u128::from(number);
        let row = LedgerRow { id: HoldId(id), user: Arc::from(user), day, cost: usd(1), voided: None, row: row(id) };
        ((NOON.as_micros() + i64::from(number / 3) * 10, i64::from(number)), row)
    };
    target.add_rows(&(0..ROWS).map(row_at).collect::<Vec<_>>()).unwrap();
    target.commit().unwrap();
}

fn check(source: &dyn Source, rows: impl Fn(&RowQuery) -> Result<Vec<LedgerRow>, LedgerError>) {
    let middle = Some(NOON.plus(5_000));
    for user in [None, Some("Ann"), Some("Tom"), Some("Bob")] {
        for (since, limit) in [
            (None, None),
            (None, Some(1)),
            (None, Some(1_001)),
            (None, Some(ROWS)),
            (None, Some(ROWS - 1)),
            (None, Some(ROWS + 1)),
            (middle, None),
            (middle, Some(20)),
            (middle, Some(ROWS)),
            (Some(NOON.plus(support::DAY)), None),
        ] {
            let query = RowQuery { user: user.map(Arc::from), since, limit };
            let pages: Vec<_> = pages_of(source, &query).unwrap().collect::<Result<_, _>>().unwrap();
            let expected = rows(&query).unwrap();
            assert!(pages.iter().all(|page| page.len() <= 5_000), "{query:?}");
            assert!(pages.concat() == expected, "{query:?}: {} of {}", pages.concat().len(), expected.len());
        }
    }
}
