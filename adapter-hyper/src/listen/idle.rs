//! The state of a client's connection, and how long it may stay idle.

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

/// How long a connection may stay idle.
#[derive(Clone, Copy, Debug)]
pub(crate) struct ClientTimeouts {
    /// From the start of the connection, or the first byte of a request head, to the end of that head.
    pub(crate) header_read: Duration,
    /// Between requests.
    pub(crate) idle: Duration,
}

/// The state of one connection, shared by its socket, its requests and its timer.
#[derive(Debug)]
pub(crate) struct ConnectionState {
    timeouts: ClientTimeouts,
    state: Mutex<State>,
    body_unread: AtomicBool,
    _permit: OwnedSemaphorePermit,
}

#[derive(Debug)]
struct State {
    requests: usize,
    phase: Phase,
    since: Instant,
    /// HTTP/2: bytes between requests need not belong to a request.
    is_http2: bool,
    /// Bytes that arrive may belong to the body of the current request.
    body_open: bool,
}

/// What the next bytes are.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Phase {
    /// A request head.
    Head,
    /// A body, or the start of the next head.
    BodyOrIdle,
}

/// An open request.
#[derive(Debug)]
pub(crate) struct RequestGuard(Arc<ConnectionState>);

impl ConnectionState {
    pub(crate) fn new(timeouts: ClientTimeouts, permit: OwnedSemaphorePermit) -> Arc<Self> {
        let state = State { requests: 0, phase: Phase::Head, since: Instant::now(), is_http2: false, body_open: false };
        Arc::new(Self { timeouts, state: Mutex::new(state), body_unread: AtomicBool::new(false), _permit: permit })
    }

    /// Records a request head. The request lasts until the guard is dropped.
    pub(crate) fn start_request(self: &Arc<Self>, version: http::Version) -> RequestGuard {
        let mut state = self.state();
        state.requests += 1;
        state.is_http2 = version == http::Version::HTTP_2;
        state.body_open = true;
        state.phase = Phase::BodyOrIdle;
        drop(state);
        RequestGuard(Arc::clone(self))
    }

    /// Returns once the connection has been idle for too long.
    pub(crate) async fn expired(&self) {
        loop {
            // The phase may change while this sleeps, and with it the deadline.
            let recheck = Instant::now() + self.timeouts.header_read.min(self.timeouts.idle);
            match self.deadline() {
                Some(deadline) if deadline <= Instant::now() => return,
                deadline => sleep_until(deadline.map_or(recheck, |deadline| deadline.min(recheck))).await,
            }
        }
    }

    fn deadline(&self) -> Option<Instant> {
        let state = self.state();
        let timeout = match state.phase {
            _ if state.requests > 0 => return None,
            Phase::Head => self.timeouts.header_read,
            Phase::BodyOrIdle => self.timeouts.idle,
        };
        Some(state.since + timeout)
    }

    /// Records that the client has sent bytes.
    pub(crate) fn on_read(&self) {
        let mut state = self.state();
        // With pipelining (https://www.rfc-editor.org/rfc/rfc9112#section-9.3.2), the next head may start before the
        // response ends.
        let is_head = state.requests == 0 || !state.body_open;
        if is_head && state.phase == Phase::BodyOrIdle && !state.is_http2 {
            state.phase = Phase::Head;
            state.since = Instant::now();
        }
    }

    /// Records that the body of a request has arrived.
    pub(crate) fn body_complete(&self) {
        self.state().body_open = false;
    }

    /// Records that a request got its response before its body was read.
    pub(crate) fn body_unread(&self) {
        self.body_unread.store(true, Ordering::Relaxed);
    }

    /// Whether the client may still send bytes that are not read: a body, or a head that was rejected.
    pub(crate) fn needs_lingering_close(&self) -> bool {
        self.body_unread.load(Ordering::Relaxed) || self.state().phase == Phase::Head
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for RequestGuard {
    fn drop(&mut self) {
        let mut state = self.0.state();
        state.requests -= 1;
        if state.requests == 0 {
            state.since = Instant::now();
        }
    }
}
