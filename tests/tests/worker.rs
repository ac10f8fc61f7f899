//! The suite against the Worker in workerd.

use std::process::ExitCode;

use conformance::worker::Worker;

fn main() -> ExitCode {
    conformance::run(Worker::build("build", &[]), Vec::new())
}
