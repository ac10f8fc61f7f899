//! The open requests of each user, so that one user cannot take the places of all others.

use std::{
    collections::HashMap,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicUsize, Ordering},
    },
};

/// Counts open requests by user, up to a maximum.
#[derive(Clone, Debug)]
pub(crate) struct UserRequests {
    max: usize,
    /// A user stays in the map: there are few.
    open: Arc<Mutex<HashMap<Arc<str>, Arc<AtomicUsize>>>>,
}

/// An open request, until it is dropped.
#[derive(Debug)]
pub struct OpenRequest(Arc<AtomicUsize>);

impl UserRequests {
    pub(crate) fn new(max: usize) -> Self {
        Self { max, open: Arc::default() }
    }

    /// Counts a request; `None` if the user has too many.
    pub(crate) fn start(&self, user: &Arc<str>) -> Option<OpenRequest> {
        let count = {
            let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
            Arc::clone(open.entry(Arc::clone(user)).or_default())
        };
        let started = count.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |count| {
            Some(count + 1).filter(|count| *count <= self.max)
        });
        started.ok().map(|_| OpenRequest(count))
    }
}

impl Drop for OpenRequest {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn users_are_counted_apart() {
        let requests = UserRequests::new(2);
        let [tom, ann] = ["Tom", "Ann"].map(Arc::from);
        let first = requests.start(&tom).unwrap();
        let _second = requests.start(&tom).unwrap();
        assert!(requests.start(&tom).is_none());
        let _other = requests.start(&ann).unwrap();
        drop(first);
        let _third = requests.start(&tom).unwrap();
        assert!(requests.start(&tom).is_none());
    }
}
