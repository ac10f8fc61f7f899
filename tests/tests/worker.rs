//! The suite against the Worker in workerd.

use std::process::ExitCode;

use conformance::worker::{Worker, only};

fn main() -> ExitCode {
    let worker = Worker::build("build", &[]);
    let own = only::trials(&worker);
    conformance::run(worker, own)
}
