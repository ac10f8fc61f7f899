//! What the system allows the process.

use rlimit::{Resource, increase_nofile_limit};

/// As many descriptors as may be had, for each client takes two; and no image of the memory, which holds the real key,
/// after a crash. Whoever forbids either knows why.
pub(crate) fn set() {
    let _ = increase_nofile_limit(u64::MAX);
    let _ = Resource::CORE.set(0, 0);
}
