//! The tests of budgets of every platform.

use libtest_mimic::Trial;

use super::{Limited, Moto, STREAMING};
use crate::only::budgets::{PRICES, SHARED};

/// More requests at a time than a test has.
const SETTINGS: [(&str, &str); 2] = [("AWS_LAMBDA_MAX_CONCURRENCY", "64"), ("PRICES", PRICES)];

/// A test that a function cannot pass: its event sources forward no WebSocket handshake.
const UNSUPPORTED: &str = "websockets_are_refused";

/// One trial per test.
pub(crate) fn trials() -> impl Iterator<Item = Trial> {
    let tests = SHARED.iter().flat_map(|(topic, tests)| tests.iter().map(move |test| (topic, test)));
    tests.filter(|(_, (name, _))| *name != UNSUPPORTED).map(|(topic, (name, run))| {
        Trial::test(format!("lambda::{topic}::{name}"), move || {
            run(&|upstream, users| {
                let table = Moto::shared().create_table().settings();
                Box::new(Limited::start_with(STREAMING, upstream, users, &table, &SETTINGS))
            });
            Ok(())
        })
    })
}
