//! Ids that are used once, without a system call for each.

use std::{
    hash::{BuildHasher as _, RandomState},
    sync::{
        LazyLock,
        atomic::{AtomicU64, Ordering},
    },
};

use sparekey_policy::HoldId;
#[cfg(any(feature = "dynamodb", feature = "postgres", feature = "sqlite"))]
use sparekey_policy::ProcessId;

/// The upper half of this process's ids.
static PREFIX: LazyLock<u64> = LazyLock::new(random);

/// The lower half of the next one.
static NEXT: AtomicU64 = AtomicU64::new(0);

/// Returns an id that no other hold or row has: a reservation with the id of another one would hold nothing.
///
/// Processes differ by a random number, which the standard library has on platforms with an operating system only.
#[must_use]
pub fn new_hold_id() -> HoldId {
    let prefix = u128::from(*PREFIX) << u64::BITS;
    HoldId(prefix | u128::from(NEXT.fetch_add(1, Ordering::Relaxed)))
}

/// Returns the name of a process, which is never used again.
#[cfg(any(feature = "dynamodb", feature = "postgres", feature = "sqlite"))]
pub(crate) fn new_process() -> ProcessId {
    ProcessId(random())
}

/// Returns a random number. Without input the hash depends on its keys alone, which the system chooses for each thread.
pub(crate) fn random() -> u64 {
    RandomState::new().hash_one(())
}

#[cfg(test)]
mod tests {
    use std::{collections::HashSet, thread};

    use super::*;

    #[test]
    fn ids_are_distinct() {
        let threads = [(); 4].map(|()| thread::spawn(|| [(); 250].map(|()| new_hold_id().0)));
        let ids: HashSet<_> = threads.into_iter().flat_map(|thread| thread.join().unwrap()).collect();
        assert_eq!(ids.len(), 1_000);
        assert_eq!(ids.iter().map(|id| id >> u64::BITS).collect::<HashSet<_>>().len(), 1);
        assert_ne!(random(), random());
    }
}
