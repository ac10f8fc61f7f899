//! What a client's connection is doing: how long it may go on saying nothing.

use std::{
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use tokio::{
    sync::OwnedSemaphorePermit,
    time::{Instant, sleep_until},
};

/// How long a connection may say nothing.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Bounds {
    /// From the first byte of a request's head, or from the connection's start, to the head's end.
    pub(crate) head: Duration,
    /// Between requests.
    pub(crate) idle: Duration,
}

/// One connection's state, shared by its socket, its requests and its watch.
#[derive(Debug)]
pub(crate) struct Activity {
    bounds: Bounds,
    state: Mutex<State>,
    upload_left: AtomicBool,
    _place: OwnedSemaphorePermit,
}

#[derive(Debug)]
struct State {
    requests: usize,
    awaits: Awaits,
    since: Instant,
    /// HTTP/2: bytes between requests need not be a request's.
    multiplexed: bool,
    /// What is heard may still be the request's body.
    uploading: bool,
}

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Awaits {
    Head,
    Anything,
}

impl Activity {
    pub(crate) fn new(bounds: Bounds, place: OwnedSemaphorePermit) -> Arc<Self> {
        let state =
            State { requests: 0, awaits: Awaits::Head, since: Instant::now(), multiplexed: false, uploading: false };
        Arc::new(Self { bounds, state: Mutex::new(state), upload_left: AtomicBool::new(false), _place: place })
    }

    /// Notes that a request's head is there; it lasts until the guard is dropped.
    pub(crate) fn request(self: &Arc<Self>, version: http::Version) -> InFlight {
        let mut state = self.state();
        state.requests += 1;
        state.multiplexed = version == http::Version::HTTP_2;
        state.uploading = true;
        state.awaits = Awaits::Anything;
        drop(state);
        InFlight(Arc::clone(self))
    }

    /// Returns once the connection has said nothing for too long.
    pub(crate) async fn expired(&self) {
        loop {
            // What it does may change meanwhile, and with it the bound.
            let look_again = Instant::now() + self.bounds.head.min(self.bounds.idle);
            match self.deadline() {
                Some(deadline) if deadline <= Instant::now() => return,
                deadline => sleep_until(deadline.map_or(look_again, |deadline| deadline.min(look_again))).await,
            }
        }
    }

    fn deadline(&self) -> Option<Instant> {
        let state = self.state();
        let bound = match state.awaits {
            _ if state.requests > 0 => return None,
            Awaits::Head => self.bounds.head,
            Awaits::Anything => self.bounds.idle,
        };
        Some(state.since + bound)
    }

    /// Notes that the client sent something.
    pub(crate) fn heard(&self) {
        let mut state = self.state();
        // The next request's head may begin before the answer is over.
        let is_head = state.requests == 0 || !state.uploading;
        if is_head && state.awaits == Awaits::Anything && !state.multiplexed {
            state.awaits = Awaits::Head;
            state.since = Instant::now();
        }
    }

    /// Notes that a request's body is there.
    pub(crate) fn upload_ended(&self) {
        self.state().uploading = false;
    }

    /// Notes that a request was answered while its body was still on the way.
    pub(crate) fn upload_left(&self) {
        self.upload_left.store(true, Ordering::Relaxed);
    }

    /// Whether the client may still be sending what nobody reads: an upload, or a head that was refused.
    pub(crate) fn must_linger(&self) -> bool {
        self.upload_left.load(Ordering::Relaxed) || self.state().awaits == Awaits::Head
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A request that is being answered.
#[derive(Debug)]
pub(crate) struct InFlight(Arc<Activity>);

impl Drop for InFlight {
    fn drop(&mut self) {
        let mut state = self.0.state();
        state.requests -= 1;
        if state.requests == 0 {
            state.since = Instant::now();
        }
    }
}
