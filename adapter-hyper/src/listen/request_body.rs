//! The body of a client's request.

use std::{
    future::poll_fn,
    io,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
};

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use hyper::body::Incoming;
use sparekey_proxy::Sinks;
use tokio::task::yield_now;

use super::{connection_state::ConnectionState, request_guard::RequestGuard};

/// Bytes of a body that are discarded, at most.
const DISCARDED_MAX: usize = 64 << 10;
/// How often the connection may look for bytes before nothing more counts as arrived.
const YIELDS: usize = 2;

/// A request body that counts its bytes and reports whether it was read to its end.
#[derive(Debug)]
pub(crate) struct RequestBody {
    body: Incoming,
    connection: Arc<ConnectionState>,
    sinks: Sinks,
    /// A chunked body does not report its end itself.
    is_complete: bool,
    /// Bytes of data.
    received: usize,
    is_http2: bool,
    /// hyper asks the client for the body at the first poll.
    expects_continue: bool,
}

impl RequestBody {
    pub(crate) fn new(body: Incoming, expects_continue: bool, request: &RequestGuard, sinks: Sinks) -> Self {
        let (connection, is_http2) = (Arc::clone(request.connection()), request.stream().is_some());
        let mut new = Self { body, connection, sinks, is_complete: false, received: 0, is_http2, expects_continue };
        new.check_end(false);
        new
    }

    /// Discards what has arrived, so that the connection stays open if that is all.
    pub(crate) async fn discard(mut self) {
        let mut yields = 0;
        while !self.expects_continue && !self.is_complete && self.received < DISCARDED_MAX && yields < YIELDS {
            let frame = poll_fn(|cx| Poll::Ready(Pin::new(&mut self).poll_frame(cx))).await;
            match frame {
                Poll::Ready(Some(Ok(_))) => {}
                Poll::Ready(_) => return,
                Poll::Pending => {
                    yields += 1;
                    yield_now().await;
                }
            }
        }
    }

    fn check_end(&mut self, has_ended: bool) {
        if has_ended || self.body.is_end_stream() {
            self.is_complete = true;
            self.connection.body_complete(self.received);
        }
    }
}

impl Body for RequestBody {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<io::Result<Frame<Bytes>>>> {
        let frame = match ready!(Pin::new(&mut self.body).poll_frame(cx)) {
            // hyper returns `None` for a stream that was reset with `NO_ERROR`
            // (https://www.rfc-editor.org/rfc/rfc9113#section-7).
            None if self.is_http2 && !self.body.is_end_stream() => Some(Err(io::ErrorKind::UnexpectedEof.into())),
            frame => frame.map(|frame| frame.map_err(io::Error::other)),
        };
        if let Some(Ok(frame)) = &frame {
            let length = frame.data_ref().map_or(0, Bytes::len);
            self.received = self.received.saturating_add(length);
            self.sinks.received(length);
        }
        // Trailers are the end: the body is not polled again.
        self.check_end(frame.as_ref().is_none_or(|frame| frame.as_ref().is_ok_and(Frame::is_trailers)));
        Poll::Ready(frame)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

impl Drop for RequestBody {
    fn drop(&mut self) {
        if !self.is_complete {
            self.connection.body_unread();
        }
    }
}
