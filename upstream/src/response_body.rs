//! A response body on its way to the client.

use std::{
    collections::VecDeque,
    future::poll_fn,
    io, mem,
    pin::Pin,
    task::{Context, Poll, ready},
    time::Duration,
};

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use tokio::time::{Instant, timeout};

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
    /// Its start was read, and is returned again.
    Peeked(Box<Peeked>),
    /// Cut by an error.
    Cut,
}

/// A body whose start was read.
#[derive(Debug)]
pub(crate) struct Peeked {
    /// Never empty.
    start: VecDeque<io::Result<Bytes>>,
    rest: Incoming,
}

impl Peeked {
    /// `None` if an error follows.
    fn len(&self) -> Option<u64> {
        self.start.iter().map(|data| data.as_ref().ok().map(|data| data.len() as u64)).sum()
    }
}

impl Incoming {
    fn poll_data(&mut self, cx: &mut Context<'_>) -> Poll<Option<io::Result<Bytes>>> {
        match self {
            Self::Http1(body) => body.poll_data(cx),
            Self::Http2(body) => body.poll_data(cx),
            Self::Peeked(peeked) => {
                let first = peeked.start.pop_front();
                if peeked.start.is_empty() {
                    *self = mem::replace(&mut peeked.rest, Self::Cut);
                }
                Poll::Ready(first)
            }
            Self::Cut => Poll::Ready(None),
        }
    }

    fn is_end_stream(&self) -> bool {
        match self {
            Self::Http1(body) => body.is_end_stream(),
            Self::Http2(body) => body.is_end_stream(),
            Self::Peeked(_) => false,
            Self::Cut => true,
        }
    }

    /// The bytes that follow, if their number is known. Of a body that breaks off it is not.
    fn remaining(&self) -> Option<u64> {
        match self {
            Self::Http1(body) => body.remaining(),
            Self::Http2(body) => body.remaining(),
            Self::Peeked(peeked) => peeked.rest.remaining()?.checked_add(peeked.len()?),
            Self::Cut => Some(0),
        }
    }
}

impl ResponseBody {
    pub(crate) fn new(incoming: Incoming, idle_timeout: Duration, deadline: ReusedDeadline) -> Self {
        Self { incoming, idle_timeout, idle_since: None, deadline, error: None }
    }

    /// Returns the start of the body: at most `max` bytes that arrive in time. They are part of the body nevertheless.
    pub async fn peek(&mut self, max: usize, wait: Duration) -> Vec<u8> {
        let (mut text, mut start) = (Vec::new(), VecDeque::new());
        let read = async {
            while text.len() < max {
                let Some(frame) = poll_fn(|cx| Pin::new(&mut *self).poll_frame(cx)).await else { break };
                match frame.map(|frame| frame.into_data().unwrap_or_default()) {
                    Ok(data) if data.is_empty() => {}
                    Ok(data) => {
                        text.extend_from_slice(data.get(..max - text.len()).unwrap_or(&data));
                        start.push_back(Ok(data));
                    }
                    Err(error) => return start.push_back(Err(error)),
                }
            }
        };
        let _ = timeout(wait, read).await;
        if let Some(error) = self.error.take() {
            self.incoming = Incoming::Cut;
            start.push_back(Err(error));
        }
        if !start.is_empty() {
            let rest = mem::replace(&mut self.incoming, Incoming::Cut);
            self.incoming = Incoming::Peeked(Box::new(Peeked { start, rest }));
        }
        text
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
        match self.incoming.poll_data(cx) {
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
        self.incoming.is_end_stream() && self.error.is_none()
    }

    fn size_hint(&self) -> SizeHint {
        self.incoming.remaining().map_or_else(SizeHint::default, SizeHint::with_exact)
    }
}
