//! How many calls wait for an engine at most.

/// Calls whose callers wait. At 5,000 commits per second of some calls each, the last one waits under a second.
pub(crate) const WAITING_MAX: usize = 10_000;

/// Settles that are kept for a database or a disk that fails. One beyond it is dropped, and its hold is charged in full at its
/// end.
pub(crate) const KEPT_MAX: usize = 65_536;
