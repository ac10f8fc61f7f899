//! The suite of the ledger's engines, on the object in workerd.

mod object;
#[path = "../../../../ledger/tests/engines/suite/mod.rs"]
mod suite;
mod support;

use libtest_mimic::Trial;

use self::{
    suite::{TESTS, Test},
    support::Store,
};
use crate::worker::Worker;

/// Tests that the object cannot pass.
const EXCLUDED: &[(&str, &[&str])] = &[
    (
        "all isolates are one process, whose holds expire at their end only",
        &["ended_process_is_charged", "holds_of_other_processes_stay", "no_row_for_a_place"],
    ),
    ("a request runs to its end, so no result is dropped", &["dropped_grant_is_settled_at_zero"]),
    (
        "the object has no call for corrections",
        &[
            "void_returns_the_cost_once",
            "void_of_an_older_day",
            "void_of_an_open_request",
            "void_of_an_expired_hold_is_final",
            "credit_lowers_what_is_spent",
        ],
    ),
];

/// One trial per test that the object can pass.
pub(super) fn trials(worker: &Worker) -> impl Iterator<Item = Trial> {
    let excluded: Vec<_> = EXCLUDED.iter().flat_map(|(_, names)| *names).collect();
    for name in &excluded {
        assert!(TESTS.iter().any(|(test, _)| test == *name), "no test is {name}");
    }
    let tests = TESTS.iter().filter(move |(name, _)| !excluded.contains(&name));
    let worker = worker.clone();
    tests.map(move |&(name, run): &Test| {
        let worker = worker.clone();
        Trial::test(format!("worker-limits::engine::{name}"), move || {
            run(&Store::new(&worker));
            Ok(())
        })
    })
}
