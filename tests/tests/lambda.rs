//! The suite against the Lambda function, behind each event source.

use std::process::ExitCode;

use conformance::lambda;
use libtest_mimic::Arguments;

fn main() -> ExitCode {
    libtest_mimic::run(&Arguments::from_args(), lambda::trials()).exit_code()
}
