//! The state of a client's connection, and how long it may stay idle.

use std::{
    fmt,
    net::IpAddr,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError, Weak,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use tokio::{
    sync::{Notify, OwnedSemaphorePermit},
    time::{Instant, sleep, sleep_until},
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
pub(crate) const OWN_RESPONSE_SEND: Duration = Duration::from_secs(10);

/// The state of one connection, shared by its socket, its requests and its timer.
#[derive(Debug)]
pub(crate) struct ConnectionState {
    timeouts: ClientTimeouts,
    client: IpAddr,
    state: Mutex<State>,
    /// Streams whose client may take no data.
    streams: Mutex<Vec<Weak<dyn WatchedStream>>>,
    body_unread: AtomicBool,
    /// Notified when the last forwarded request ends.
    none_forwarded: Notify,
    _permit: OwnedSemaphorePermit,
}

#[derive(Debug)]
struct State {
    requests: usize,
    /// Those of `requests` that were sent to the upstream.
    forwarded: usize,
    /// Since when the socket takes no data.
    send_blocked_since: Option<Instant>,
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
pub(crate) struct RequestGuard {
    connection: Arc<ConnectionState>,
    is_http2: bool,
    is_forwarded: bool,
}

impl ConnectionState {
    pub(crate) fn new(timeouts: ClientTimeouts, client: IpAddr, permit: OwnedSemaphorePermit) -> Arc<Self> {
        let state = State {
            requests: 0,
            forwarded: 0,
            send_blocked_since: None,
            phase: Phase::Head,
            since: Instant::now(),
            is_http2: false,
            body_open: false,
        };
        Arc::new(Self {
            timeouts,
            client,
            state: Mutex::new(state),
            streams: Mutex::default(),
            body_unread: AtomicBool::new(false),
            none_forwarded: Notify::new(),
            _permit: permit,
        })
    }

    /// The address of the client.
    pub(crate) fn client(&self) -> IpAddr {
        self.client
    }

    /// Records a request head, and whether the request is sent to the upstream. It lasts until the guard is dropped.
    pub(crate) fn start_request(self: &Arc<Self>, version: http::Version, is_forwarded: bool) -> RequestGuard {
        let mut state = self.state();
        state.requests += 1;
        state.forwarded += usize::from(is_forwarded);
        let is_http2 = version == http::Version::HTTP_2;
        state.is_http2 = is_http2;
        state.body_open = true;
        state.phase = Phase::BodyOrIdle;
        drop(state);
        RequestGuard { connection: Arc::clone(self), is_http2, is_forwarded }
    }

    /// Returns once the connection has been idle for too long, or has taken no data. Ends streams that take no data.
    pub(crate) async fn expired(&self) {
        let ClientTimeouts { header_read, idle, send } = self.timeouts;
        let recheck_interval = header_read.min(idle).min(send).min(OWN_RESPONSE_SEND);
        loop {
            // The phase may change while this sleeps, and with it the deadline.
            let recheck = Instant::now() + recheck_interval;
            self.cut_blocked_streams();
            match self.deadline() {
                Some(deadline) if deadline <= Instant::now() => return,
                deadline => sleep_until(deadline.map_or(recheck, |deadline| deadline.min(recheck))).await,
            }
        }
    }

    fn deadline(&self) -> Option<Instant> {
        let state = self.state();
        let send = state.send_blocked_since.map(|since| since + self.timeouts.send);
        let timeout = match state.phase {
            _ if state.requests > 0 => return send,
            Phase::Head => self.timeouts.header_read,
            Phase::BodyOrIdle => self.timeouts.idle,
        };
        let idle = state.since + timeout;
        Some(send.map_or(idle, |send| send.min(idle)))
    }

    /// Returns once the socket has taken no data for [`ClientTimeouts::send`].
    pub(crate) async fn send_blocked(&self) {
        loop {
            let deadline = self.state().send_blocked_since.map(|since| since + self.timeouts.send);
            match deadline {
                Some(deadline) if deadline <= Instant::now() => return,
                Some(deadline) => sleep_until(deadline).await,
                None => sleep(self.timeouts.send).await,
            }
        }
    }

    /// Records that the socket takes no data, or takes data again.
    pub(crate) fn set_send_blocked(&self, is_blocked: bool) {
        self.state().send_blocked_since = is_blocked.then(Instant::now);
    }

    /// Watches a stream until it is dropped.
    pub(crate) fn watch(&self, stream: Weak<dyn WatchedStream>) {
        let mut streams = self.streams.lock().unwrap_or_else(PoisonError::into_inner);
        streams.retain(|stream| stream.strong_count() > 0);
        streams.push(stream);
    }

    fn cut_blocked_streams(&self) {
        let streams: Vec<_> = {
            let streams = self.streams.lock().unwrap_or_else(PoisonError::into_inner);
            streams.iter().filter_map(Weak::upgrade).collect()
        };
        let now = Instant::now();
        for blocked_since in streams.iter().filter_map(|stream| stream.cut_if_blocked(now)) {
            let mut state = self.state();
            if state.requests == 0 {
                // The client has been idle since then.
                state.since = blocked_since;
            }
        }
    }

    /// Returns once no forwarded request is open.
    pub(crate) async fn none_forwarded(&self) {
        loop {
            let notified = self.none_forwarded.notified();
            if self.state().forwarded == 0 {
                return;
            }
            notified.await;
        }
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
