//! The suite of all engines that run here: the same tests for each.

mod suite;
#[path = "../support/mod.rs"]
mod support;

use libtest_mimic::{Arguments, Completion, Trial};
use suite::{TESTS, Test};
use support::Store;

/// Where the tests run. An engine whose programs are not installed has no store, and the reason is the last field.
type Engine = (&'static str, fn() -> Option<Store>, &'static str);

const ENGINES: &[Engine] = &[
    ("memory", || Some(Store::memory()), ""),
    #[cfg(feature = "sqlite")]
    ("sqlite", || Some(Store::sqlite()), ""),
    #[cfg(feature = "postgres")]
    ("postgres", Store::postgres, "PostgreSQL is not installed, and PGBIN does not name its programs"),
    #[cfg(feature = "dynamodb")]
    ("dynamodb", Store::dynamodb, support::moto::MISSING),
];

fn main() {
    let trial = |(engine, open, missing): Engine, (name, run): Test| {
        Trial::ignorable_test(format!("{engine}::{name}"), move || {
            let Some(store) = open() else {
                return Ok(Completion::ignored_with(missing));
            };
            run(&store);
            Ok(Completion::Completed)
        })
    };
    let trials = ENGINES.iter().flat_map(|engine| TESTS.iter().map(move |test| trial(*engine, *test)));
    libtest_mimic::run(&Arguments::from_args(), trials.collect()).exit();
}
