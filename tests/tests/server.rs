//! The suite against the standalone server.

use std::process::ExitCode;

use conformance::{only, server::Server};

fn main() -> ExitCode {
    conformance::run(Server, only::trials())
}
