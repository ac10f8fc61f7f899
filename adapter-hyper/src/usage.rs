//! `sparekey usage`: what users used and spent, from the ledger.
//!
//! Sums are read from the rollup, which stays small, and rows only by `usage rows`. The server may run meanwhile.

mod command_line;
mod days;
mod rows;
pub(crate) mod since;
mod void;

pub(crate) use command_line::command;

use std::{process::ExitCode, sync::Arc};

use clap::{ArgMatches, parser::ValueSource};
use sparekey_policy::{Checks, Users, Zone};

use crate::{
    commands::{Failure, check_name, finish},
    config::{
        ledger,
        sources::{Sources, Values},
    },
};

/// The settings of a command.
struct Context {
    ledger: ledger::Location,
    values: Values,
}

/// Runs `sparekey usage …`, which these are the flags of.
pub(crate) fn run(flags: ArgMatches, usage: &ArgMatches) -> ExitCode {
    finish(Context::read(flags).and_then(|context| match usage.subcommand() {
        None => days::run(&context, usage),
        Some((command, own)) => {
            check_order(command, usage)?;
            if command == "void" { void::run(&context, own) } else { rows::run(&context, own) }
        }
    }))
}

/// An option before a command is one of `sparekey usage` alone, and would have no effect.
fn check_order(command: &str, usage: &ArgMatches) -> Result<(), Failure> {
    let is_given = |id: &&str| usage.value_source(id) == Some(ValueSource::CommandLine);
    let early = command_line::OWN_OPTIONS.iter().find(|id| is_given(id));
    early.map_or(Ok(()), |id| Err(Failure::Usage(format!("--{id} must stand after {command}, if it has this option"))))
}

impl Context {
    fn read(flags: ArgMatches) -> Result<Self, Failure> {
        let values = Sources::new(Some(flags)).values();
        let ledger = ledger::location(&values).map_err(Failure::Usage)?;
        Ok(Self { ledger, values })
    }

    /// Reads the users file; `None` if there is none. Whether its users have keys is of no matter here.
    fn users(&self) -> Result<Option<Users>, Failure> {
        if let Some(problem) = self.values.problem("USERS") {
            return Err(Failure::Usage(problem.to_owned()));
        }
        let Some(text) = self.values.get("USERS") else { return Ok(None) };
        let users = Users::from_toml(text, sparekey_proxy::now(), &Checks::OWN_RULES);
        users.map(Some).map_err(|error| {
            let problems = error.problems().iter().map(|problem| self.values.with_file(&format!("USERS {problem}")));
            Failure::Problem(problems.collect::<Vec<_>>().join("\n  "))
        })
    }

    /// The time zone of days.
    fn zone(&self) -> Result<Arc<Zone>, Failure> {
        Ok(self.users()?.map_or_else(|| Arc::new(Zone::utc()), |users| Arc::clone(users.zone())))
    }
}

/// The user of `--user`.
fn user(flags: &ArgMatches) -> Result<Option<Arc<str>>, Failure> {
    let name = flags.get_one::<String>("user");
    name.map(|name| check_name("--user", name).map(|()| Arc::from(name.as_str()))).transpose()
}
