//! Many environments of a function serve one user at the same time.

use std::{sync::Arc, thread, time::Duration};

use sparekey_ledger::{
    Ledger,
    dynamodb::{Options, Table},
};
use sparekey_policy::{Outcome, Period};

use crate::{
    reserve,
    support::{
        User, budget, is_granted,
        moto::{self, Plain},
        usd,
    },
};

const ENVIRONMENTS: u128 = 16;

/// Each gets a decision, and none is refused because others were faster.
pub(crate) fn burst_of_environments(table: &Table) {
    // moto has one request at a time, those of other tests too, and DynamoDB any number.
    let deadline = Duration::from_secs(120);
    let open = |_| -> Arc<dyn Ledger> {
        Arc::new(moto::open(table.clone(), Plain, Options { deadline, ..Options::default() }))
    };
    let ledgers: Vec<_> = (0..ENVIRONMENTS).map(open).collect();
    let user = |index: usize| User::new(&ledgers[index], "Tom", budget(Period::Total, 300));
    for (round, expected) in [(0, 16), (1, 14)] {
        let outcomes: Vec<Outcome> = thread::scope(|scope| {
            let run = |index: u128| {
                let tom = user(usize::try_from(index).unwrap());
                scope.spawn(move || reserve(&tom, round * ENVIRONMENTS + index, 10).unwrap())
            };
            let running: Vec<_> = (0..ENVIRONMENTS).map(run).collect();
            running.into_iter().map(|run| run.join().unwrap()).collect()
        });
        let granted = outcomes.iter().filter(|outcome| is_granted(outcome)).count();
        assert_eq!(granted, expected, "{outcomes:?}");
    }
    assert_eq!(user(0).held(Period::Total), usd(300));
}
