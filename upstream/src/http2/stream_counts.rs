//! The streams of a connection: how many are open, and how many were cancelled.

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
};

/// The counts of one connection.
#[derive(Debug, Default)]
pub(super) struct StreamCounts {
    open: AtomicUsize,
    cancelled: AtomicUsize,
    /// Bytes of responses that were read.
    received: AtomicUsize,
}

/// A stream that is open until it is dropped. If it did not end before, it was cancelled.
#[derive(Debug)]
pub(super) struct CountedStream {
    counts: Arc<StreamCounts>,
    has_ended: bool,
}

impl StreamCounts {
    pub(super) fn open(&self) -> usize {
        self.open.load(Ordering::Relaxed)
    }

    /// The bytes of responses that were read since the last call.
    pub(super) fn take_received(&self) -> usize {
        self.received.swap(0, Ordering::Relaxed)
    }

    pub(super) fn cancelled(&self) -> usize {
        self.cancelled.load(Ordering::Relaxed)
    }
}

impl CountedStream {
    /// Counts one more stream.
    pub(super) fn new(counts: &Arc<StreamCounts>) -> Self {
        counts.open.fetch_add(1, Ordering::Relaxed);
        Self { counts: Arc::clone(counts), has_ended: false }
    }

    /// Records that bytes of the response were read.
    pub(super) fn received(&self, bytes: usize) {
        self.counts.received.fetch_add(bytes, Ordering::Relaxed);
    }

    /// Records that the upstream ended the stream, so that dropping it sends no reset.
    pub(super) fn ended(&mut self) {
        self.has_ended = true;
    }
}

impl Drop for CountedStream {
    fn drop(&mut self) {
        self.counts.open.fetch_sub(1, Ordering::Relaxed);
        if !self.has_ended {
            self.counts.cancelled.fetch_add(1, Ordering::Relaxed);
        }
    }
}
