//! The body of a response, which keeps its request open.

use std::{
    fmt, io,
    pin::Pin,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    task::{Context, Poll, ready},
    time::Duration,
};

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use tokio::time::Instant;

use super::connection_state::{RequestGuard, WatchedStream};

/// Bytes of a frame over HTTP/2, at most: what a client has to take within its timeout.
const FRAME_MAX: usize = 16 * 1024;

/// The body of a response and the guard of its request.
#[derive(Debug)]
#[expect(clippy::large_enum_variant, reason = "most responses are the large variant")]
pub(crate) enum GuardedBody {
    /// Of a response that has no body.
    Empty,
    /// Over HTTP/1.1. If the client takes no data, the socket shows it.
    Http1 { body: sparekey_proxy::Body, guard: RequestGuard },
    /// Over HTTP/2.
    Http2(Arc<Http2Stream>),
}

/// A body over HTTP/2. A client can stop one stream by its flow-control window
/// ([RFC 9113 §5.2](https://www.rfc-editor.org/rfc/rfc9113#section-5.2)) while the socket takes data, so the socket does
/// not show it. hyper polls the body only when the window has room.
pub(crate) struct Http2Stream {
    state: Mutex<State>,
    timeout: Duration,
}

struct State {
    /// `None` once it was cut.
    open: Option<(sparekey_proxy::Body, RequestGuard)>,
    /// The rest of a large frame.
    rest: Bytes,
    /// Since when data waits for the client; `None` while the upstream is awaited.
    waiting_since: Option<Instant>,
}

impl GuardedBody {
    /// A body over HTTP/1.1 or HTTP/2, which the client has to take within a timeout.
    pub(crate) fn new(body: sparekey_proxy::Body, guard: RequestGuard) -> Self {
        if !guard.is_http2() {
            return Self::Http1 { body, guard };
        }
        let (timeout, connection) = (guard.send_timeout(), Arc::clone(guard.connection()));
        let state = State { open: Some((body, guard)), rest: Bytes::new(), waiting_since: Some(Instant::now()) };
        let stream = Arc::new(Http2Stream { state: Mutex::new(state), timeout });
        let watched: Arc<dyn WatchedStream> = stream.clone();
        connection.watch(Arc::downgrade(&watched));
        Self::Http2(stream)
    }
}

impl Body for GuardedBody {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<io::Result<Frame<Bytes>>>> {
        match &mut *self {
            Self::Empty => Poll::Ready(None),
            Self::Http1 { body, guard } => {
                // hyper would buffer up to `MAX_HEAD` bytes more for a client that reads nothing.
                ready!(guard.connection().poll_send_ready(cx));
                Pin::new(body).poll_frame(cx)
            }
            Self::Http2(stream) => stream.state().poll_frame(cx),
        }
    }

    fn is_end_stream(&self) -> bool {
        match self {
            Self::Empty => true,
            Self::Http1 { body, .. } => body.is_end_stream(),
            Self::Http2(stream) => stream.state().is_end_stream(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match self {
            Self::Empty => SizeHint::with_exact(0),
            Self::Http1 { body, .. } => body.size_hint(),
            Self::Http2(stream) => stream.state().size_hint(),
        }
    }
}

impl Http2Stream {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl WatchedStream for Http2Stream {
    fn cut_if_blocked(&self, now: Instant) -> Option<Instant> {
        let mut state = self.state();
        let waiting_since = state.waiting_since.filter(|since| *since + self.timeout <= now)?;
        let cut = state.open.take();
        state.waiting_since = None;
        drop(state);
        cut.is_some().then_some(waiting_since)
    }
}

impl State {
    fn poll_frame(&mut self, cx: &mut Context<'_>) -> Poll<Option<io::Result<Frame<Bytes>>>> {
        let Some((body, _)) = &mut self.open else {
            return Poll::Ready(Some(Err(io::ErrorKind::TimedOut.into())));
        };
        if self.rest.is_empty() {
            match Pin::new(body).poll_frame(cx) {
                Poll::Ready(Some(Ok(frame))) => match frame.into_data() {
                    Ok(data) => self.rest = data,
                    Err(frame) => return Poll::Ready(Some(Ok(frame))),
                },
                Poll::Pending => {
                    self.waiting_since = None;
                    return Poll::Pending;
                }
                end @ Poll::Ready(_) => return end,
            }
        }
        self.waiting_since = Some(Instant::now());
        let length = self.rest.len().min(FRAME_MAX);
        Poll::Ready(Some(Ok(Frame::data(self.rest.split_to(length)))))
    }

    fn is_end_stream(&self) -> bool {
        self.rest.is_empty() && self.open.as_ref().is_some_and(|(body, _)| body.is_end_stream())
    }

    fn size_hint(&self) -> SizeHint {
        let body = self.open.as_ref().map_or_else(SizeHint::default, |(body, _)| body.size_hint());
        match body.exact() {
            Some(exact) => SizeHint::with_exact(exact + self.rest.len() as u64),
            None => SizeHint::default(),
        }
    }
}

impl fmt::Debug for Http2Stream {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Http2Stream").field("timeout", &self.timeout).finish_non_exhaustive()
    }
}
