//! `sparekey users`: shows and changes the users file.
//!
//! Reads print to standard output. Of the commands that write, only `add` and `rotate` print there: the new key, once.

mod check;
mod command_line;
mod compile;
mod edit;
mod file;
mod json;
mod list;
mod options;
mod overview;
mod show;

pub(crate) use command_line::command;

use std::{
    io::{self, Write as _},
    process::ExitCode,
};

use clap::ArgMatches;
use sparekey_core::AccessKey;
use sparekey_policy::{Timestamp, Zone};

use self::check::Context;
use crate::EXIT_USAGE;

/// Why a command failed.
#[derive(Debug)]
enum Failure {
    /// The command line is wrong.
    Usage(String),
    /// The users file or the user has a problem.
    Problem(String),
}

/// Runs `sparekey users …`, which these are the flags of.
pub(crate) fn run(flags: ArgMatches, users: &ArgMatches) -> ExitCode {
    let done = Context::read(flags).and_then(|context| match users.subcommand() {
        Some(("list", flags)) => list::run(&context, flags),
        Some(("compile", _)) => compile::run(&context),
        Some((command, flags)) => {
            let name = flags.get_one::<String>("name").map_or("", String::as_str);
            check_name(name)?;
            if command == "show" { show::run(&context, name, flags) } else { edit::run(&context, command, name, flags) }
        }
        None => Err(Failure::Usage("a command is missing; see sparekey users --help".to_owned())),
    });
    let (code, message) = match done {
        Ok(()) => return ExitCode::SUCCESS,
        Err(Failure::Usage(message)) => (EXIT_USAGE, message),
        Err(Failure::Problem(message)) => (1, message),
    };
    note(&message);
    ExitCode::from(code)
}

/// Checks a name. No message repeats it: it may be a key by mistake.
fn check_name(name: &str) -> Result<(), Failure> {
    if AccessKey::parse(name).is_ok() {
        return Err(Failure::Usage("NAME is a key; give the name of its user, the part after sk-".to_owned()));
    }
    AccessKey::check_user(name).map_err(|error| Failure::Usage(format!("NAME is not the name of a user: {error}")))
}

/// Prints to standard output.
fn print(text: &str) -> Result<(), Failure> {
    let mut out = io::stdout().lock();
    let printed = out.write_all(text.as_bytes()).and_then(|()| out.flush());
    match printed {
        // `sparekey users list | head` has read all it wanted.
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => {
            Err(Failure::Problem(format!("cannot write to standard output: {error}")))
        }
        _ => Ok(()),
    }
}

/// Prints a sentence for people.
fn note(sentence: &str) {
    // Nothing else can be done if standard error is closed.
    _ = writeln!(io::stderr(), "sparekey: {sentence}");
}

/// An instant as clocks of the zone show it: `2027-01-31`, or `2027-01-31 18:00`.
fn local_time(instant: Timestamp, zone: &Zone) -> String {
    let seconds = instant.as_seconds() + i64::from(zone.offset_at(instant));
    let text = Timestamp::from_seconds(seconds).to_string();
    let minutes = text.rsplitn(2, ':').last().unwrap_or_default();
    minutes.strip_suffix(" 00:00").unwrap_or(minutes).to_owned()
}
