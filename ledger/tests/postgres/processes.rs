//! Processes and their advisory locks.

use std::{sync::Arc, thread, time::Duration};

use sparekey_ledger::{Event, Ledger};
use sparekey_policy::{Period, Usd};

use crate::{
    DATABASE, eventually, open, reserve,
    support::{Server, is_granted, usd},
    tom,
};

/// A process that ends without closing its engine: its session ends with its thread.
pub(crate) fn dead_process_is_charged(server: Server) {
    let first = open(&server);
    let second = open(&server);
    assert!(is_granted(&reserve(&tom(&first.ledger), 1, 30).unwrap()));
    assert!(is_granted(&reserve(&tom(&second.ledger), 2, 5).unwrap()));
    let dead = first.ledger.process();
    // It lives on, but its locks are another one's now: as one that hangs.
    let of_dead = dead.0.cast_signed();
    let end = format!(
        "SELECT pg_terminate_backend(pid) FROM pg_locks WHERE locktype = 'advisory' AND \
         ((classid::bigint << 32) | objid::bigint) = {of_dead}"
    );
    let tom = tom(&second.ledger);
    let is_charged = || tom.spent(Period::Total) == usd(30);
    thread::scope(|scope| {
        let sessions = scope.spawn(|| {
            while server.sql(DATABASE, &format!("SELECT count(*) FROM sparekey.process WHERE id = {of_dead}")) == "1" {
                server.sql(DATABASE, &end);
            }
        });
        eventually(Duration::from_secs(10), is_charged);
        sessions.join().unwrap();
    });
    assert_eq!(tom.held(Period::Total), usd(5));
    assert_eq!(*second.events.lock().unwrap(), [Event::ProcessEnded { process: dead, count: 1 }]);
    tom.check_sums();
}

/// A session that broke is no end of its process.
pub(crate) fn lost_lock_is_taken_again(server: Server) {
    let first = open(&server);
    let second = open(&server);
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

pub(crate) fn closed_process_leaves_nothing(server: Server) {
    let first = open(&server);
    assert!(is_granted(&reserve(&tom(&first.ledger), 1, 30).unwrap()));
    assert_eq!(first.ledger.close(), 0);
    assert!(reserve(&tom(&first.ledger), 2, 30).is_err());
    assert_eq!(server.sql(DATABASE, "SELECT count(*) FROM sparekey.process"), "0");
    let second: Arc<dyn Ledger> = open(&server).ledger;
    let tom = tom(&second);
    assert_eq!((tom.spent(Period::Total), tom.held(Period::Total)), (usd(30), Usd::ZERO));
    tom.check_sums();
}
