//! The command line, made from the tables of settings.

use std::env;

use clap::{Arg, ArgAction, ArgMatches, Command};
use sparekey_core::SETTINGS;

use crate::settings::SERVER_SETTINGS;

const AFTER_HELP: &str = "\
Each setting is a flag or an environment variable; the flag comes first. A secret is never a flag: it comes from its \
variable, or from a file that its flag or {NAME}_FILE names. SSL_CERT_FILE and SSL_CERT_DIR name the authorities that \
vouch for the upstream, where they are not the public ones.";

/// What the command line holds, if anything. Wrong flags and `--help` end the process.
pub(crate) fn arguments() -> Option<ArgMatches> {
    // Most servers are set up by their environment: the flags are not described where none is given.
    (env::args_os().len() > 1).then(|| command().get_matches())
}

/// The whole command line.
pub(crate) fn command() -> Command {
    let core = SETTINGS.iter().map(|setting| {
        if setting.secret {
            let variables = format!("{} [env: {1}, {1}_FILE]", setting.help, setting.name);
            argument(&format!("{}_FILE", setting.name), "PATH", variables)
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
        .about("Share one OpenAI API key without giving it away: everyone gets a key of their own")
        .after_help(AFTER_HELP)
        .arg(
            Arg::new("demo")
                .long("demo")
                .action(ArgAction::SetTrue)
                .help("Serve a stand-in for OpenAI from this process: no account, no network, no settings needed"),
        )
        .args(core.chain(server))
        .subcommand(Command::new("check").about("Check the settings, name every problem, and exit"))
}

/// A setting's flag, without its dashes in front: `API_BASE` is `--api-base`.
pub(crate) fn flag(name: &str) -> String {
    name.to_ascii_lowercase().replace('_', "-")
}

fn argument(name: &str, value: &'static str, help: String) -> Arg {
    let flag = flag(name);
    Arg::new(flag.clone()).long(flag).value_name(value).help(help).global(true)
}

#[cfg(test)]
mod tests {
    #[test]
    fn the_command_line_is_sound() {
        super::command().debug_assert();
    }
}
