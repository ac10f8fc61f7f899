//! The command line, built from the tables of settings.

use std::env;

use clap::{Arg, ArgAction, ArgMatches, Command};
use sparekey_core::SETTINGS;

use super::table::{SERVER_SETTINGS, flag_name};

const AFTER_HELP: &str = "\
Each setting is a flag or an environment variable; the flag comes first. A secret is never a flag: it comes from its \
variable, or from a file named by its flag or by {NAME}_FILE. SSL_CERT_FILE and SSL_CERT_DIR name the certificates to \
trust for the upstream, in place of the built-in ones.";

/// The parsed command line; `None` if it is empty. Wrong flags and `--help` end the process.
pub(crate) fn parse() -> Option<ArgMatches> {
    // Most servers are configured by environment variables: building the parser takes 0.3 ms and 0.14 MB.
    (env::args_os().len() > 1).then(|| command().get_matches())
}

/// The definition of the command line.
pub(crate) fn command() -> Command {
    let core = SETTINGS.iter().map(|setting| {
        if setting.secret {
            let help = format!("{} [env: {1}, {1}_FILE]", setting.help, setting.name);
            argument(&format!("{}_FILE", setting.name), "PATH", help)
        } else {
            argument(setting.name, "VALUE", format!("{} [env: {}]", setting.help, setting.name))
        }
    });
    let server = SERVER_SETTINGS.iter().map(|setting| {
        let default = Some(setting.default).filter(|default| !default.is_empty());
        let default = default.map_or_else(String::new, |default| format!(" [default: {default}]"));
        argument(setting.name, "VALUE", format!("{}{default} [env: {}]", setting.help, setting.name))
    });
    Command::new("sparekey")
        .version(env!("CARGO_PKG_VERSION"))
        .about("Share one OpenAI API key without giving it away: each user gets an access key")
        .after_help(AFTER_HELP)
        .arg(
            Arg::new("demo")
                .long("demo")
                .action(ArgAction::SetTrue)
                .help("Serve a stand-in for OpenAI from this process: no account, no network, no settings needed"),
        )
        .args(core.chain(server))
        .subcommand(Command::new("check").about("Check the settings, print all problems, and exit"))
}

fn argument(setting: &str, value: &'static str, help: String) -> Arg {
    let flag = flag_name(setting);
    Arg::new(flag.clone()).long(flag).value_name(value).help(help).global(true)
}

#[cfg(test)]
mod tests {
    #[test]
    fn command_line_is_valid() {
        super::command().debug_assert();
    }
}
