//! The suite against the Worker in workerd.

use std::process::ExitCode;

use conformance::worker::{Worker, limits, only};

fn main() -> ExitCode {
    let worker = Worker::build("build", &[]);
    let with_limits = Worker::build("build-limits", &["limits"]);
    let own = only::trials(&worker).into_iter().chain(limits::trials(&with_limits)).collect();
    conformance::run(worker, own)
}
