//! Processes and their advisory locks.

use std::{sync::Arc, thread, time::Duration};

use sparekey_ledger::{Clock, Event, Ledger};
use sparekey_policy::{Period, ProcessId, Timestamp, Usd};

use crate::{
    DATABASE, DEAD_AFTER, eventually, open, reserve,
    support::{self, Server, is_granted, usd},
    tom,
};

/// A process that is registered and has no lock.
pub(crate) fn dead_process_is_charged(server: &mut Server) {
    let opened = open(server);
    let tom = tom(&opened.ledger);
    let dead = ProcessId(u64::MAX - 5);
    let hold = support::reserve(1, 30, Clock::default().now().plus(Timestamp::HOUR), dead);
    assert!(is_granted(&tom.run(hold)));
    assert!(is_granted(&reserve(&tom, 2, 5).unwrap()));
    server.sql(DATABASE, &format!("INSERT INTO sparekey.process VALUES ({})", dead.0.cast_signed()));
    let time = eventually(Duration::from_secs(10), || tom.spent(Period::Total) == usd(30));
    assert!(time >= DEAD_AFTER, "{time:?}");
    assert_eq!(tom.held(Period::Total), usd(5));
    let is_removed = || server.sql(DATABASE, "SELECT count(*) FROM sparekey.process") == "1";
    eventually(Duration::from_secs(2), is_removed);
    assert_eq!(*opened.events.lock().unwrap(), [Event::ProcessEnded { process: dead, count: 1 }]);
    tom.check_sums();
}

/// A session that broke is no end of its process.
pub(crate) fn lost_lock_is_taken_again(server: &mut Server) {
    let first = open(server);
    let second = open(server);
    assert!(is_granted(&reserve(&tom(&first.ledger), 1, 30).unwrap()));
    let locks = "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND granted";
    assert_eq!(server.sql(DATABASE, locks), "2");
    for _ in 0..3 {
        let end = "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity WHERE application_name = 'sparekey'";
        server.sql("template1", end);
        eventually(Duration::from_secs(4), || server.sql(DATABASE, locks) == "2");
    }
    thread::sleep(Duration::from_secs(3));
    let tom = tom(&second.ledger);
    assert_eq!((tom.spent(Period::Total), tom.held(Period::Total)), (Usd::ZERO, usd(30)));
    assert_eq!(server.sql(DATABASE, "SELECT count(*) FROM sparekey.process"), "2");
}

pub(crate) fn closed_process_leaves_nothing(server: &mut Server) {
    let first = open(server);
    assert!(is_granted(&reserve(&tom(&first.ledger), 1, 30).unwrap()));
    assert_eq!(first.ledger.close(), 0);
    assert!(reserve(&tom(&first.ledger), 2, 30).is_err());
    assert_eq!(server.sql(DATABASE, "SELECT count(*) FROM sparekey.process"), "0");
    let second: Arc<dyn Ledger> = open(server).ledger;
    let tom = tom(&second);
    assert_eq!((tom.spent(Period::Total), tom.held(Period::Total)), (usd(30), Usd::ZERO));
    tom.check_sums();
}

/// Two servers that swap one user's state all the time do not lose to each other until a step fails.
pub(crate) fn busy_user_of_two_servers(server: &mut Server) {
    share_a_busy_user(server);
}

/// The default of the database is not that of the engine's sessions.
pub(crate) fn serializable_database(server: &mut Server) {
    server.sql("template1", "ALTER DATABASE postgres SET default_transaction_isolation = 'serializable'");
    share_a_busy_user(server);
}

fn share_a_busy_user(server: &Server) {
    const CALLERS: u128 = 8;
    const REQUESTS: u128 = 100;
    let opened = [open(server), open(server)];
    thread::scope(|scope| {
        for caller in 0..CALLERS {
            let user = tom(&opened[usize::from(caller % 2 == 1)].ledger);
            scope.spawn(move || {
                for request in 0..REQUESTS {
                    let id = caller * REQUESTS + request;
                    assert!(is_granted(&reserve(&user, id, 1).unwrap()));
                    user.settle(id, 1);
                }
            });
        }
    });
    let tom = tom(&opened[0].ledger);
    assert_eq!(tom.spent(Period::Total), usd(i64::try_from(CALLERS * REQUESTS).unwrap()));
    tom.check_sums();
}
