//! The suite against the Worker in workerd.

use std::process::ExitCode;

use conformance::worker::{Worker, own};

fn main() -> ExitCode {
    let worker = Worker::build("build", &[]);
    let own = own::trials(&worker);
    conformance::run(worker, own)
}
