//! A database that does not work: calls fail in time, nothing is lost, and calls run again soon after it works.

use std::{
    sync::Arc,
    thread,
    time::{Duration, Instant},
};

use sparekey_ledger::{Event, Ledger, LedgerError, RowQuery};
use sparekey_policy::{Outcome, Period, Usd};

use crate::{
    DATABASE, eventually, open, reserve,
    support::{Server, User, budget, is_granted, settle, usd},
    tom,
};

/// With what a busy machine adds.
const FAILS_IN: Duration = Duration::from_millis(300);
const BACK_IN: Duration = Duration::from_secs(2);

/// Reserves on both sides of a failure, which `fail` causes and `repair` ends at the return.
fn fails_and_returns(
    server: &mut Server,
    is_expected: impl Fn(&LedgerError) -> bool,
    fail: impl FnOnce(&mut Server),
    repair: impl FnOnce(&mut Server),
) {
    let opened = open(server);
    let tom = tom(&opened.ledger);
    assert!(is_granted(&reserve(&tom, 1, 10).unwrap()));
    fail(server);
    for id in 10..40 {
        let started = Instant::now();
        let error = reserve(&tom, id, 10).unwrap_err();
        let time = started.elapsed();
        assert!(time < FAILS_IN, "{time:?}");
        assert!(is_expected(&error), "{error:?}");
    }
    // It is not awaited, and must not be lost.
    let settled = opened.ledger.run(settle(&tom, 1, 7));
    repair(server);
    let mut id = 100;
    let time = eventually(BACK_IN, || {
        id += 1;
        matches!(reserve(&tom, id, 10), Ok(Outcome::Granted { .. }))
    });
    println!("back after {time:?}");
    assert!(matches!(settled.wait(), Ok(Outcome::Settled { .. })));
    // Those whose results were unknown are settled at zero.
    eventually(BACK_IN, || tom.held(Period::Total) == usd(10));
    assert_eq!(tom.spent(Period::Total), usd(7));
    tom.check_sums();
    let events = opened.events.lock().unwrap().clone();
    assert!(events.iter().all(|event| matches!(event, Event::Failed(_))), "{events:?}");
    assert_eq!(opened.ledger.close(), 0);
}

fn is_unreachable(error: &LedgerError) -> bool {
    matches!(error, LedgerError::Unreachable(_))
}

pub(crate) fn stopped_server(mut server: Server) {
    fails_and_returns(&mut server, is_unreachable, |server| server.stop(), |server| server.proceed());
}

pub(crate) fn killed_server(mut server: Server) {
    fails_and_returns(
        &mut server,
        is_unreachable,
        |server| server.kill(),
        |server| {
            server.restart();
            server.wait();
        },
    );
}

/// The session of each call ends in between, and no caller notices.
pub(crate) fn restarted_server(mut server: Server) {
    let opened = open(&server);
    let tom = tom(&opened.ledger);
    assert!(is_granted(&reserve(&tom, 1, 10).unwrap()));
    server.restart();
    server.wait();
    assert!(is_granted(&reserve(&tom, 2, 10).unwrap()));
    assert!(matches!(tom.settle(1, 10), Outcome::Settled { .. }));
}

pub(crate) fn read_only_server(mut server: Server) {
    let set = |server: &Server, value: &str| {
        server.sql("template1", &format!("ALTER DATABASE postgres SET default_transaction_read_only = {value}"));
        end_sessions(server);
    };
    fails_and_returns(
        &mut server,
        |error| *error == LedgerError::ReadOnlyDatabase,
        |server| set(server, "on"),
        |server| set(server, "off"),
    );
}

/// As the database reports it.
pub(crate) fn full_disk(mut server: Server) {
    let fail = |server: &mut Server| {
        let function = "CREATE FUNCTION full_disk() RETURNS trigger LANGUAGE plpgsql AS \
                        $$ BEGIN RAISE EXCEPTION 'no space' USING ERRCODE = 'disk_full'; END $$";
        server.sql(DATABASE, function);
        for table in ["state", "process"] {
            let trigger = "BEFORE INSERT OR UPDATE ON sparekey.";
            server.sql(DATABASE, &format!("CREATE TRIGGER full_disk {trigger}{table} EXECUTE FUNCTION full_disk()"));
        }
    };
    let repair = |server: &mut Server| drop(server.sql(DATABASE, "DROP FUNCTION full_disk CASCADE"));
    fails_and_returns(&mut server, |error| *error == LedgerError::Full, fail, repair);
}

pub(crate) fn ended_sessions(server: Server) {
    let opened = open(&server);
    let tom = tom(&opened.ledger);
    for id in 0..10 {
        assert!(is_granted(&reserve(&tom, id, 10).unwrap()), "{id}");
        end_sessions(&server);
    }
    assert_eq!(tom.held(Period::Total), usd(100));
}

/// Another program holds the row of one user. The others go on.
pub(crate) fn locked_row(server: Server) {
    let opened = open(&server);
    let tom = tom(&opened.ledger);
    let ann = User::new(&opened.ledger, "Ann", budget(Period::Total, 1_000_000));
    reserve(&tom, 1, 10).unwrap();
    thread::scope(|scope| {
        let lock = "BEGIN; SELECT 1 FROM sparekey.state WHERE user_name = 'Tom' FOR UPDATE; SELECT pg_sleep(2); COMMIT";
        let locked = scope.spawn(|| server.sql(DATABASE, lock));
        thread::sleep(Duration::from_millis(500));
        let settled = opened.ledger.run(settle(&tom, 1, 7));
        for id in 10..14 {
            let started = Instant::now();
            assert_eq!(reserve(&tom, id, 10), Err(LedgerError::Busy));
            assert!(started.elapsed() < FAILS_IN, "{:?}", started.elapsed());
            assert!(is_granted(&reserve(&ann, id, 10).unwrap()));
        }
        locked.join().unwrap();
        assert!(matches!(settled.wait(), Ok(Outcome::Settled { .. })));
    });
    assert_eq!((tom.spent(Period::Total), tom.held(Period::Total)), (usd(7), Usd::ZERO));
    tom.check_sums();
}

/// The statement of a reservation reaches a database that hangs, and is run after its caller has got an error.
pub(crate) fn unknown_reserve_is_settled_at_zero(server: Server) {
    let opened = open(&server);
    let tom = tom(&opened.ledger);
    for round in 0..10 {
        assert!(is_granted(&reserve(&tom, 1_000 + round, 1).unwrap()));
        server.stop();
        assert!(reserve(&tom, round, 10).is_err());
        server.proceed();
        eventually(BACK_IN, || matches!(reserve(&tom, 2_000 + round, 1), Ok(Outcome::Granted { .. })));
        // The late one of this round is gone for good.
        thread::sleep(Duration::from_millis(100));
        let held = 2 * i64::try_from(round + 1).unwrap();
        let more = tom.held(Period::Total).minus(usd(held));
        // A reservation that found the database hanging is settled at zero too.
        assert!(more < usd(10), "{more}");
    }
    assert_eq!(tom.ledger.rows(RowQuery::default()).wait().unwrap(), []);
    let ledger: Arc<dyn Ledger> = opened.ledger;
    assert_eq!(ledger.close(), 0);
}

fn end_sessions(server: &Server) {
    let end = "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity WHERE application_name = 'sparekey'";
    server.sql("template1", end);
}
