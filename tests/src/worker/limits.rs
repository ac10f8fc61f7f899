//! The Worker with a ledger, which is a Durable Object.

mod ends;
mod engine;
mod kill;
mod ledger;

use std::{net::SocketAddr, sync::Arc};

use libtest_mimic::Trial;
use sparekey_policy::PriceTable;

use super::{RunningWorker, Worker, compiled, only::size};
use crate::{
    adapter::{Adapter, Settings},
    cases, clients,
    only::budgets::{Metered, PRICES, SHARED},
    wire,
};

/// Every test of all platforms, those of users with budgets among them, and the tests of the object.
#[must_use]
pub fn trials(worker: &Worker) -> Vec<Trial> {
    let adapter: Arc<dyn Adapter> = Arc::new(worker.clone());
    let shared = [cases::trials, wire::trials, clients::trials].into_iter().flat_map(|trials| trials(&adapter));
    shared.chain(budgets(worker)).chain(own(worker)).chain(engine::trials(worker)).collect()
}

type Test = (&'static str, fn(&Worker));

/// The tests of the ledger's object.
fn own(worker: &Worker) -> impl Iterator<Item = Trial> {
    let tests = [("ledger", ledger::TESTS), ("ends", ends::TESTS), ("kill", kill::TESTS), ("size", size::WITH_LIMITS)];
    let worker = worker.clone();
    tests.into_iter().flat_map(|(topic, tests)| tests.iter().map(move |test| (topic, test))).map(
        move |(topic, (name, run))| {
            let worker = worker.clone();
            Trial::test(format!("worker-limits::{topic}::{name}"), move || {
                run(&worker);
                Ok(())
            })
        },
    )
}

fn budgets(worker: &Worker) -> impl Iterator<Item = Trial> {
    let worker = worker.clone();
    let tests = SHARED.iter().flat_map(|(topic, tests)| tests.iter().map(move |test| (topic, test)));
    tests.map(move |(topic, (name, run))| {
        let worker = worker.clone();
        Trial::test(format!("worker-limits::{topic}::{name}"), move || {
            run(&|upstream, users| Box::new(start(&worker, upstream, users)));
            Ok(())
        })
    })
}

impl Metered for RunningWorker {
    fn address(&self) -> SocketAddr {
        crate::adapter::Running::address(self)
    }
}

fn start(worker: &Worker, upstream: SocketAddr, users: &str) -> RunningWorker {
    worker.serve(&settings(upstream, users, &[]), "")
}

fn settings(upstream: SocketAddr, users: &str, more: &[(&str, &str)]) -> Settings {
    let (users, prices) = (compiled(users), prices());
    wire::settings(&format!("http://{upstream}"), &[&[("USERS", &*users), ("PRICES", &prices)], more].concat())
}

impl RunningWorker {
    /// The calls of the ledger's object, and the rows that it wrote.
    fn ledger_counts(&self) -> (u64, u64) {
        self.watch("/ledger")
    }

    /// Whether each call of the ledger fails.
    fn set_ledger_down(&self, is_down: bool) {
        self.watch(&format!("/down/{}", u8::from(is_down)));
    }
}

/// The price table of the tests, in the form that the Worker reads.
fn prices() -> String {
    let shipped = PriceTable::shipped().expect("the shipped prices");
    shipped.with_overrides(PRICES).expect("valid prices").to_json(|model| model == "model")
}
