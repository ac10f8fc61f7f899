//! The end of processes.

use super::*;

#[test]
fn everything_is_there_after_a_close() {
    let folder = Folder::new();
    let ledger = folder.open();
    reserve(&ledger, 1, 30).unwrap();
    reserve(&ledger, 2, 20).unwrap();
    drop(ledger.run(settle(1, 10)));
    assert_eq!(ledger.close(), 0);
    assert_eq!(reserve(&ledger, 3, 1), Err(LedgerError::Closed));
    assert_eq!(folder.locks(), 0);
    let opened = folder.open_with(Options::default()).unwrap();
    // The open hold was charged by the close.
    assert_eq!(opened.expired, 0);
    assert_eq!(amounts(&opened.ledger), (30, 0));
    assert_eq!(opened.ledger.rows(RowQuery::default()).wait().unwrap().len(), 2);
}

/// The thread ends without a close, as if the last owner was dropped.
#[test]
fn a_drop_stores_what_waits() {
    let folder = Folder::new();
    let ledger = folder.open();
    reserve(&ledger, 1, 30).unwrap();
    let pending = ledger.run(settle(1, 10));
    let handle = ledger.0.writer.lock().unwrap().take().unwrap();
    drop(ledger);
    assert_eq!(handle.join().unwrap(), 0);
    assert!(pending.wait().is_ok());
    assert_eq!(amounts(&folder.open()), (10, 0));
}

/// The process of a server that was killed: it is registered, and nothing has its lock.
const DEAD: i64 = 77;

fn register_dead(folder: &Folder) -> PathBuf {
    folder.sql().execute("INSERT INTO process VALUES (?1)", [DEAD]).unwrap();
    let lock = folder.0.join(format!("sparekey.db.{DEAD:016x}.lock"));
    fs::write(&lock, "").unwrap();
    lock
}

fn reserve_for_dead(ledger: &Sqlite, id: u128, pico: i64) {
    let mut call = reserve_call(ledger, id, pico);
    if let Command::Reserve(reserve) = &mut call.command {
        reserve.process = ProcessId(DEAD.cast_unsigned());
    }
    ledger.run(call).wait().unwrap();
}

#[test]
fn holds_of_a_dead_process_are_charged() {
    let folder = Folder::new();
    let ledger = folder.open();
    reserve_for_dead(&ledger, 1, 30);
    reserve_for_dead(&ledger, 2, 20);
    assert_eq!((amounts(&ledger), ledger.close()), ((0, 50), 0));
    let lock = register_dead(&folder);
    let opened = folder.open_with(Options::default()).unwrap();
    assert_eq!((opened.expired, amounts(&opened.ledger)), (2, (50, 0)));
    assert!(!lock.exists());
    // It was not dead after all. Its settle corrects the charge.
    assert!(matches!(opened.ledger.run(settle(1, 5)).wait(), Ok(Outcome::Settled { was_expired: true, .. })));
    assert_eq!(amounts(&opened.ledger), (25, 0));
    assert_eq!(opened.ledger.close(), 0);
    assert_eq!(folder.open_with(Options::default()).unwrap().expired, 0);
}

#[test]
fn holds_of_a_living_process_stay() {
    let folder = Folder::new();
    let living = folder.open();
    reserve(&living, 1, 20).unwrap();
    reserve_for_dead(&living, 2, 30);
    register_dead(&folder);
    // The living process may have charged them before.
    let opened = folder.open_with(Options::default()).unwrap();
    assert_eq!(amounts(&opened.ledger), (30, 20));
    assert_eq!(amounts(&living), (30, 20));
}

/// As if a program that cleans folders removed the lock.
#[test]
fn a_process_without_its_lock_registers_again() {
    let folder = Folder::new();
    let ledger = folder.open();
    let mut process = Process::new(&folder.path());
    let (mut writable, _) = Writable::open(&folder.path(), &Options::default()).unwrap();
    let mut register = |process: &mut Process| {
        transaction::in_transaction(&mut writable, true, |writable| process.register(&writable.connection)).unwrap();
        process.is_registered(&writable.connection).unwrap()
    };
    assert!(register(&mut process));
    let lock = folder.0.join(format!("sparekey.db.{:016x}.lock", process.id().0));
    fs::remove_file(&lock).unwrap();
    assert!(!process.is_registered(&folder.sql()).unwrap());
    assert!(register(&mut process));
    assert!(matches!(fs::File::open(&lock).unwrap().try_lock(), Err(fs::TryLockError::WouldBlock)));
    assert_eq!(ledger.close(), 0);
}

#[cfg(unix)]
#[test]
fn a_link_is_the_same_ledger() {
    let folder = Folder::new();
    let ledger = folder.open();
    reserve(&ledger, 1, 30).unwrap();
    let elsewhere = Folder::new();
    std::os::unix::fs::symlink(folder.path(), elsewhere.path()).unwrap();
    let opened = elsewhere.open_with(Options::default()).unwrap();
    assert_eq!((opened.is_new, opened.expired), (false, 0), "the other process is not dead");
    assert_eq!(amounts(&opened.ledger), (0, 30));
}
