//! `sparekey ledger copy`: moves a ledger to another engine or machine.

use std::{
    fs,
    path::{Path, PathBuf},
    process::ExitCode,
    thread,
    time::Duration,
};

use clap::{Arg, ArgMatches, Command};
use sparekey_ledger::{
    LedgerError,
    copy::{self, CopyError, Target, Totals},
    postgres,
};

use crate::{
    commands::{Failure, finish, money, note, server_ledger},
    config::ledger::ServerLedger,
};

const AFTER_HELP: &str = "\
FROM and TO are paths of SQLite files, or addresses such as postgres://sparekey@db.internal/sparekey: then PGPASSFILE names \
the file with the password. Stop the servers that use FROM first; TO must be new or empty. Everything is copied in one \
transaction, and stored only if the sums of both are equal. FROM is not changed, but for requests of servers that have died, \
which are charged.

Example:
  sparekey ledger copy /var/lib/sparekey/sparekey.db postgres://sparekey@db.internal/sparekey

Exit status: 0 if it is done; 1 if nothing was copied; 2 for a wrong command line.";

/// Open requests of a dead server are charged 10 s after its end.
const WAIT: Duration = Duration::from_secs(15);
const POLL: Duration = Duration::from_millis(500);

/// The definition of the command.
pub(crate) fn command() -> Command {
    let place = |id: &'static str, help: &'static str| Arg::new(id).value_name(id).help(help).required(true);
    Command::new("ledger").about("Move the ledger").subcommand_required(true).arg_required_else_help(true).subcommand(
        Command::new("copy")
            .about("Copy the ledger to another file or database")
            .args([place("FROM", "The ledger to copy"), place("TO", "A new or empty one")])
            .after_help(AFTER_HELP),
    )
}

/// Runs `sparekey ledger …`.
pub(crate) fn run(flags: &ArgMatches) -> ExitCode {
    finish(match flags.subcommand() {
        Some((_, own)) => copy(own),
        None => Err(Failure::Usage("give a command: sparekey ledger copy FROM TO".to_owned())),
    })
}

fn copy(flags: &ArgMatches) -> Result<(), Failure> {
    let place = |id: &str| {
        let text = flags.get_one::<String>(id).map_or("", String::as_str);
        ServerLedger::parse(id, text).map_err(Failure::Usage)
    };
    let (from, to) = (place("FROM")?, place("TO")?);
    if from == to {
        return Err(Failure::Usage("FROM and TO are the same ledger".to_owned()));
    }
    let problem = |error: &CopyError| match error {
        CopyError::Source(error) => server_ledger::failure(&from, error),
        CopyError::Target(error) => failure_of_target(&to, error),
        error => Failure::Problem(error.to_string()),
    };
    end_dead_requests(&from)?;
    let source = server_ledger::read(&from)?;
    let contents = source.contents();
    // An empty file would look like a ledger in which nothing was spent, so a new one gets its name at the end.
    let draft = match &to {
        ServerLedger::File(path) if !path.exists() => Some(draft(path)),
        _ => None,
    };
    let place = draft.clone().map_or_else(|| to.clone(), ServerLedger::File);
    if let Some(draft) = &draft {
        remove(draft);
    }
    let copied = begin(&place)
        .map_err(CopyError::Target)
        .and_then(|target| copy::copy(contents, target))
        .map_err(|error| problem(&error));
    if let (Some(draft), ServerLedger::File(path)) = (&draft, &to) {
        if copied.is_ok() {
            fs::rename(draft, path)
                .map_err(|error| Failure::Problem(format!("cannot create {}: {error}", path.display())))?;
        }
        remove(draft);
    }
    let Totals { users, rows, of_days, .. } = copied?;
    let spent = money::short(of_days.cost);
    note(&format!(
        "copied {users} users, {rows} requests and sums of {spent} US dollars to the ledger {to}; both are equal"
    ));
    Ok(())
}

/// Charges the open requests of servers that have died, as the next server would.
fn end_dead_requests(from: &ServerLedger) -> Result<(), Failure> {
    let fail = |error| server_ledger::failure(from, &error);
    let source = server_ledger::read(from)?;
    if source.contents().is_in_use().map_err(fail)? || !has_open_requests(from)? {
        return Ok(());
    }
    drop(source);
    note("waiting for the end of requests whose server has died");
    let ledger = server_ledger::write(from)?;
    let mut waited = Duration::ZERO;
    while waited < WAIT && has_open_requests(from)? {
        thread::sleep(POLL);
        waited += POLL;
    }
    // It settles nothing itself.
    _ = ledger.close();
    Ok(())
}

fn has_open_requests(from: &ServerLedger) -> Result<bool, Failure> {
    let states =
        server_ledger::read(from)?.contents().states().map_err(|error| server_ledger::failure(from, &error))?;
    Ok(states.iter().any(|(_, state)| !state.holds().is_empty()))
}

fn begin(to: &ServerLedger) -> Result<Box<dyn Target>, LedgerError> {
    Ok(match to {
        ServerLedger::File(path) => Box::new(sparekey_ledger::Import::begin(path)?),
        ServerLedger::Postgres(address) => Box::new(postgres::Import::begin(address.expose())?),
    })
}

fn failure_of_target(to: &ServerLedger, error: &LedgerError) -> Failure {
    Failure::Problem(format!("cannot write the ledger {to}: {error}"))
}

/// The file of a new ledger, until it is complete.
fn draft(path: &Path) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(".partial");
    PathBuf::from(name)
}

/// Removes a draft that is not needed any more.
fn remove(path: &Path) {
    for end in ["", "-wal", "-shm"] {
        let mut name = path.as_os_str().to_owned();
        name.push(end);
        // There may be none.
        _ = fs::remove_file(name);
    }
}
