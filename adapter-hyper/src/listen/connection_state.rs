//! The state of a client's connection, shared by its socket, its requests and its timer.

mod expiry;
mod requests;

use std::{
    net::IpAddr,
    sync::{Arc, Mutex, MutexGuard, PoisonError, Weak, atomic::AtomicBool},
    task::{Context, Poll, Waker},
    time::Duration,
};

use sparekey_core::UserKey;
use tokio::{sync::Notify, time::Instant};

use super::{
    header_blocks::{HeaderBlocks, Unfinished},
    http2_stream::Http2Stream,
    places::{HeadBytes, Place},
    raw_head,
    request_guard::Request,
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

/// The maximum of [`ClientTimeouts::send`] for the proxy's own responses: they are small, and need no key.
const OWN_RESPONSE_SEND: Duration = Duration::from_secs(10);
/// Bytes of a head over HTTP/1.1 after which hyper keeps a large buffer for as long as the connection is open.
const LARGE_HEAD: usize = 16 * 1024;
/// The memory of a head over HTTP/2, at most, for each byte of `MAX_HEAD`: h2 accepts twice as much, and each header takes
/// some more.
pub(crate) const HEAD_MEMORY: usize = 4;
/// An unfinished head over HTTP/1.1 is in memory twice: in hyper's buffer and in [`State::head`].
const HEAD_COPIES: usize = 2;

/// The state of one connection.
#[derive(Debug)]
pub(crate) struct ConnectionState {
    timeouts: ClientTimeouts,
    peer: IpAddr,
    state: Mutex<State>,
    /// The requests over HTTP/2.
    streams: Mutex<Vec<Weak<Http2Stream>>>,
    /// Requests over HTTP/1.1 whose response has ended, and is not written yet.
    ended: Mutex<Vec<Request>>,
    has_ended: AtomicBool,
    /// Notified when the last forwarded request ends.
    none_forwarded: Notify,
    /// Notified when the first request starts.
    first_request: Notify,
    /// Notified when the connection has to make room.
    evicted: Notify,
    place: Place,
}

#[derive(Debug)]
#[expect(clippy::struct_excessive_bools, reason = "independent facts")]
struct State {
    /// Whether there was a request.
    has_started: bool,
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
    /// Over HTTP/2.
    header_blocks: Option<HeaderBlocks>,
    /// Bytes that arrive may belong to the body of the current request.
    body_open: bool,
    /// Whether a request got its response before its body was read.
    body_unread: bool,
    /// The key of the last forwarded request, over HTTP/1.1.
    key: Option<UserKey>,
    /// The bytes of the current head, over HTTP/1.1.
    head: Vec<u8>,
    /// Bytes that arrived together with the last head: its body, or the start of the next head.
    after_head: usize,
    /// Whether they may be the start of the next head.
    head_has_gap: bool,
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

impl ClientTimeouts {
    fn send(&self, is_own_response: bool) -> Duration {
        if is_own_response { self.send.min(OWN_RESPONSE_SEND) } else { self.send }
    }
}

impl ConnectionState {
    pub(crate) fn new(timeouts: ClientTimeouts, peer: IpAddr, place: Place) -> Arc<Self> {
        let state = State {
            has_started: false,
            requests: 0,
            forwarded: 0,
            has_key: false,
            is_evicted: false,
            send_blocked_since: None,
            send_waker: None,
            phase: Phase::Head,
            since: Instant::now(),
            header_blocks: None,
            body_open: false,
            body_unread: false,
            key: None,
            head: Vec::new(),
            after_head: 0,
            head_has_gap: false,
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
                ended: Mutex::default(),
                has_ended: AtomicBool::new(false),
                first_request: Notify::new(),
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
    pub(crate) fn set_http2(&self, max_head: usize) {
        self.state().header_blocks = Some(HeaderBlocks::new(HEAD_MEMORY * max_head));
    }

    /// Whether the current head has a `content-length` that hyper may have removed; `None` if it was not seen whole.
    pub(crate) fn has_content_length(&self) -> Option<bool> {
        let state = self.state();
        let is_whole = !state.head.is_empty() && !state.head_has_gap;
        is_whole.then(|| raw_head::has_content_length(&state.head))
    }

    /// Whether hyper keeps a large buffer after the current head, over HTTP/1.1.
    pub(crate) fn is_head_large(&self) -> bool {
        let state = self.state();
        state.head.len() > LARGE_HEAD && raw_head::length(&state.head) > LARGE_HEAD
    }

    /// Records that the connection has switched protocols: its bytes are no heads any more.
    pub(crate) fn start_tunnel(&self) {
        self.state().body_open = true;
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

    /// Records that the client has sent bytes.
    pub(crate) fn on_read(&self, bytes: &[u8]) {
        let mut state = self.state();
        if let Some(blocks) = &mut state.header_blocks {
            let Unfinished { block, frame } = blocks.read(bytes);
            // With a valid key, a frame is mostly a part of an upload.
            let unfinished = if state.has_key { block } else { block + frame };
            if unfinished != state.unfinished_head.get() {
                state.count_unfinished_head(unfinished);
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
            if state.head.is_empty() {
                // mimalloc takes 150 instructions more for other sizes.
                state.head.reserve_exact(bytes.len().next_power_of_two());
            }
            state.head.extend_from_slice(bytes);
        }
    }

    /// Records that hyper waits for more bytes. So a head that has begun is not complete.
    pub(crate) fn on_read_pending(&self) {
        let mut state = self.state();
        if state.phase == Phase::Head && !state.head.is_empty() {
            let length = state.head.len();
            state.count_unfinished_head(HEAD_COPIES * length);
            drop(state);
            self.place.check_unfinished_heads();
        }
    }

    /// Records that the body of a request has arrived, with this many bytes of data.
    pub(crate) fn body_complete(&self, received: usize) {
        let mut state = self.state();
        state.body_open = false;
        state.head_has_gap = state.after_head > received;
    }

    /// Records that a request got its response before its body was read.
    pub(crate) fn body_unread(&self) {
        self.state().body_unread = true;
    }

    /// Whether the connection closes over HTTP/1.1, because the body of the last request was not read to its end.
    pub(crate) fn has_unread_body(&self) -> bool {
        let state = self.state();
        state.body_unread && state.header_blocks.is_none()
    }

    /// Whether the client may still send bytes that are not read: a body, or a head that was rejected.
    pub(crate) fn needs_lingering_close(&self) -> bool {
        let state = self.state();
        !state.is_evicted && (state.body_unread || state.phase == Phase::Head)
    }

    /// Whether what is written now is hyper's own response, over HTTP/1.1.
    pub(crate) fn is_unexpected_write(&self) -> bool {
        let state = self.state();
        state.header_blocks.is_none() && state.requests == 0
    }

    /// Since when no forwarded request is open, and before that whether the connection has shown a valid key: the lowest
    /// value makes room first. `None` while one is open.
    pub(crate) fn idle_since(&self) -> Option<(bool, Instant)> {
        let state = self.state();
        (state.forwarded == 0).then_some((state.has_key, state.since))
    }

    /// The bytes that count as an unfinished head, and since when it arrives. `None` if the connection must stay.
    pub(crate) fn unfinished_head(&self) -> Option<(usize, Instant)> {
        let state = self.state();
        let bytes = state.unfinished_head.get();
        (bytes > 0 && state.forwarded == 0).then_some((bytes, state.since))
    }

    /// Makes the connection end at once.
    pub(crate) fn evict(&self) {
        let mut state = self.state();
        state.is_evicted = true;
        state.unfinished_head.set(0);
        drop(state);
        self.evicted.notify_waiters();
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn count_unfinished_head(&mut self, bytes: usize) {
        if !self.is_evicted {
            self.unfinished_head.set(bytes);
        }
    }
}
