//! The command line, for `keygen` and for `sparekey keygen`.

use std::{
    fmt::Write as _,
    io::{self, IsTerminal as _, Read as _, Write as _},
    process::ExitCode,
};

use clap::{Arg, ArgAction, ArgMatches, Command, builder::RangedU64ValueParser, value_parser};
use sparekey_core::AccessKey;

use crate::{DEFAULT_LENGTH, LENGTHS, access_key, digest_item};

/// Bytes of standard input that `--digest-of` reads: thousands of keys.
const INPUT_MAX: u64 = 1024 * 1024;

/// Returns the command. `called` is how a shell calls it, which its examples show.
#[must_use]
pub fn command(called: &str) -> Command {
    // In two columns, as long as the longest of them.
    let example = |(arguments, meaning): &(&str, &str)| {
        let line = format!("{called} {arguments}");
        format!("  {line:width$}  {meaning}\n", width = called.len() + 24)
    };
    let examples: String = EXAMPLES.iter().map(example).collect();
    Command::new("keygen")
        .about("Generate access keys, sk-{user}-{random}, from the system's random source")
        .version(env!("CARGO_PKG_VERSION"))
        .after_help(format!("Examples:\n{examples}\n{NOTES}"))
        .arg(
            Arg::new("name")
                .value_name("NAME")
                .help("User of the key")
                .required_unless_present("digest-of")
                .num_args(1..)
                .value_parser(parse_user),
        )
        .arg(
            Arg::new("length")
                .long("length")
                .value_name("N")
                .help(
                    "Length of the random part, 22 to 128 characters (22 have 130 bits, 32 have 190, 43 have 256) \
                     [default: 32]",
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
        .arg(
            Arg::new("digest-of")
                .long("digest-of")
                .help("Read existing keys from standard input, one per line, and print their items only")
                .action(ArgAction::SetTrue)
                .conflicts_with_all(["name", "length", "count", "digest"]),
        )
}

/// Arguments, and what they print.
const EXAMPLES: [(&str, &str); 7] = [
    ("Tom", "one key for Tom: sk-Tom-{32 random characters}"),
    ("Tom Anna", "one key for each, one per line"),
    ("--count 3 Tom", "three keys for Tom"),
    ("--digest Tom", "the key, a tab, and the item sha256:Tom:{hex}"),
    ("--digest Tom | cut -f2", "only the item"),
    ("--digest-of < keys", "the items of keys that exist"),
    ("-- -Tom", "a name that starts with a dash"),
];

const NOTES: &str = "\
Give the key to its user, and add the key or its item to ACCESS_KEYS, or the item to the users
file. The item contains a digest of the key, so a reader of the setting cannot use it.

A name has 1 to 64 characters of A-Z a-z 0-9 . _ -, and appears in logs.

Exit status: 0 if all keys were printed; 2 for an invalid name or option; 1 if an existing key is
invalid, or if the system's random source or the output fails. On an error nothing is printed.";

/// Runs the command.
#[must_use]
pub fn run(arguments: &ArgMatches) -> ExitCode {
    let lines = if arguments.get_flag("digest-of") { items() } else { keys(arguments) };
    let printed = lines.and_then(|lines| print(&lines).map_err(|error| format!("cannot write the keys: {error}")));
    match printed {
        Ok(()) => ExitCode::SUCCESS,
        Err(reason) => {
            let _ = writeln!(io::stderr(), "error: {reason}");
            ExitCode::FAILURE
        }
    }
}

fn parse_user(text: &str) -> Result<String, sparekey_core::KeyError> {
    AccessKey::check_user(text).map(|()| text.to_owned())
}

fn length_parser() -> RangedU64ValueParser<usize> {
    RangedU64ValueParser::new().range(*LENGTHS.start() as u64..=*LENGTHS.end() as u64)
}

// All lines are generated before the first is printed, so that an error leaves no partial output.
fn keys(arguments: &ArgMatches) -> Result<String, String> {
    let length = arguments.get_one("length").copied().unwrap_or(DEFAULT_LENGTH);
    let count = arguments.get_one("count").copied().unwrap_or(1_u16);
    let mut lines = String::new();
    for user in arguments.get_many::<String>("name").into_iter().flatten() {
        for _ in 0..count {
            let key = access_key(user, length).map_err(|error| error.to_string())?;
            lines.push_str(key.expose());
            if arguments.get_flag("digest") {
                let _ = write!(lines, "\t{}", key.item());
            }
            lines.push('\n');
        }
    }
    Ok(lines)
}

/// The items of the keys on standard input. A key is no argument, because process lists show arguments.
fn items() -> Result<String, String> {
    let input = io::stdin().lock();
    if input.is_terminal() {
        let _ = writeln!(io::stderr(), "Type or paste keys, one per line, and end with Ctrl-D.");
    }
    let mut text = String::new();
    input.take(INPUT_MAX).read_to_string(&mut text).map_err(|error| format!("cannot read standard input: {error}"))?;
    let keys = text.lines().enumerate().filter(|(_, line)| !line.trim().is_empty());
    let items = keys.map(|(index, line)| match AccessKey::parse(line.trim()) {
        Ok(key) => Ok(digest_item(&key) + "\n"),
        Err(error) => Err(format!("line {} of the input is not an access key: {error}", index + 1)),
    });
    let items: String = items.collect::<Result<_, _>>()?;
    if items.is_empty() { Err("standard input has no key; see --help".to_owned()) } else { Ok(items) }
}

fn print(lines: &str) -> io::Result<()> {
    let mut out = io::stdout().lock();
    out.write_all(lines.as_bytes())?;
    out.flush()
}
