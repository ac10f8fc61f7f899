//! The number of open streams on a connection.

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
};

/// Counts a stream until it is dropped.
#[derive(Debug)]
pub(super) struct StreamCount(Arc<AtomicUsize>);

impl StreamCount {
    /// Counts one more stream.
    pub(super) fn new(streams: &Arc<AtomicUsize>) -> Self {
        streams.fetch_add(1, Ordering::Relaxed);
        Self(Arc::clone(streams))
    }
}

impl Drop for StreamCount {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}
