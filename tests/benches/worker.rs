//! The Worker beside the older one in plain JavaScript: CPU time, first answers, streams.

use conformance::worker::{Worker, bench};

fn main() {
    bench::run(&Worker::build("build", &[]));
}
