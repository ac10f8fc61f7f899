//! Load tests: memory per connection, isolation between connections, and behaviour over time. The suite runs
//! them at a size that takes seconds; `cargo run --release -p bench --example load` runs the full size.

mod descriptors;
mod idle;
mod slow;
mod soak;
mod streams;

use std::{net::SocketAddr, path::Path};

pub use descriptors::exhausted;
pub use idle::{idle_http1, idle_http2, idle_tls_http1, idle_tls_http2, silent};
pub use slow::{slow_peers, slow_senders};
pub use soak::soak;
pub use streams::open_streams;

use crate::{raw_connection::RawConnection, server::RunningServer, wire::settings};

/// Starts the server with room for as many connections as a test opens.
fn start(binary: &Path, upstream: SocketAddr, more: &[(&str, &str)]) -> RunningServer {
    let wide = [("LISTEN", "127.0.0.1:0"), ("MAX_CONNECTIONS", "20000"), ("LOG", "info")];
    RunningServer::start_binary(binary, &settings(&format!("http://{upstream}"), &[&wide, more].concat()))
}

/// Checks that the client's connection is served, without the upstream.
fn healthy(client: &mut RawConnection) {
    client.send("GET /healthz HTTP/1.1\r\nhost: x\r\n\r\n");
    client.until("ok\n");
}

/// Allows this many descriptors in this process and its children.
fn raise_descriptor_limit(descriptors: u64) {
    let limit = rlimit::increase_nofile_limit(u64::MAX).expect("raise the descriptor limit");
    assert!(limit >= descriptors, "{descriptors} descriptors are needed, and `ulimit -n` allows {limit}");
}

/// The memory per connection, in KiB.
#[expect(clippy::cast_precision_loss, reason = "printed with one decimal")]
fn each(before: u64, after: u64, count: usize) -> f64 {
    after.saturating_sub(before) as f64 / count as f64
}
