//! The engine on a PostgreSQL server of its own, which is killed, stopped and restarted under load, and processes that are.
//!
//! A test that finds no PostgreSQL is ignored: see `PGBIN` in `support/server.rs`.

mod failures;
mod kills;
mod load;
mod processes;
mod schema;
#[path = "../support/mod.rs"]
mod support;
mod tls;

use std::{
    sync::{Arc, Mutex},
    time::Duration,
};

use libtest_mimic::{Arguments, Completion, Trial};
use sparekey_ledger::{
    Event, Events, Ledger,
    postgres::{Options, Postgres},
};
use support::{
    Server,
    actual_time::{eventually, reserve, tom},
};

/// The database of a test's own server.
const DATABASE: &str = "postgres";

/// A process is dead so long after its lock was seen free.
const DEAD_AFTER: Duration = Duration::from_secs(2);

/// A test, and its name.
type Test = (&'static str, fn(&mut Server));

macro_rules! tests {
    ($($module:ident: [$($test:ident),* $(,)?]),* $(,)?) => {
        &[$($((concat!(stringify!($module), "::", stringify!($test)), $module::$test),)*)*]
    };
}

const TESTS: &[Test] = tests! {
    failures: [
        stopped_server,
        killed_server,
        restarted_server,
        read_only_server,
        full_disk,
        ended_sessions,
        failover,
        locked_row,
        many_locked_rows,
        slow_database,
        standby_is_gone,
        late_reserve_is_not_stored,
    ],
    kills: [
        kills_under_load,
    ],
    processes: [
        dead_process_is_charged,
        lost_lock_is_taken_again,
        closed_process_leaves_nothing,
        busy_user_of_two_servers,
        serializable_database,
    ],
    schema: [
        created_once,
        newer_tables,
        check_changes_nothing,
        least_rights,
        password_is_missing,
        row_with_a_nul,
        views,
        old_rows,
    ],
    tls: [
        certificate_is_checked,
        certificate_of_an_authority,
    ],
};

fn main() {
    if load::run() {
        return;
    }
    let trial = |(name, run): &Test| {
        let run = *run;
        Trial::ignorable_test(*name, move || {
            let Some(mut server) = Server::start() else {
                return Ok(Completion::ignored_with(
                    "PostgreSQL is not installed, and PGBIN does not name its programs",
                ));
            };
            run(&mut server);
            Ok(Completion::Completed)
        })
    };
    // One server at a time: the tests measure how long calls take.
    let arguments = Arguments { test_threads: Some(1), ..Arguments::from_args() };
    libtest_mimic::run(&arguments, TESTS.iter().map(trial).collect()).exit();
}

/// An engine, and its events.
struct Opened {
    ledger: Arc<dyn Ledger>,
    events: Arc<Mutex<Vec<Event>>>,
}

fn open(server: &Server) -> Opened {
    open_at(&server.address(DATABASE))
}

fn open_at(address: &str) -> Opened {
    let events: Arc<Mutex<Vec<Event>>> = Arc::default();
    let sink = Arc::clone(&events);
    let options = Options {
        dead_after: DEAD_AFTER,
        events: Events::new(move |event| sink.lock().unwrap().push(event)),
        ..Options::default()
    };
    Opened { ledger: Arc::new(Postgres::open(address, options).unwrap().ledger), events }
}
