//! The body of a client's request.

use std::{
    io,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
};

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use hyper::body::Incoming;
use sparekey_proxy::Sinks;

use super::{connection_state::ConnectionState, request_guard::RequestGuard};

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
}

impl RequestBody {
    pub(crate) fn new(body: Incoming, request: &RequestGuard, sinks: Sinks) -> Self {
        let (connection, is_http2) = (Arc::clone(request.connection()), request.stream().is_some());
        let mut new = Self { body, connection, sinks, is_complete: false, received: 0, is_http2 };
        new.check_end(false);
        new
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
