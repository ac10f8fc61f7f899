//! Files that are new, removed, damaged, or not ours.

use super::*;

#[test]
fn a_new_ledger_is_reported_once() {
    let folder = Folder::new();
    let missing = folder.open_with(Options { create: false, ..Options::default() });
    assert_eq!(missing.unwrap_err(), LedgerError::Missing(folder.path()));
    assert!(folder.open_with(Options::default()).unwrap().is_new);
    let again = folder.open_with(Options { create: false, ..Options::default() }).unwrap();
    assert!(!again.is_new);
    #[cfg(unix)]
    assert_eq!(std::os::unix::fs::MetadataExt::mode(&fs::metadata(folder.path()).unwrap()) & 0o777, 0o600);
}

#[test]
fn a_removed_file_is_not_created_again() {
    let folder = Folder::new();
    let ledger = folder.open();
    let away = folder.0.join("away.db");
    fs::rename(folder.path(), &away).unwrap();
    assert_eq!(reserve(&ledger, 1, 10), Err(LedgerError::Missing(folder.path())));
    fs::rename(&away, folder.path()).unwrap();
    assert!(is_granted(&reserve(&ledger, 2, 10)));
}

/// Amounts in the other file would be lost, and its budgets may start at zero.
#[test]
fn a_replaced_file_is_not_written() {
    let folder = Folder::new();
    let ledger = folder.open();
    assert!(is_granted(&reserve(&ledger, 1, 10)));
    let away = folder.0.join("away.db");
    fs::rename(folder.path(), &away).unwrap();
    fs::copy(&away, folder.path()).unwrap();
    assert_eq!(reserve(&ledger, 2, 10), Err(LedgerError::Replaced(folder.path())));
    // A settle is kept until the file is back.
    let settled = ledger.run(settle(1, 3));
    fs::rename(&away, folder.path()).unwrap();
    assert!(matches!(settled.wait(), Ok(Outcome::Settled { .. })));
    assert!(is_granted(&reserve(&ledger, 3, 10)));
}

#[test]
fn a_file_that_is_no_ledger_is_left_alone() {
    let folder = Folder::new();
    folder.sql().execute_batch("CREATE TABLE mine (a)").unwrap();
    let before = fs::read(folder.path()).unwrap();
    assert_eq!(folder.open_with(Options::default()).unwrap_err(), LedgerError::NotALedger(folder.path()));
    assert_eq!(Reader::open(&folder.path()).unwrap_err(), LedgerError::NotALedger(folder.path()));
    assert_eq!(fs::read(folder.path()).unwrap(), before);
    fs::write(folder.path(), "some text that is long enough to be no database at all".repeat(30)).unwrap();
    assert_eq!(folder.open_with(Options::default()).unwrap_err(), LedgerError::NotALedger(folder.path()));
}

#[test]
fn a_damaged_file_is_an_error() {
    let folder = Folder::new();
    let ledger = folder.open();
    for id in 0..50 {
        reserve(&ledger, id, 1).unwrap();
        ledger.run(settle(id, 1)).wait().unwrap();
    }
    assert_eq!(ledger.close(), 0);
    let mut bytes = fs::read(folder.path()).unwrap();
    bytes[4096..].fill(0xa5);
    fs::write(folder.path(), bytes).unwrap();
    let opened = folder.open_with(Options::default());
    assert!(matches!(opened, Err(LedgerError::Corrupt(_))), "{opened:?}");
}

/// As root every file can be written, so nothing is tested then.
#[cfg(unix)]
#[test]
fn a_read_only_folder_refuses() {
    use std::os::unix::fs::PermissionsExt as _;

    let folder = Folder::new();
    assert_eq!(folder.open().close(), 0);
    let set_mode = |path: &Path, mode| fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
    set_mode(&folder.path(), 0o400);
    if fs::File::options().write(true).open(folder.path()).is_ok() {
        return;
    }
    assert_eq!(folder.open_with(Options::default()).unwrap_err(), LedgerError::ReadOnly);
    fs::remove_file(folder.path()).unwrap();
    set_mode(&folder.0, 0o500);
    assert_eq!(folder.open_with(Options::default()).unwrap_err(), LedgerError::ReadOnly);
    set_mode(&folder.0, 0o700);
}

#[test]
fn newer_schemas() {
    let folder = Folder::new();
    assert_eq!(folder.open().close(), 0);
    folder.sql().execute("UPDATE schema SET version = 9", []).unwrap();
    assert!(is_granted(&reserve(&folder.open(), 1, 1)), "a newer version that this one may use");
    folder.sql().execute("UPDATE schema SET oldest_reader = 9", []).unwrap();
    let error = LedgerError::TooNew { needed: 9, supported: 1 };
    assert_eq!(folder.open_with(Options::default()).unwrap_err(), error);
    assert_eq!(Reader::open(&folder.path()).unwrap_err(), error);
}

#[test]
fn the_views_show_text() {
    let folder = Folder::new();
    let clock = Clock::new(|| Timestamp::from_seconds(1_795_780_800));
    let ledger = folder.open_with(Options { clock, ..Options::default() }).unwrap().ledger;
    let mut large = reserve_call(&ledger, 0xab, 1);
    Arc::make_mut(&mut large.limits).budgets.set(Period::Total, Usd::MAX);
    ledger.run(large).wait().unwrap();
    ledger.run(settle(0xab, 1_250_000_000_000)).wait().unwrap();
    let select = "SELECT day || ' ' || user || ' ' || usd || ' ' || id || ' ' || ended FROM requests";
    let text: String = folder.sql().query_row(select, [], |row| row.get(0)).unwrap();
    assert_eq!(text, "2026-11-27 Tom 1.250000 000000000000000000000000000000ab complete");
    let select = "SELECT day || ' ' || user || ' ' || usd FROM days";
    let text: String = folder.sql().query_row(select, [], |row| row.get(0)).unwrap();
    assert_eq!(text, "2026-11-27 Tom 1.250000");
}

#[test]
fn readers_see_what_is_stored() {
    let folder = Folder::new();
    let ledger = folder.open();
    reserve(&ledger, 1, 10).unwrap();
    let reader = Reader::open(&folder.path()).unwrap();
    assert_eq!(reader.users().unwrap(), [Arc::from("Tom")]);
    assert_eq!(reader.rows(&RowQuery::default()).unwrap(), []);
    ledger.run(settle(1, 7)).wait().unwrap();
    let rows = reader.rows(&RowQuery::default()).unwrap();
    assert_eq!(rows.iter().map(|row| row.cost.as_pico()).collect::<Vec<_>>(), [7]);
    assert_eq!(reader.days(&DayQuery::default()).unwrap().len(), 1);
    // A user without a state.
    let report = reader.report("Ann", &Limits::none(Arc::new(Zone::utc())), Clock::default().now()).unwrap();
    assert_eq!(report.unwrap().periods[0].spent, Usd::ZERO);
}

#[test]
fn a_reader_finds_a_row_by_its_request() {
    let folder = Folder::new();
    let ledger = folder.open();
    for id in [7, 8] {
        assert!(is_granted(&reserve(&ledger, id, 10)));
        ledger.run(settle(id, 10)).wait().unwrap();
    }
    let reader = Reader::open(&folder.path()).unwrap();
    let row = reader.row(HoldId(8)).unwrap().unwrap();
    assert_eq!((row.id, row.cost), (HoldId(8), Usd::from_pico(10)));
    assert_eq!(reader.row(HoldId(9)), Ok(None));
}
