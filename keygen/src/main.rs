//! `keygen Tom` prints one access key for Tom.

use std::fmt::Write as _;
use std::io::{self, Write as _};
use std::process::ExitCode;

use clap::builder::RangedU64ValueParser;
use clap::{Arg, ArgAction, ArgMatches, Command, value_parser};
use keygen::{DEFAULT_LENGTH, KeygenError, LENGTHS, access_key};

const EXAMPLES: &str = "\
Examples:
  keygen Tom                       one key for Tom: sk-Tom-{32 random characters}
  keygen Tom Anna                  one key each, one a line
  keygen --count 3 Tom             three keys for Tom
  keygen --digest Tom              the key, a tab, and the item sha256:Tom:{hex}
  keygen --digest Tom | cut -f2    the item alone
  keygen -- -Tom                   a name that begins with a dash

Give the key to its user, and put the key or its item into ACCESS_KEYS. The item admits the
key without holding it: whoever reads it there can't use it.

A name has 1 to 64 characters of A-Z a-z 0-9 . _ -, and stands in logs.

Exit status: 0 when every key was printed; 2 when a name or an option is refused; 1 when the
system yields no randomness or the output can't be written. A refusal prints no key at all.";

fn main() -> ExitCode {
    let arguments = command().get_matches();
    let done = lines(&arguments)
        .map_err(|error| error.to_string())
        .and_then(|lines| print(&lines).map_err(|error| format!("can't print: {error}")));
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(reason) => {
            let _ = writeln!(io::stderr(), "error: {reason}");
            ExitCode::FAILURE
        }
    }
}

fn command() -> Command {
    Command::new("keygen")
        .about("Makes access keys for Sparekey, sk-{user}-{random}, from the system's randomness")
        .version(env!("CARGO_PKG_VERSION"))
        .after_help(EXAMPLES)
        .arg(
            Arg::new("name")
                .value_name("NAME")
                .help("Whom the key is for")
                .required(true)
                .num_args(1..)
                .value_parser(user),
        )
        .arg(
            Arg::new("length")
                .long("length")
                .value_name("N")
                .help(
                    "Characters of the random part, 22 to 128 (22 hold 130 bits, 32 hold 190, \
                     43 hold 256) [default: 32]",
                )
                .value_parser(length()),
        )
        .arg(
            Arg::new("count")
                .long("count")
                .value_name("N")
                .help("Keys for each name, 1 to 10000 [default: 1]")
                .value_parser(value_parser!(u16).range(1..=10_000)),
        )
        .arg(
            Arg::new("digest")
                .long("digest")
                .help("Print after each key a tab and its item sha256:{user}:{hex}")
                .action(ArgAction::SetTrue),
        )
}

fn user(text: &str) -> Result<String, sparekey_core::KeyError> {
    sparekey_core::check_user(text).map(|()| text.to_owned())
}

fn length() -> RangedU64ValueParser<usize> {
    RangedU64ValueParser::new().range(*LENGTHS.start() as u64..=*LENGTHS.end() as u64)
}

// All lines are made before the first is printed, so that no failure leaves half an output.
fn lines(arguments: &ArgMatches) -> Result<String, KeygenError> {
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
