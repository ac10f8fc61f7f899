//! A database that does not work: calls fail in time, nothing is lost, and calls run again soon after it works.

use std::{
    thread,
    time::{Duration, Instant},
};

use sparekey_ledger::{Event, LedgerError};
use sparekey_policy::{Outcome, Period, Usd};

use crate::{
    DATABASE, eventually, open, open_at, reserve,
    support::{Server, User, budget, is_granted, settle, usd},
    tom,
};

/// With what a busy machine adds.
const FAILS_IN: Duration = Duration::from_millis(300);
/// While the database is known not to work.
const AT_ONCE: Duration = Duration::from_millis(100);
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
    let mut slow = 0;
    for id in 10..40 {
        let started = Instant::now();
        let error = reserve(&tom, id, 10).unwrap_err();
        let time = started.elapsed();
        assert!(time < FAILS_IN, "{time:?}");
        assert!(is_expected(&error), "{error:?}");
        slow += usize::from(time > AT_ONCE);
    }
    assert!(slow < 4, "{slow} of 30 calls wait");
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

pub(crate) fn stopped_server(server: &mut Server) {
    fails_and_returns(server, is_unreachable, |server| server.stop(), |server| server.proceed());
}

pub(crate) fn killed_server(server: &mut Server) {
    fails_and_returns(
        server,
        is_unreachable,
        |server| server.kill(),
        |server| {
            server.restart();
            server.wait();
        },
    );
}

/// The session of each call ends in between, and no caller notices.
pub(crate) fn restarted_server(server: &mut Server) {
    let opened = open(server);
    let tom = tom(&opened.ledger);
    assert!(is_granted(&reserve(&tom, 1, 10).unwrap()));
    server.restart();
    server.wait();
    assert!(is_granted(&reserve(&tom, 2, 10).unwrap()));
    assert!(matches!(tom.settle(1, 10), Outcome::Settled { .. }));
}

pub(crate) fn read_only_server(server: &mut Server) {
    let set = |server: &Server, value: &str| {
        server.sql("template1", &format!("ALTER DATABASE postgres SET default_transaction_read_only = {value}"));
        end_sessions(server);
    };
    fails_and_returns(
        server,
        |error| *error == LedgerError::ReadOnlyDatabase,
        |server| set(server, "on"),
        |server| set(server, "off"),
    );
}

/// As the database reports it.
pub(crate) fn full_disk(server: &mut Server) {
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
    fails_and_returns(server, |error| *error == LedgerError::Full, fail, repair);
}

pub(crate) fn ended_sessions(server: &mut Server) {
    let opened = open(server);
    let tom = tom(&opened.ledger);
    for id in 0..10 {
        assert!(is_granted(&reserve(&tom, id, 10).unwrap()), "{id}");
        end_sessions(server);
    }
    assert_eq!(tom.held(Period::Total), usd(100));
}

/// The old primary hangs, as one whose machine is gone, and a standby becomes the primary.
pub(crate) fn failover(old: &mut Server) {
    let new = Server::start().unwrap();
    let set = |server: &Server, value: &str| {
        server.sql("template1", &format!("ALTER DATABASE postgres SET default_transaction_read_only = {value}"));
    };
    // It has the tables, as a standby would.
    assert_eq!(open(&new).ledger.close(), 0);
    set(&new, "on");
    let folder = |server: &Server| server.address(DATABASE).split(['@', '/']).nth(3).unwrap().to_owned();
    let address =
        format!("postgres://test@{},{}/{DATABASE}?target_session_attrs=read-write", folder(old), folder(&new));
    let opened = open_at(&address);
    let tom = tom(&opened.ledger);
    assert!(is_granted(&reserve(&tom, 1, 10).unwrap()));
    old.stop();
    assert!(is_unreachable(&reserve(&tom, 2, 10).unwrap_err()));
    // Longer than each pause of the breaker.
    thread::sleep(Duration::from_secs(1));
    set(&new, "off");
    let mut id = 100;
    let time = eventually(BACK_IN, || {
        id += 1;
        matches!(reserve(&tom, id, 10), Ok(Outcome::Granted { .. }))
    });
    println!("back after {time:?}");
    // Several sessions at the same time.
    thread::scope(|scope| {
        for index in 0..6 {
            let user = User::new(&opened.ledger, &format!("User{index}"), budget(Period::Total, 100));
            scope.spawn(move || assert!(is_granted(&reserve(&user, 1, 10).unwrap())));
        }
    });
    old.proceed();
}

/// Another program holds the row of one user. The others go on.
pub(crate) fn locked_row(server: &mut Server) {
    let opened = open(server);
    let tom = tom(&opened.ledger);
    let ann = User::new(&opened.ledger, "Ann", budget(Period::Total, 1_000_000));
    reserve(&tom, 1, 10).unwrap();
    thread::scope(|scope| {
        let lock = "BEGIN; SELECT 1 FROM sparekey.state WHERE user_name = 'Tom' FOR UPDATE; SELECT pg_sleep(2); COMMIT";
        let locked = scope.spawn(|| server.sql(DATABASE, lock));
        thread::sleep(Duration::from_millis(500));
        let settled = opened.ledger.run(settle(&tom, 1, 7));
        let busy = LedgerError::UserBusy("Tom".into());
        for id in 10..14 {
            let started = Instant::now();
            assert_eq!(reserve(&tom, id, 10), Err(busy.clone()));
            assert!(started.elapsed() < FAILS_IN, "{:?}", started.elapsed());
            assert!(is_granted(&reserve(&ann, id, 10).unwrap()));
        }
        let mut events = opened.events.lock().unwrap().clone();
        events.dedup();
        assert_eq!(events, [Event::Failed(busy)]);
        locked.join().unwrap();
        assert!(matches!(settled.wait(), Ok(Outcome::Settled { .. })));
    });
    assert_eq!((tom.spent(Period::Total), tom.held(Period::Total)), (usd(7), Usd::ZERO));
    tom.check_sums();
}

/// More users than sessions wait for their rows.
pub(crate) fn many_locked_rows(server: &mut Server) {
    let opened = open(server);
    let user = |name: &str| User::new(&opened.ledger, name, budget(Period::Total, 1_000_000));
    let (ann, locked): (_, Vec<_>) = (user("Ann"), (0..30).map(|index| user(&format!("L{index}"))).collect());
    let locked = locked.as_slice();
    for (id, user) in (1..).zip(locked) {
        assert!(is_granted(&reserve(user, id, 10).unwrap()));
    }
    thread::scope(|scope| {
        let lock = "BEGIN; SELECT count(*) FROM (SELECT FROM sparekey.state WHERE user_name LIKE 'L%' FOR UPDATE) AS rows; \
                    SELECT pg_sleep(4); COMMIT";
        let sleeping = scope.spawn(|| server.sql(DATABASE, lock));
        thread::sleep(Duration::from_millis(500));
        let settles: Vec<_> = (1..).zip(locked).map(|(id, user)| opened.ledger.run(settle(user, id, 7))).collect();
        // Each has failed once.
        eventually(Duration::from_secs(2), || opened.events.lock().unwrap().len() >= locked.len());
        for id in 1..=5 {
            let waits = scope.spawn(move || reserve(&locked[0], 1_000 + id, 10));
            for part in 0..5 {
                assert!(is_granted(&reserve(&ann, 10 * id + part, 10).unwrap()));
            }
            let refused = waits.join().unwrap().unwrap_err();
            assert!(matches!(refused, LedgerError::UserBusy(_) | LedgerError::Unreachable(_)), "{refused:?}");
        }
        assert!(!sleeping.is_finished(), "the rows are locked");
        sleeping.join().unwrap();
        assert!(is_granted(&reserve(&locked[0], 2_000, 10).unwrap()));
        for settled in settles {
            assert!(matches!(settled.wait(), Ok(Outcome::Settled { .. })));
        }
    });
}

/// Commits hang as long as the synchronous standby is gone. The database does not work then, also for a server that only waits
/// for a row that the session of another server holds.
pub(crate) fn standby_is_gone(server: &mut Server) {
    let set = |value: &str| {
        server.sql("template1", &format!("ALTER SYSTEM SET synchronous_standby_names = '{value}'"));
        server.sql("template1", "SELECT pg_reload_conf()");
    };
    let (first, second) = (open(server), open(server));
    assert!(is_granted(&reserve(&tom(&first.ledger), 1, 10).unwrap()));
    set("gone");
    thread::sleep(Duration::from_millis(300));
    for opened in [&first, &second] {
        let user = tom(&opened.ledger);
        let is_known = || is_unreachable(&reserve(&user, 2, 10).unwrap_err());
        eventually(BACK_IN, is_known);
        // Longer than some probes, each of which waits for the one before.
        for _ in 0..20 {
            thread::sleep(Duration::from_millis(100));
            assert!(is_known());
        }
    }
    set("");
    for opened in [&first, &second] {
        let user = tom(&opened.ledger);
        let mut id = 100;
        eventually(BACK_IN, || {
            id += 1;
            matches!(reserve(&user, id, 10), Ok(Outcome::Granted { .. }))
        });
    }
}

/// Each write takes 0.5 s.
pub(crate) fn slow_database(server: &mut Server) {
    let fail = |server: &mut Server| {
        let slow = "CREATE FUNCTION slow() RETURNS trigger LANGUAGE plpgsql AS \
                    $$ BEGIN PERFORM pg_sleep(0.5); RETURN NEW; END $$; \
                    CREATE TRIGGER slow BEFORE INSERT OR UPDATE ON sparekey.state FOR EACH ROW EXECUTE FUNCTION slow()";
        server.sql(DATABASE, slow);
    };
    let repair = |server: &mut Server| drop(server.sql(DATABASE, "DROP FUNCTION slow CASCADE"));
    fails_and_returns(server, is_unreachable, fail, repair);
}

/// The statement of a reservation is run long after its caller has got an error, and after the settle at zero.
pub(crate) fn late_reserve_is_not_stored(server: &mut Server) {
    let opened = open(server);
    let tom = tom(&opened.ledger);
    let ann = User::new(&opened.ledger, "Ann", budget(Period::Total, 1_000_000));
    assert!(is_granted(&reserve(&tom, 1, 1).unwrap()));
    for id in 10..14 {
        let select = "SELECT pid FROM pg_stat_activity WHERE application_name = 'sparekey'";
        let sessions: Vec<_> = server.sql("template1", select).lines().map(str::to_owned).collect();
        Server::signal("-STOP", &sessions);
        assert!(is_unreachable(&reserve(&tom, id, 10).unwrap_err()));
        eventually(BACK_IN, || matches!(reserve(&ann, id, 1), Ok(Outcome::Granted { .. })));
        thread::sleep(Duration::from_millis(200));
        Server::signal("-CONT", &sessions);
        thread::sleep(Duration::from_millis(300));
        assert_eq!(tom.held(Period::Total), usd(1));
    }
}

fn end_sessions(server: &Server) {
    let end = "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity WHERE application_name = 'sparekey'";
    server.sql("template1", end);
}
