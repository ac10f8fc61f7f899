//! Random ids, from the keys of the standard library's hashes: the system is asked for a key once per thread.

use std::hash::{BuildHasher as _, RandomState};

use sparekey_policy::HoldId;
#[cfg(any(feature = "dynamodb", feature = "postgres", feature = "sqlite"))]
use sparekey_policy::ProcessId;

/// Returns an id that no other hold or row has.
#[must_use]
pub fn new_hold_id() -> HoldId {
    let half = || u128::from(random());
    HoldId((half() << 64) | half())
}

/// Returns the name of a process, which is never used again.
#[cfg(any(feature = "dynamodb", feature = "postgres", feature = "sqlite"))]
pub(crate) fn new_process() -> ProcessId {
    ProcessId(random())
}

/// Returns a random number. Without input the hash depends on its keys alone, and each state has others.
pub(crate) fn random() -> u64 {
    RandomState::new().hash_one(())
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn ids_are_distinct() {
        let halves = |HoldId(id)| [id >> 64, id & u128::from(u64::MAX)];
        let ids: HashSet<_> = (0..1_000).flat_map(|_| halves(new_hold_id())).collect();
        assert_eq!(ids.len(), 2_000);
    }
}
