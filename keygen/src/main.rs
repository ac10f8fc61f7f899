//! `keygen Tom` prints an access key for Tom.

use std::fmt::Write as _;
use std::io::{self, Write as _};
use std::process::ExitCode;

use clap::builder::RangedU64ValueParser;
use clap::{Arg, ArgAction, ArgMatches, Command, value_parser};
use keygen::{DEFAULT_LENGTH, KeygenError, LENGTHS, access_key};

const EXAMPLES: &str = "\
Examples:
  keygen Tom                       one key for Tom: sk-Tom-{32 random characters}
  keygen Tom Anna                  one key for each, one per line
  keygen --count 3 Tom             three keys for Tom
  keygen --digest Tom              the key, a tab, and the item sha256:Tom:{hex}
  keygen --digest Tom | cut -f2    only the item
  keygen -- -Tom                   a name that starts with a dash

Give the key to its user, and add the key or its item to ACCESS_KEYS. The item contains a
digest of the key, so a reader of ACCESS_KEYS cannot use it.

A name has 1 to 64 characters of A-Z a-z 0-9 . _ -, and appears in logs.

Exit status: 0 if all keys were printed; 2 for an invalid name or option; 1 if the system's
random source or the output fails. On an invalid argument no key is printed.";

fn main() -> ExitCode {
    let arguments = command().get_matches();
    let result = generate_lines(&arguments)
        .map_err(|error| error.to_string())
        .and_then(|lines| print(&lines).map_err(|error| format!("cannot write the keys: {error}")));
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(reason) => {
            let _ = writeln!(io::stderr(), "error: {reason}");
            ExitCode::FAILURE
        }
    }
}

fn command() -> Command {
    Command::new("keygen")
        .about("Generates access keys for Sparekey, sk-{user}-{random}, from the system's random source")
        .version(env!("CARGO_PKG_VERSION"))
        .after_help(EXAMPLES)
        .arg(
            Arg::new("name")
                .value_name("NAME")
                .help("User of the key")
                .required(true)
                .num_args(1..)
                .value_parser(parse_user),
        )
        .arg(
            Arg::new("length")
                .long("length")
                .value_name("N")
                .help(
                    "Length of the random part, 22 to 128 characters (22 have 130 bits, 32 have 190, \
                     43 have 256) [default: 32]",
                )
                .value_parser(length_parser()),
        )
        .arg(
            Arg::new("count")
                .long("count")
                .value_name("N")
                .help("Number of keys for each name, 1 to 10000 [default: 1]")
                .value_parser(value_parser!(u16).range(1..=10_000)),
        )
        .arg(
            Arg::new("digest")
                .long("digest")
                .help("Also print, after a tab, the key's item sha256:{user}:{hex}")
                .action(ArgAction::SetTrue),
        )
}

fn parse_user(text: &str) -> Result<String, sparekey_core::KeyError> {
    sparekey_core::AccessKey::check_user(text).map(|()| text.to_owned())
}

fn length_parser() -> RangedU64ValueParser<usize> {
    RangedU64ValueParser::new().range(*LENGTHS.start() as u64..=*LENGTHS.end() as u64)
}

// Generates all lines before the first is printed, so that an error leaves no partial output.
fn generate_lines(arguments: &ArgMatches) -> Result<String, KeygenError> {
    let length = arguments.get_one("length").copied().unwrap_or(DEFAULT_LENGTH);
    let count = arguments.get_one("count").copied().unwrap_or(1_u16);
    let mut lines = String::new();
    for user in arguments.get_many::<String>("name").into_iter().flatten() {
        for _ in 0..count {
            let key = access_key(user, length)?;
            lines.push_str(key.expose());
            if arguments.get_flag("digest") {
                let _ = write!(lines, "\t{}", key.item());
            }
            lines.push('\n');
        }
    }
    Ok(lines)
}

fn print(lines: &str) -> io::Result<()> {
    let mut out = io::stdout().lock();
    out.write_all(lines.as_bytes())?;
    out.flush()
}
