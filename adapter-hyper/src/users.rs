//! `sparekey users`: shows and changes the users file.
//!
//! Reads print to standard output. Of the commands that write, only `add` and `rotate` print there: the new key, once.

mod command_line;
mod compile;
mod context;
mod credit;
mod edit;
mod file;
mod json;
mod list;
mod options;
mod overview;
mod show;
mod spending;

pub(crate) use command_line::command;

use std::process::ExitCode;

use clap::ArgMatches;

use self::context::Context;
use crate::commands::{Failure, check_name, finish};

/// Runs `sparekey users …`, which these are the flags of.
pub(crate) fn run(flags: ArgMatches, users: &ArgMatches) -> ExitCode {
    let done = Context::read(flags).and_then(|context| match users.subcommand() {
        Some(("list", flags)) => list::run(&context, flags),
        Some(("compile", _)) => compile::run(&context),
        Some((command, flags)) => {
            let name = flags.get_one::<String>("name").map_or("", String::as_str);
            check_name("NAME", name)?;
            match command {
                "show" => show::run(&context, name, flags),
                "credit" => credit::run(&context, name, flags),
                _ => edit::run(&context, command, name, flags),
            }
        }
        None => Err(Failure::Usage("a command is missing; see sparekey users --help".to_owned())),
    });
    finish(done)
}
