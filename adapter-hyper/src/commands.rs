//! What the commands share that need no server: failures, messages, forms of output.
//!
//! Reads print to standard output, sentences for people to standard error.

pub(crate) mod dynamodb;
pub(crate) mod json;
pub(crate) mod ledger;
pub(crate) mod money;
pub(crate) mod next_step;
pub(crate) mod progress;
pub(crate) mod records;
pub(crate) mod server_ledger;
pub(crate) mod sums;

use std::{
    io::{self, Write as _},
    process::ExitCode,
};

use clap::Arg;
use sparekey_core::AccessKey;
use sparekey_policy::{Timestamp, Zone};

use crate::EXIT_USAGE;

/// Why a command failed.
#[derive(Debug)]
pub(crate) enum Failure {
    /// The command line or a setting is wrong.
    Usage(String),
    /// A file, or what the command asks for, has a problem.
    Problem(String),
}

/// Returns the arguments of some settings, with other texts of help, for a command and all below it.
pub(crate) fn settings(all: Vec<Arg>, some: &[(&str, &'static str)]) -> Vec<Arg> {
    let setting = |argument: Arg| {
        let (_, help) = some.iter().find(|(id, _)| argument.get_id() == id)?;
        // After the options of each command.
        Some(argument.help(*help).global(true).display_order(100))
    };
    all.into_iter().filter_map(setting).collect()
}

/// Prints a failure, and returns the exit code.
pub(crate) fn finish(done: Result<(), Failure>) -> ExitCode {
    let (code, message) = match done {
        Ok(()) => return ExitCode::SUCCESS,
        Err(Failure::Usage(message)) => (EXIT_USAGE, message),
        Err(Failure::Problem(message)) => (1, message),
    };
    note(&message);
    ExitCode::from(code)
}

/// Checks the name of a user. `argument` names it in a message, which does not repeat it: it may be a key by mistake.
pub(crate) fn check_name(argument: &str, name: &str) -> Result<(), Failure> {
    if AccessKey::parse(name).is_ok() {
        return Err(Failure::Usage(format!("{argument} is a key; give the name of its user, the part after sk-")));
    }
    AccessKey::check_user(name)
        .map_err(|error| Failure::Usage(format!("{argument} is not the name of a user: {error}")))
}

/// Prints to standard output.
pub(crate) fn print(text: &str) -> Result<(), Failure> {
    print_more(text).map(drop)
}

/// Prints to standard output; returns whether more can be printed.
pub(crate) fn print_more(text: &str) -> Result<bool, Failure> {
    let mut out = io::stdout().lock();
    match out.write_all(text.as_bytes()).and_then(|()| out.flush()) {
        Ok(()) => Ok(true),
        // `sparekey users list | head` has read all it wanted.
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(false),
        Err(error) => Err(Failure::Problem(format!("cannot write to standard output: {error}"))),
    }
}

/// Prints a sentence for people.
pub(crate) fn note(sentence: &str) {
    // Nothing else can be done if standard error is closed.
    _ = writeln!(io::stderr(), "sparekey: {sentence}");
}

/// An instant as clocks of the zone show it: `2027-01-31 18:00:05`.
pub(crate) fn local_second(instant: Timestamp, zone: &Zone) -> String {
    let seconds = instant.as_seconds() + i64::from(zone.offset_at(instant));
    let text = Timestamp::from_seconds(seconds).to_string();
    text.strip_suffix(" UTC").unwrap_or(&text).to_owned()
}

/// An instant as clocks of the zone show it: `2027-01-31`, or `2027-01-31 18:00`.
pub(crate) fn local_time(instant: Timestamp, zone: &Zone) -> String {
    let text = local_second(instant, zone);
    let minutes = text.rsplitn(2, ':').last().unwrap_or_default();
    minutes.strip_suffix(" 00:00").unwrap_or(minutes).to_owned()
}
