//! Resource limits of the process.

use rlimit::{Resource, increase_nofile_limit};

/// Raises the limit of file descriptors to its maximum, because each client needs two: its own
/// connection and one to the upstream. Disables core dumps, because they would contain the API key. If the system
/// refuses, the limits stay as they are.
pub(crate) fn set() {
    let _ = increase_nofile_limit(u64::MAX);
    let _ = Resource::CORE.set(0, 0);
}
