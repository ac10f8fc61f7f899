//! The state of a client's connection, shared by its socket, its requests and its timer.

mod expiry;

use std::{
    fmt, mem,
    net::IpAddr,
    sync::{Arc, Mutex, MutexGuard, PoisonError, Weak},
    task::{Context, Poll, Waker},
    time::Duration,
};

use tokio::{sync::Notify, time::Instant};

use super::{
    places::{HeadBytes, Place},
    raw_head,
};

/// How long a connection may stay idle.
#[derive(Clone, Copy, Debug)]
pub(crate) struct ClientTimeouts {
    /// From the start of the connection, or the first byte of a request head, to the end of that head.
    pub(crate) header_read: Duration,
    /// Between requests.
    pub(crate) idle: Duration,
    /// For the client to take data of a response.
    pub(crate) send: Duration,
}

/// A stream of an HTTP/2 connection.
pub(crate) trait WatchedStream: fmt::Debug + Send + Sync {
    /// Ends the stream if the client has taken no data for too long; returns since when.
    fn cut_if_blocked(&self, now: Instant) -> Option<Instant>;
}

/// Like [`ClientTimeouts::send`], for the proxy's own responses: they are small, and need no key.
const OWN_RESPONSE_SEND: Duration = Duration::from_secs(10);
/// Open requests on a connection that has shown no valid key. Each takes memory; browsers open six.
const KEYLESS_REQUESTS_MAX: usize = 16;

/// An unfinished head over HTTP/1.1 is in memory twice: in hyper's buffer and in [`State::head`].
const HEAD_COPIES: usize = 2;

/// The state of one connection.
#[derive(Debug)]
pub(crate) struct ConnectionState {
    timeouts: ClientTimeouts,
    peer: IpAddr,
    state: Mutex<State>,
    /// Streams whose client may take no data.
    streams: Mutex<Vec<Weak<dyn WatchedStream>>>,
    /// Notified when the last forwarded request ends.
    none_forwarded: Notify,
    /// Notified when the connection has to make room.
    evicted: Notify,
    place: Place,
}

#[derive(Debug)]
#[expect(clippy::struct_excessive_bools, reason = "independent facts")]
struct State {
    requests: usize,
    /// Those of `requests` that were sent to the upstream.
    forwarded: usize,
    /// Whether a request had a valid key.
    has_key: bool,
    is_evicted: bool,
    /// Since when the socket takes no data.
    send_blocked_since: Option<Instant>,
    /// The task to wake when it takes data again.
    send_waker: Option<Waker>,
    phase: Phase,
    since: Instant,
    /// HTTP/2: bytes between requests need not belong to a request.
    is_http2: bool,
    /// Bytes that arrive may belong to the body of the current request.
    body_open: bool,
    /// Whether a request got its response before its body was read.
    body_unread: bool,
    /// The bytes of the current head, over HTTP/1.1.
    head: Vec<u8>,
    unfinished_head: HeadBytes,
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
pub(crate) struct RequestGuard {
    connection: Arc<ConnectionState>,
    is_http2: bool,
    is_forwarded: bool,
}

impl ConnectionState {
    pub(crate) fn new(timeouts: ClientTimeouts, peer: IpAddr, place: Place) -> Arc<Self> {
        let state = State {
            requests: 0,
            forwarded: 0,
            has_key: false,
            is_evicted: false,
            send_blocked_since: None,
            send_waker: None,
            phase: Phase::Head,
            since: Instant::now(),
            is_http2: false,
            body_open: false,
            body_unread: false,
            head: Vec::new(),
            unfinished_head: place.head_bytes(),
        };
        Arc::new_cyclic(|this| {
            place.assign(this);
            Self {
                timeouts,
                peer,
                state: Mutex::new(state),
                streams: Mutex::default(),
                none_forwarded: Notify::new(),
                evicted: Notify::new(),
                place,
            }
        })
    }

    /// The address at the other end, which may be a reverse proxy's.
    pub(crate) fn peer(&self) -> IpAddr {
        self.peer
    }

    /// Records the protocol, once it is known.
    pub(crate) fn set_http2(&self) {
        self.state().is_http2 = true;
    }

    /// Whether the current head has a `content-length` that hyper may have removed.
    pub(crate) fn has_content_length(&self) -> bool {
        raw_head::has_content_length(&self.state().head)
    }

    /// Records a request head, and whether the request is sent to the upstream. It lasts until the guard is dropped. `None`
    /// if a connection without a valid key has too many requests open.
    pub(crate) fn start_request(self: &Arc<Self>, is_forwarded: bool) -> Option<RequestGuard> {
        let mut state = self.state();
        state.has_key |= is_forwarded;
        state.unfinished_head.clear();
        if !state.has_key && state.requests >= KEYLESS_REQUESTS_MAX {
            return None;
        }
        state.requests += 1;
        state.forwarded += usize::from(is_forwarded);
        state.body_open = true;
        state.phase = Phase::BodyOrIdle;
        let (is_http2, head) = (state.is_http2, mem::take(&mut state.head));
        drop(state);
        drop(head);
        Some(RequestGuard { connection: Arc::clone(self), is_http2, is_forwarded })
    }

    /// Records that the socket takes no data, or takes data again.
    pub(crate) fn set_send_blocked(&self, is_blocked: bool) {
        let mut state = self.state();
        state.send_blocked_since = is_blocked.then(Instant::now);
        let waker = state.send_waker.take();
        drop(state);
        if let Some(waker) = waker {
            waker.wake();
        }
    }

    /// Returns ready while the socket takes data.
    pub(crate) fn poll_send_ready(&self, cx: &Context<'_>) -> Poll<()> {
        let mut state = self.state();
        if state.send_blocked_since.is_none() {
            return Poll::Ready(());
        }
        state.send_waker = Some(cx.waker().clone());
        Poll::Pending
    }

    /// Watches a stream until it is dropped.
    pub(crate) fn watch(&self, stream: Weak<dyn WatchedStream>) {
        let mut streams = self.streams.lock().unwrap_or_else(PoisonError::into_inner);
        streams.retain(|stream| stream.strong_count() > 0);
        streams.push(stream);
    }

    /// Records that the client has sent bytes.
    pub(crate) fn on_read(&self, bytes: &[u8]) {
        let mut state = self.state();
        if state.is_http2 {
            // Which bytes are a head is not visible here. A connection that has shown a key has no bound.
            if !state.has_key {
                state.count_unfinished_head(bytes.len());
                drop(state);
                self.place.check_unfinished_heads();
            }
            return;
        }
        // With pipelining (https://www.rfc-editor.org/rfc/rfc9112#section-9.3.2), the next head may start before the
        // response ends.
        if state.phase == Phase::BodyOrIdle && (state.requests == 0 || !state.body_open) {
            state.phase = Phase::Head;
            state.since = Instant::now();
        }
        if state.phase == Phase::Head {
            state.head.extend_from_slice(bytes);
        }
    }

    /// Records that hyper waits for more bytes. So a head that has begun is not complete.
    pub(crate) fn on_read_pending(&self) {
        let mut state = self.state();
        if state.phase == Phase::Head && !state.head.is_empty() {
            let length = state.head.len();
            state.unfinished_head.clear();
            state.count_unfinished_head(HEAD_COPIES * length);
            drop(state);
            self.place.check_unfinished_heads();
        }
    }

    /// Records that the body of a request has arrived.
    pub(crate) fn body_complete(&self) {
        self.state().body_open = false;
    }

    /// Records that a request got its response before its body was read.
    pub(crate) fn body_unread(&self) {
        self.state().body_unread = true;
    }

    /// Whether the client may still send bytes that are not read: a body, or a head that was rejected.
    pub(crate) fn needs_lingering_close(&self) -> bool {
        let state = self.state();
        !state.is_evicted && (state.body_unread || state.phase == Phase::Head)
    }

    /// Whether no request was dispatched since the last head began, over HTTP/1.1.
    pub(crate) fn is_reading_head(&self) -> bool {
        let state = self.state();
        !state.is_http2 && state.requests == 0 && state.phase == Phase::Head
    }

    /// Since when no forwarded request is open, and before that whether the connection has shown a valid key: the lowest
    /// value makes room first. `None` while one is open.
    pub(crate) fn idle_since(&self) -> Option<(bool, Instant)> {
        let state = self.state();
        (state.forwarded == 0).then_some((state.has_key, state.since))
    }

    /// Since when a head that counts as unfinished has been arriving.
    pub(crate) fn unfinished_head_since(&self) -> Option<Instant> {
        let state = self.state();
        (!state.unfinished_head.is_empty()).then_some(state.since)
    }

    /// Makes the connection end at once.
    pub(crate) fn evict(&self) {
        let mut state = self.state();
        state.is_evicted = true;
        state.unfinished_head.clear();
        drop(state);
        self.evicted.notify_one();
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    /// Counts bytes of an unfinished head.
    fn count_unfinished_head(&mut self, bytes: usize) {
        if !self.is_evicted {
            self.unfinished_head.add(bytes);
        }
    }
}

impl RequestGuard {
    /// How long the client may take no data of the response.
    pub(crate) fn send_timeout(&self) -> Duration {
        let timeout = self.connection.timeouts.send;
        if self.is_forwarded { timeout } else { timeout.min(OWN_RESPONSE_SEND) }
    }

    pub(crate) fn is_http2(&self) -> bool {
        self.is_http2
    }

    pub(crate) fn connection(&self) -> &Arc<ConnectionState> {
        &self.connection
    }
}

impl Drop for RequestGuard {
    fn drop(&mut self) {
        let mut state = self.connection.state();
        if self.is_forwarded {
            state.forwarded -= 1;
            if state.forwarded == 0 {
                self.connection.none_forwarded.notify_waiters();
            }
        }
        state.requests -= 1;
        if state.requests == 0 {
            state.since = Instant::now();
        }
    }
}
