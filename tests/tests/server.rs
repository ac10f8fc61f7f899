//! The suite against the standalone server.

use std::process::ExitCode;

use conformance::{own, server::Server};

fn main() -> ExitCode {
    conformance::run(Server, own::trials())
}
