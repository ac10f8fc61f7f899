//! Failures of the disk and of single calls.

use super::*;

#[test]
fn a_locked_ledger_refuses_and_recovers() {
    let folder = Folder::new();
    let ledger = folder.open();
    reserve(&ledger, 1, 30).unwrap();
    let other = folder.sql();
    other.execute_batch("BEGIN IMMEDIATE").unwrap();
    assert_eq!(reserve(&ledger, 2, 10), Err(LedgerError::Busy));
    let settled = ledger.run(settle(1, 10));
    assert_eq!(reserve(&ledger, 3, 10), Err(LedgerError::Busy));
    other.execute_batch("ROLLBACK").unwrap();
    // The settle was kept, and its caller gets the outcome.
    assert!(matches!(settled.wait(), Ok(Outcome::Settled { .. })));
    assert!(is_granted(&reserve(&ledger, 4, 10)));
    assert_eq!(amounts(&ledger), (10, 10));
}

#[test]
fn a_full_disk_refuses_and_recovers() {
    let folder = Folder::new();
    let faults = Faults::default();
    let ledger = folder.open_with(Options { faults: faults.clone(), ..Options::default() }).unwrap().ledger;
    reserve(&ledger, 1, 30).unwrap();
    faults.set(Faults::FULL);
    let settled = ledger.run(settle(1, 10));
    assert!(matches!(settled.wait(), Ok(Outcome::Settled { .. })), "kept and repeated");
    faults.set(Faults::FULL);
    assert_eq!(reserve(&ledger, 2, 90), Err(LedgerError::Full));
    assert_eq!(amounts(&ledger), (10, 0));
    assert!(is_granted(&reserve(&ledger, 3, 90)));
}

/// On a small file system of its own, such as a tmpfs of 2 MB: `SMALL_DISK=/mnt cargo test -p sparekey-ledger -- --ignored`.
#[test]
#[ignore = "needs a small file system in SMALL_DISK"]
fn a_really_full_disk_refuses_and_recovers() {
    let folder = Folder(PathBuf::from(env::var("SMALL_DISK").unwrap()).join("ledger"));
    fs::create_dir(&folder.0).unwrap();
    let ledger = folder.open();
    reserve(&ledger, 1, 30).unwrap();
    let filler = folder.0.join("filler");
    let mut file = fs::File::create(&filler).unwrap();
    while std::io::Write::write_all(&mut file, &[0; 4096]).is_ok() {}
    // What fits in the log's last block.
    let refused = iter::repeat_with(|| reserve(&ledger, 2, 10)).take(1_000).find(Result::is_err);
    assert_eq!(refused, Some(Err(LedgerError::Full)));
    let settled = ledger.run(settle(1, 10));
    assert_eq!(reserve(&ledger, 3, 10), Err(LedgerError::Full));
    // Its space is in use until it is closed.
    drop(file);
    fs::remove_file(&filler).unwrap();
    assert!(matches!(settled.wait(), Ok(Outcome::Settled { .. })));
    assert!(is_granted(&reserve(&ledger, 4, 10)));
    let (spent, held) = amounts(&ledger);
    assert!(spent == 10 && held <= 20, "{spent} {held}");
}

#[test]
fn a_reservation_with_an_unknown_result_is_settled_at_zero() {
    for fault in [Faults::STORED, Faults::NOTHING_STORED] {
        let folder = Folder::new();
        let faults = Faults::default();
        let ledger = folder.open_with(Options { faults: faults.clone(), ..Options::default() }).unwrap().ledger;
        faults.set(fault);
        assert!(matches!(reserve(&ledger, 1, 90), Err(LedgerError::Io(_))));
        assert!(is_granted(&reserve(&ledger, 2, 90)), "{fault}");
        assert_eq!(amounts(&ledger), (0, 90));
    }
}

/// The commit of a settle fails, but it is stored: the repetition changes nothing.
#[test]
fn a_settle_with_an_unknown_result_is_stored_once() {
    let folder = Folder::new();
    let faults = Faults::default();
    let ledger = folder.open_with(Options { faults: faults.clone(), ..Options::default() }).unwrap().ledger;
    reserve(&ledger, 1, 90).unwrap();
    faults.set(Faults::STORED);
    assert_eq!(ledger.run(settle(1, 40)).wait(), Ok(Outcome::Unknown));
    assert_eq!(amounts(&ledger), (40, 0));
    assert_eq!(ledger.rows(RowQuery::default()).wait().unwrap().len(), 1);
}

#[test]
fn an_invalid_state_refuses_its_user_only() {
    let folder = Folder::new();
    let ledger = folder.open();
    reserve(&ledger, 1, 10).unwrap();
    folder.sql().execute("UPDATE state SET state = x'ff'", []).unwrap();
    assert!(matches!(reserve(&ledger, 2, 10), Err(LedgerError::State(_))));
    let mut other = reserve_call(&ledger, 3, 10);
    other.user = Arc::from("Ann");
    assert!(is_granted(&ledger.run(other).wait()));
}

/// One call whose row cannot be stored: the table does not accept it.
#[test]
fn one_bad_call_does_not_stop_the_others() {
    let folder = Folder::new();
    let ledger = folder.open();
    for id in 1..=3 {
        reserve(&ledger, id, 10).unwrap();
    }
    let refuse =
        "CREATE TRIGGER refuse BEFORE INSERT ON usage WHEN new.model = 'bad' BEGIN SELECT raise(ABORT, 'no'); END";
    folder.sql().execute_batch(refuse).unwrap();
    let mut bad = settle(2, 10);
    bad.row = Some(Box::new(Row { model: Arc::from("bad"), ..Row::bare(Timestamp::default(), End::Complete) }));
    // All wait while the file is locked, so that they are one batch.
    let lock = folder.sql();
    lock.execute_batch("BEGIN IMMEDIATE").unwrap();
    let pending = [settle(1, 10), bad, settle(3, 10)].map(|call| ledger.run(call));
    lock.execute_batch("ROLLBACK").unwrap();
    let results = pending.map(Pending::wait);
    assert!(matches!(results, [Ok(Outcome::Settled { .. }), Err(LedgerError::Io(_)), Ok(Outcome::Settled { .. })]));
    assert_eq!(amounts(&ledger), (20, 10));
}

/// As many calls as fit in the channel, while nothing can be stored.
#[test]
fn too_many_waiting_calls_are_refused() {
    let folder = Folder::new();
    let ledger = Sqlite::open(&folder.path(), Options { busy_timeout: Duration::from_secs(60), ..Options::default() });
    let ledger = ledger.unwrap().ledger;
    let lock = folder.sql();
    lock.execute_batch("BEGIN IMMEDIATE").unwrap();
    let pending: Vec<_> =
        iter::repeat_with(|| ledger.run(call(Command::Report))).take(WAITING_MAX + super::writer::BATCH_MAX).collect();
    // The writer has taken at most a batch.
    assert!(matches!(reserve(&ledger, 1, 1), Err(LedgerError::Overloaded(_))));
    lock.execute_batch("ROLLBACK").unwrap();
    let refused = pending.into_iter().map(Pending::wait).filter(Result::is_err).count();
    assert!(refused <= super::writer::BATCH_MAX, "{refused}");
    assert_eq!(ledger.waiting(), 0);
    assert!(is_granted(&reserve(&ledger, 2, 1)));
}
