//! Events.

use std::sync::mpsc::{Receiver, channel};

use super::*;
use crate::event::{Event, Events};

fn recorded() -> (Events, Receiver<Event>) {
    let (tx, rx) = channel();
    (Events::new(move |event| drop(tx.send(event))), rx)
}

#[test]
fn failures_and_lost_settles_are_reported() {
    let folder = Folder::new();
    let (events, recorded) = recorded();
    let faults = Faults::default();
    let options = Options { events, faults: faults.clone(), ..Options::default() };
    let ledger = folder.open_with(options).unwrap().ledger;
    reserve(&ledger, 1, 10).unwrap();
    faults.set(Faults::FULL);
    ledger.run(settle(1, 10)).wait().unwrap();
    assert_eq!(recorded.try_iter().collect::<Vec<_>>(), [Event::Failed(LedgerError::Full)]);
    reserve(&ledger, 2, 10).unwrap();
    folder
        .sql()
        .execute_batch("CREATE TRIGGER no BEFORE INSERT ON usage BEGIN SELECT raise(ABORT, 'no'); END")
        .unwrap();
    let error = ledger.run(settle(2, 10)).wait().unwrap_err();
    let lost = Event::SettleLost { user: Arc::from("Tom"), id: HoldId(2) };
    assert_eq!(recorded.try_iter().collect::<Vec<_>>(), [Event::Failed(error), lost]);
}

#[test]
fn dead_processes_and_large_steps_of_the_clock_are_reported() {
    let folder = Folder::new();
    let ledger = folder.open();
    reserve(&ledger, 1, 10).unwrap();
    assert_eq!(ledger.close(), 0);
    folder.sql().execute("INSERT INTO process VALUES (7)", []).unwrap();
    let (events, recorded) = recorded();
    let clock = Clock::new(|| Clock::default().now().plus(-2 * Timestamp::HOUR));
    let ledger = folder.open_with(Options { clock, events, ..Options::default() }).unwrap().ledger;
    amounts(&ledger);
    let ended = Event::ProcessEnded { process: ProcessId(7), count: 0 };
    let back = Event::ClockBack { user: Arc::from("Tom") };
    assert_eq!(recorded.try_iter().collect::<Vec<_>>(), [ended, back]);
}
