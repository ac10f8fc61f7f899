//! The suite against the standalone server.

use std::process::ExitCode;

use conformance::server::Server;

fn main() -> ExitCode {
    conformance::run(Server, Vec::new())
}
