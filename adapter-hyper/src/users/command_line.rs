//! The command line of `sparekey users`.

use clap::{Arg, ArgAction, Command};

use super::options;
use crate::commands;

const AFTER_HELP: &str = "\
The file is that of USERS_FILE or --users-file, as the server reads it. ACCESS_KEYS, ACCESS_KEYS_FILE or \
--access-keys-file are read too, because a limit applies to all keys of a user: set them as for the server. A running \
server takes a change within seconds; a container must have the folder of the file mounted, because the mount of a file keeps \
the old one. What users spent is in the ledger: list and show read it, credit writes to it \
beside the server.

Exit status: 0 if it is done; 1 if the file or the user has a problem, and then nothing was changed; 2 for a wrong \
command line.";

/// The settings that these commands read. A user's own `--routes` and `--openai-project` are others than the server's.
const SETTINGS: [(&str, &str); 3] = [
    ("users-file", "The users file [env: USERS_FILE]"),
    ("access-keys-file", "The access keys that the server has besides [env: ACCESS_KEYS, ACCESS_KEYS_FILE]"),
    ("ledger", "The ledger, for what users spent [env: LEDGER]"),
];

/// The definition of the command. `settings` are the arguments of all settings.
pub(crate) fn command(settings: Vec<Arg>) -> Command {
    let settings = commands::settings(settings, &SETTINGS);
    Command::new("users")
        .about("Show and change the users file: limits, keys, expiry")
        .after_help(AFTER_HELP)
        .subcommand_required(true)
        .arg_required_else_help(true)
        .args(settings)
        .subcommand(Command::new("list").about("List all users").arg(json()))
        .subcommand(Command::new("show").about("Show everything that is in force for a user").arg(name()).arg(json()))
        .subcommand(
            Command::new("add")
                .about("Add a user and print a new key: it is not stored, and not shown again")
                .arg(name())
                .args(options::arguments())
                .arg(label()),
        )
        .subcommand(
            Command::new("set")
                .about("Change the limits of a user")
                .arg(name())
                .args(options::arguments())
                .arg(options::unset_argument()),
        )
        .subcommand(
            Command::new("rotate")
                .about("Print a new key of a user, and end the old ones")
                .arg(name())
                .arg(grace())
                .arg(label()),
        )
        .subcommand(
            Command::new("credit")
                .about("Lower what a user spent in the current day, week and month, and in total")
                .arg(name())
                .arg(
                    Arg::new("usd")
                        .value_name("USD")
                        .help("The amount in US dollars, such as 5 or 0.50; -5 takes a credit back")
                        .allow_negative_numbers(true)
                        .required(true),
                ),
        )
        .subcommand(Command::new("disable").about("Refuse all keys of a user").arg(name()))
        .subcommand(Command::new("enable").about("Accept the keys of a disabled user again").arg(name()))
        .subcommand(Command::new("remove").about("Remove the entry of a user, with its keys").arg(name()))
        .subcommand(Command::new("compile").about("Print the users in the form that the Cloudflare Worker reads"))
}

fn name() -> Arg {
    Arg::new("name").value_name("NAME").help("The user: Tom for keys such as sk-Tom-…").required(true)
}

fn grace() -> Arg {
    let help = "Let the old keys expire after a time such as 7d, or at a date, in place of removing them now";
    Arg::new("grace").long("grace").value_name("WHEN").help(help)
}

fn label() -> Arg {
    Arg::new("label").long("label").value_name("TEXT").help("A note on the new key, such as \"old laptop\"")
}

fn json() -> Arg {
    Arg::new("json").long("json").help("Print JSON, for scripts").action(ArgAction::SetTrue)
}
