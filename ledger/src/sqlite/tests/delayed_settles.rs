//! Settles for which no caller waits.

use super::*;

/// How often the state was stored, and what was spent.
fn stored(folder: &Folder) -> (i64, i64) {
    let select = "SELECT version, (SELECT coalesce(sum(cost), 0) FROM usage) FROM state";
    folder.sql().query_row(select, [], |row| Ok((row.get(0)?, row.get(1)?))).unwrap()
}

fn eventually(is_true: impl Fn() -> bool, message: &str) {
    let started = std::time::Instant::now();
    while !is_true() {
        assert!(started.elapsed() < Duration::from_secs(2), "{message}");
    }
}

#[test]
fn one_commit_with_the_next_reservation() {
    let folder = Folder::new();
    let options = Options { settle_delay: Duration::from_secs(60), ..Options::default() };
    let ledger = folder.open_with(options).unwrap().ledger;
    reserve(&ledger, 0, 1).unwrap();
    let (reply, pending) = Pending::new();
    drop(pending);
    ledger.send(Job::Change(Request { work: Work::Call(Box::new(settle(0, 1))), reply: Some(reply) }));
    eventually(|| ledger.waiting() == 0, "the writer does not take the settle");
    // A commit at once would show in one of these reads. A slow machine makes none of them fail.
    for _ in 0..50 {
        assert_eq!(stored(&folder), (1, 0));
        std::thread::sleep(Duration::from_millis(1));
    }
    reserve(&ledger, 1, 1).unwrap();
    assert_eq!(stored(&folder), (2, 1));
}

#[test]
fn alone_after_the_delay() {
    let folder = Folder::new();
    let ledger = folder.open();
    reserve(&ledger, 0, 1).unwrap();
    drop(ledger.run(settle(0, 1)));
    eventually(|| stored(&folder) == (2, 1), "the settle is not stored");
}

#[test]
fn a_settle_at_the_end_of_the_process_is_stored() {
    let folder = Folder::new();
    let options = Options { settle_delay: Duration::from_secs(60), ..Options::default() };
    let ledger = folder.open_with(options).unwrap().ledger;
    reserve(&ledger, 0, 5).unwrap();
    drop(ledger.run(settle(0, 1)));
    assert_eq!(ledger.close(), 0);
    assert_eq!(stored(&folder).1, 1);
}
