//! `keygen Tom` prints an access key for Tom.

use std::process::ExitCode;

use keygen::command_line;

fn main() -> ExitCode {
    command_line::run(&command_line::command("keygen").get_matches())
}
