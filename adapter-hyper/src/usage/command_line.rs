//! The command line of `sparekey usage`.

use clap::{Arg, ArgAction, Command, builder::PossibleValuesParser, value_parser};

use super::since;
use crate::commands::{self, records, sums::DIMENSIONS};

/// The options of `sparekey usage` itself.
pub(super) const OWN_OPTIONS: [&str; 5] = ["by", "user", "since", "csv", "json"];

/// The settings that these commands read.
const SETTINGS: [(&str, &str); 2] = [
    ("ledger", "The ledger [env: LEDGER]"),
    ("users-file", "The users file, for its time zone and limits [env: USERS_FILE]"),
];

const AFTER_HELP: &str = "\
Days are those of the users file's time zone. Amounts are US dollars; the table rounds them to six decimals, CSV and JSON \
have them in full. The ledger is read, also while the server runs. That of a Lambda function is `--ledger dynamodb:TABLE`, with \
the region and the credentials of AWS_REGION, AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY and AWS_SESSION_TOKEN.

Examples:
  sparekey usage --since 2026-11 --by user,model      what users spent on models since then
  sparekey usage --user Tom --by day --since 7d --csv
  sparekey usage rows --user Tom                      Tom's last requests, with their ids

Exit status: 0 if it is done; 1 if the ledger or the users file has a problem; 2 for a wrong command line.";

/// The definition of the command. `settings` are the arguments of all settings.
pub(crate) fn command(settings: Vec<Arg>) -> Command {
    let names = PossibleValuesParser::new(DIMENSIONS.map(|dimension| dimension.name));
    Command::new("usage")
        .about("Show what users used and spent, and make requests void")
        .after_help(AFTER_HELP)
        .args(commands::settings(settings, &SETTINGS))
        .arg(
            Arg::new("by")
                .long("by")
                .value_name("A,B")
                .help("What to sum by, one or several")
                .action(ArgAction::Append)
                .value_delimiter(',')
                .value_parser(names)
                .default_value("user"),
        )
        .args([user(), since()])
        .args(records::arguments())
        .subcommand(
            Command::new("rows")
                .about("Show the last requests, with the ids for `usage void`")
                .args([user(), since()])
                .arg(
                    Arg::new("limit")
                        .long("limit")
                        .value_name("N")
                        .help("The most rows, the newest ones, 1 to 1000000")
                        .value_parser(value_parser!(u32).range(1..=1_000_000))
                        .default_value("20"),
                )
                .args(records::arguments()),
        )
        .subcommand(
            Command::new("void")
                .about("Take back what a request cost, in the counters of its day too")
                .arg(Arg::new("id").value_name("ID").help("The request, as `usage rows` shows it").required(true)),
        )
}

fn user() -> Arg {
    Arg::new("user").long("user").value_name("NAME").help("Of this user only")
}

fn since() -> Arg {
    Arg::new("since").long("since").value_name("WHEN").help(format!("From then on: {}", since::FORMS))
}
