//! Error responses of the last day, by user. The data path reads no clock: the hours are turned by a task.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

/// The current hour, and the 24 before it.
const HOURS: usize = 25;

/// How often [`turn`](LastDay::turn) is called.
pub(crate) const HOUR: Duration = Duration::from_secs(3600);

/// The error responses of the current hour and of the 24 before it.
#[derive(Debug, Default)]
pub(crate) struct LastDay(Mutex<Ring>);

#[derive(Debug, Default)]
struct Ring {
    /// The place of the current hour.
    current: usize,
    users: HashMap<Arc<str>, [u64; HOURS]>,
}

impl LastDay {
    /// Counts an error response.
    pub(super) fn add(&self, user: &Arc<str>) {
        let mut ring = self.ring();
        let current = ring.current;
        ring.users.entry(Arc::clone(user)).or_default()[current] += 1;
    }

    /// Begins the next hour, and forgets the oldest one.
    pub(crate) fn turn(&self) {
        let mut ring = self.ring();
        let next = (ring.current + 1) % HOURS;
        ring.current = next;
        ring.users.retain(|_, hours| {
            hours[next] = 0;
            hours.iter().any(|count| *count > 0)
        });
    }

    /// Returns the number of each user that has some.
    pub(crate) fn by_user(&self) -> HashMap<Arc<str>, u64> {
        self.ring().users.iter().map(|(user, hours)| (Arc::clone(user), hours.iter().sum())).collect()
    }

    fn ring(&self) -> MutexGuard<'_, Ring> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hours_are_forgotten_after_a_day() {
        let (day, tom) = (LastDay::default(), Arc::from("Tom"));
        let count = || day.by_user().get("Tom").copied();
        assert_eq!(count(), None);
        // In hours 0, 1, …, 9.
        for _ in 0..10 {
            day.add(&tom);
            day.turn();
        }
        for _ in 10..24 {
            day.turn();
        }
        assert_eq!(count(), Some(10), "hour 24 still has hour 0");
        day.turn();
        assert_eq!(count(), Some(9));
        day.add(&tom);
        for hour in 26..=34 {
            day.turn();
            assert_eq!(count(), Some(35 - hour), "hour {hour}");
        }
        for _ in 35..=49 {
            day.turn();
        }
        assert_eq!(count(), Some(1), "that of hour 25");
        day.turn();
        assert_eq!(count(), None);
    }
}
