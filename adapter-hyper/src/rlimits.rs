//! Resource limits of the process.

use std::io;

use rlimit::{Resource, increase_nofile_limit};
use tokio::{
    runtime::Runtime,
    signal::unix::{SignalKind, signal},
};

/// The signal of a write beyond the limit of a file's size, on Linux (x86, Arm, RISC-V) and macOS
/// ([signal(7)](https://man7.org/linux/man-pages/man7/signal.7.html)).
const SIGXFSZ: i32 = 25;

/// Descriptors for other uses than connections: listeners, event queues, log, metrics, files.
const RESERVED: usize = 64;

/// The number of clients that the limit of file descriptors allows; at least one. A quarter is kept back for connections to
/// the upstream: requests over HTTP/2 share one, and clients that wait need none.
pub(crate) fn max_clients() -> usize {
    let descriptors = Resource::NOFILE.get_soft().ok().and_then(|limit| limit.try_into().ok()).unwrap_or(usize::MAX);
    let connections = descriptors.saturating_sub(RESERVED);
    (connections - connections / 4).max(1)
}

/// Makes a write beyond the limit of a file's size (`ulimit -f`, `LimitFSIZE=`) fail like one to a full disk: without a handler
/// the signal ends the process, for users without limits too. The handler stays when the runtime has ended.
///
/// # Errors
/// Those of the system.
pub(crate) fn survive_file_size(runtime: &Runtime) -> io::Result<()> {
    let _context = runtime.enter();
    signal(SignalKind::from_raw(SIGXFSZ)).map(drop)
}

/// Raises the limit of file descriptors to its maximum, because each client needs one or two. Disables core dumps, because they would contain the API key. If the system
/// refuses, the limits stay as they are.
pub(crate) fn set() {
    let _ = increase_nofile_limit(u64::MAX);
    let _ = Resource::CORE.set(0, 0);
}
