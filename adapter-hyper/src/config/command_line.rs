//! The command line, built from the tables of settings.

use std::env;

use clap::{Arg, ArgAction, ArgMatches, Command, value_parser};
use clap_complete::Shell;
use sparekey_core::SETTINGS;

use super::table::{Heading, SERVER_SETTINGS, Source, flag_name, shared};
use crate::{ledger_copy, prices, reconcile, usage, users};

/// Columns of `--help` in a wider terminal.
const WIDTH: usize = 100;

const AFTER_HELP: &str = "\
Examples:
  sparekey --demo                                         a first try, without an account
  sparekey keygen Tom > access_keys                       a key for Tom
  OPENAI_API_KEY_FILE=openai_api_key sparekey --access-keys-file access_keys
  sparekey check --access-keys-file access_keys           what is in force, and mistakes

Each setting is a flag or an environment variable; the flag has precedence. A secret is never a flag: it comes from its \
variable, or from a file named by its flag or by {NAME}_FILE. SSL_CERT_FILE and SSL_CERT_DIR name the certificates to \
trust for the upstream, in place of the built-in ones.";

/// The parsed command line; `None` if it is empty. Wrong flags and `--help` end the process.
pub(crate) fn parse() -> Option<ArgMatches> {
    // Most servers are configured by environment variables: building the parser takes 0.3 ms and 0.14 MB.
    (env::args_os().len() > 1).then(|| command().get_matches())
}

/// The definition of the command line.
pub(crate) fn command() -> Command {
    let secret = |name: &str, heading, help: &str| {
        argument(&format!("{name}_FILE"), heading, format!("{help} [env: {name}, {name}_FILE]"))
    };
    let core = SETTINGS.iter().map(|setting| {
        if setting.is_secret {
            secret(setting.name, shared(setting.name), setting.help)
        } else {
            argument(setting.name, shared(setting.name), format!("{} [env: {}]", setting.help, setting.name))
        }
    });
    let server = SERVER_SETTINGS.iter().map(|setting| {
        if setting.source == Source::File {
            return secret(setting.name, (setting.heading, setting.value), setting.help);
        }
        let default = Some(setting.default).filter(|default| !default.is_empty());
        let default = default.map_or_else(String::new, |default| format!(" [default: {default}]"));
        let name = setting.name;
        let file = if setting.source == Source::FlagOrFile { format!(", {name}_FILE") } else { String::new() };
        let help = format!("{}{default} [env: {name}{file}]", setting.help);
        argument(setting.name, (setting.heading, setting.value), help)
    });
    let settings: Vec<_> = core.chain(server).collect();
    Command::new("sparekey")
        .version(env!("CARGO_PKG_VERSION"))
        .about("Share one OpenAI API key without giving it away: each user gets an access key")
        .max_term_width(WIDTH)
        .after_help(AFTER_HELP)
        .arg(
            Arg::new("demo")
                .long("demo")
                .action(ArgAction::SetTrue)
                .help("Serve a stand-in for OpenAI from this process: no account, no network, no settings needed"),
        )
        .args(settings.clone())
        .subcommand(keygen::command_line::command("sparekey keygen"))
        .subcommand(users::command(settings.clone()))
        .subcommand(usage::command(settings.clone()))
        .subcommand(prices::command(settings.clone()))
        .subcommand(reconcile::command(settings.clone()))
        .subcommand(ledger_copy::command())
        .subcommand(
            Command::new("check").about("Check the settings, print all problems, and exit").args(settings.clone()).arg(
                Arg::new("online")
                    .long("online")
                    .action(ArgAction::SetTrue)
                    .help("Also ask the upstream for its models with each API key, and name the problem"),
            ),
        )
        .subcommand(
            Command::new("health")
                .about("Ask the running server of these settings for /healthz; exit status 0 if it serves, else 1")
                .args(settings),
        )
        .subcommand(Command::new("completions").about("Print a completion script").arg(
            Arg::new("shell").value_name("SHELL").required(true).value_parser(value_parser!(Shell)).help("The shell"),
        ))
        .subcommand(Command::new("man").about("Print the man page, in roff"))
}

fn argument(setting: &str, (heading, value): (Heading, &'static str), help: String) -> Arg {
    let flag = flag_name(setting);
    Arg::new(flag.clone()).long(flag).value_name(value).help(help).help_heading(heading.text())
}

/// Prints the completion script of a shell.
pub(crate) fn print_completions(shell: Shell) {
    let mut command = command();
    let name = command.get_name().to_owned();
    clap_complete::generate(shell, &mut command, name, &mut std::io::stdout());
}

/// Prints the man page.
///
/// # Errors
/// Those of standard output.
pub(crate) fn print_man_page() -> std::io::Result<()> {
    clap_mangen::Man::new(command()).render(&mut std::io::stdout())
}

#[cfg(test)]
mod tests {
    #[test]
    fn command_line_is_valid() {
        super::command().debug_assert();
    }
}
