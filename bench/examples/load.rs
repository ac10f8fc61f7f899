//! The load tests at full size against the release build of the server: `cargo run --release -p bench --example load`.
//! They take two minutes and raise the descriptor limit to `ulimit -Hn`.

use std::time::Duration;

use conformance::{
    load,
    process::{self, Profile},
};

fn main() {
    let server = process::build("sparekey", Profile::Release);
    load::silent(&server, 10_000);
    load::idle_http1(&server, 10_000);
    load::idle_http2(&server, 10_000);
    load::idle_tls_http1(&server, 2000);
    load::idle_tls_http2(&server, 2000);
    load::slow_senders(&server, 2000);
    load::open_streams(&server, 1000);
    load::exhausted(&server);
    load::slow_peers(&server, 1 << 30);
    load::soak(&server, Duration::from_secs(60));
}
