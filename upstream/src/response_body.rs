//! A response body on its way to the client.

use std::{
    io,
    pin::Pin,
    task::{Context, Poll, ready},
    time::Duration,
};

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use tokio::time::Instant;

use crate::{deadlines::ReusedDeadline, http1::Http1Body, http2::Http2Body};

/// A response body without its trailers. It ends with an error if the upstream sends nothing for
/// [`Timeouts::body_idle`](crate::Timeouts::body_idle).
#[derive(Debug)]
pub struct ResponseBody {
    incoming: Incoming,
    idle_timeout: Duration,
    /// Since when the next bytes are awaited; `None` while none are.
    idle_since: Option<Instant>,
    deadline: ReusedDeadline,
    /// The error that ended the body, until it is returned.
    error: Option<io::Error>,
}

/// The body over either protocol.
#[derive(Debug)]
pub(crate) enum Incoming {
    Http1(Http1Body),
    Http2(Http2Body),
    /// Cut by an error.
    Cut,
}

impl ResponseBody {
    pub(crate) fn new(incoming: Incoming, idle_timeout: Duration, deadline: ReusedDeadline) -> Self {
        Self { incoming, idle_timeout, idle_since: None, deadline, error: None }
    }
}

impl Body for ResponseBody {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<io::Result<Frame<Bytes>>>> {
        if let Some(error) = self.error.take() {
            self.incoming = Incoming::Cut;
            return Poll::Ready(Some(Err(error)));
        }
        let data = match &mut self.incoming {
            Incoming::Http1(body) => body.poll_data(cx),
            Incoming::Http2(body) => body.poll_data(cx),
            Incoming::Cut => Poll::Ready(None),
        };
        match data {
            // Returned at the next poll: on an error, hyper drops the bytes that it has not written yet.
            Poll::Ready(Some(Err(error))) => {
                self.error = Some(error);
                cx.waker().wake_by_ref();
                Poll::Pending
            }
            Poll::Ready(data) => {
                self.idle_since = None;
                Poll::Ready(data.map(|data| data.map(Frame::data)))
            }
            Poll::Pending => {
                let now = Instant::now();
                let idle_until = *self.idle_since.get_or_insert(now) + self.idle_timeout;
                ready!(self.deadline.poll(now, idle_until, cx));
                self.incoming = Incoming::Cut;
                Poll::Ready(Some(Err(io::ErrorKind::TimedOut.into())))
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        let is_end_stream = match &self.incoming {
            Incoming::Http1(body) => body.is_end_stream(),
            Incoming::Http2(body) => body.is_end_stream(),
            Incoming::Cut => true,
        };
        is_end_stream && self.error.is_none()
    }

    fn size_hint(&self) -> SizeHint {
        let remaining = match &self.incoming {
            Incoming::Http1(body) => body.remaining(),
            Incoming::Http2(body) => body.remaining(),
            Incoming::Cut => Some(0),
        };
        remaining.map_or_else(SizeHint::default, SizeHint::with_exact)
    }
}
