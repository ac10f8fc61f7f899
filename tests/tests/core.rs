//! Every case against the pure core.

use std::process::ExitCode;

use libtest_mimic::Arguments;

fn main() -> ExitCode {
    libtest_mimic::run(&Arguments::from_args(), conformance::core::trials()).exit_code()
}
