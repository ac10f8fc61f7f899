//! The body of a response, which keeps its request open.

use std::{
    io,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
};

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};

use super::{http2_stream::Http2Stream, request_guard::RequestGuard};

/// Bytes of a frame over HTTP/2, at most: what a client has to take within its timeout.
const FRAME_MAX: usize = 16 * 1024;

/// The body of a response and the guard of its request.
#[derive(Debug)]
pub(crate) enum GuardedBody {
    /// Of a response that has no body.
    Empty,
    /// Over HTTP/1.1. If the client takes no data, the socket shows it.
    Http1 { body: sparekey_proxy::Body, guard: RequestGuard },
    /// Over HTTP/2.
    Http2(Http2Body),
}

/// A body over HTTP/2. It ends once its frames are written, so that the task of the stream, which can reset it, lasts until
/// then.
#[derive(Debug)]
pub(crate) struct Http2Body {
    body: sparekey_proxy::Body,
    /// The rest of a large frame.
    rest: Bytes,
    stream: Arc<Http2Stream>,
    guard: Arc<RequestGuard>,
}

impl GuardedBody {
    /// A body over HTTP/1.1 or HTTP/2.
    pub(crate) fn new(body: sparekey_proxy::Body, guard: RequestGuard) -> Self {
        match guard.stream().map(Arc::clone) {
            None => Self::Http1 { body, guard },
            Some(stream) => Self::Http2(Http2Body { body, rest: Bytes::new(), stream, guard: Arc::new(guard) }),
        }
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
            Self::Http2(body) => body.poll_frame(cx),
        }
    }

    fn is_end_stream(&self) -> bool {
        match self {
            Self::Empty => true,
            Self::Http1 { body, .. } => body.is_end_stream(),
            Self::Http2(Http2Body { body, rest, stream, .. }) => {
                rest.is_empty() && body.is_end_stream() && !stream.has_unsent()
            }
        }
    }

    fn size_hint(&self) -> SizeHint {
        match self {
            Self::Empty => SizeHint::with_exact(0),
            Self::Http1 { body, .. } => body.size_hint(),
            Self::Http2(Http2Body { body, rest, .. }) => match body.size_hint().exact() {
                Some(exact) => SizeHint::with_exact(exact + rest.len() as u64),
                None => SizeHint::default(),
            },
        }
    }
}

impl Http2Body {
    fn poll_frame(&mut self, cx: &mut Context<'_>) -> Poll<Option<io::Result<Frame<Bytes>>>> {
        if self.rest.is_empty() {
            match ready!(Pin::new(&mut self.body).poll_frame(cx)) {
                Some(Ok(frame)) => match frame.into_data() {
                    Ok(data) => self.rest = data,
                    Err(frame) => return Poll::Ready(Some(Ok(frame))),
                },
                None => return self.stream.poll_sent(cx).map(|()| None),
                error => return Poll::Ready(error),
            }
        }
        let length = self.rest.len().min(FRAME_MAX);
        let data = self.stream.frame(self.rest.split_to(length), &self.guard);
        Poll::Ready(Some(Ok(Frame::data(data))))
    }
}
