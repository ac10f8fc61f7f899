//! The engine on DynamoDB, whose requests fail, get lost or arrive late.
//!
//! A test that finds no moto is ignored: see `install.sh`.

mod contention;
mod failures;
mod items;
mod pages;
mod reader;
#[path = "../support/mod.rs"]
mod support;
mod transport;

use std::sync::{Arc, Mutex};

use libtest_mimic::{Arguments, Completion, Trial};
use sparekey_ledger::{
    Event, Events, Ledger,
    dynamodb::{DynamoDb, Options, Table},
};
use support::{
    actual_time::{eventually, reserve, tom},
    moto::{self, Moto},
};
use transport::{Faults, Faulty};

type Test = (&'static str, fn(&Table));

const TESTS: &[Test] = &[
    ("failures::table_that_is_down", failures::table_that_is_down),
    ("failures::connection_that_hangs", failures::connection_that_hangs),
    ("failures::throttled_requests_are_repeated", failures::throttled_requests_are_repeated),
    ("failures::lost_responses", failures::lost_responses),
    ("failures::late_reserve_is_not_stored", failures::late_reserve_is_not_stored),
    ("failures::refused_requests", failures::refused_requests),
    ("contention::burst_of_environments", contention::burst_of_environments),
    ("failures::flush_waits_for_settles", failures::flush_waits_for_settles),
    ("items::layout", items::layout),
    ("items::write_units", items::write_units),
    ("pages::each_row_once", pages::each_row_once),
    ("pages::rows_of_a_query", pages::rows_of_a_query),
    ("pages::failures_that_pass", pages::failures_that_pass),
    ("pages::failures_that_stay", pages::failures_that_stay),
    ("pages::first_request_is_not_repeated", pages::first_request_is_not_repeated),
    ("reader::reads_as_the_engine", reader::reads_as_the_engine),
    ("reader::missing_table", reader::missing_table),
];

fn main() {
    let trial = |&(name, run): &Test| {
        Trial::ignorable_test(name, move || {
            let Some(moto) = Moto::shared() else { return Ok(Completion::ignored_with(moto::MISSING)) };
            run(&moto.create_table());
            Ok(Completion::Completed)
        })
    };
    // One at a time: the tests measure how long calls take.
    let arguments = Arguments { test_threads: Some(1), ..Arguments::from_args() };
    libtest_mimic::run(&arguments, TESTS.iter().map(trial).collect()).exit();
}

/// An engine whose requests fail as a test says, and its events.
struct Opened {
    engine: DynamoDb,
    ledger: Arc<dyn Ledger>,
    faults: Arc<Faults>,
    events: Arc<Mutex<Vec<Event>>>,
}

fn open(table: &Table) -> Opened {
    let (events, faults): (Arc<Mutex<Vec<Event>>>, _) = (Arc::default(), Arc::<Faults>::default());
    let sink = Arc::clone(&events);
    let options = Options { events: Events::new(move |event| sink.lock().unwrap().push(event)), ..Options::default() };
    let engine = moto::open(table.clone(), Faulty(Arc::clone(&faults)), options);
    Opened { ledger: Arc::new(engine.clone()), engine, faults, events }
}
