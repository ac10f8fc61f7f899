//! An answer's body on its way to the client: data only, as it comes, cut where the upstream falls silent.

use std::{
    future::Future as _,
    io,
    pin::Pin,
    task::{Context, Poll},
    time::Duration,
};

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use tokio::{
    io::{AsyncRead, AsyncWrite},
    time::{Instant, Sleep, sleep_until},
};

use crate::upstream::{
    http1::{self, Connection},
    http2,
};

/// The body of an upstream's answer.
#[derive(Debug)]
pub struct Download {
    content: Content,
    silence: Silence,
    /// How it broke off, until that is told.
    broken: Option<io::Error>,
}

#[derive(Debug)]
pub(crate) enum Content {
    Http1(http1::ReceivedBody),
    Http2(http2::ReceivedBody),
    /// It switched protocols.
    Switched(Connection),
    /// It has been cut.
    Nothing,
}

impl Download {
    pub(crate) fn new(content: Content, limit: Duration) -> Self {
        Self { content, silence: Silence { limit, since: None, timer: None }, broken: None }
    }

    /// The connection, where the upstream switched protocols.
    #[must_use]
    pub fn switched(self) -> Option<impl AsyncRead + AsyncWrite + Send + Unpin + use<>> {
        if let Content::Switched(connection) = self.content { Some(connection) } else { None }
    }
}

impl Body for Download {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<io::Result<Frame<Bytes>>>> {
        if let Some(error) = self.broken.take() {
            self.content = Content::Nothing;
            return Poll::Ready(Some(Err(error)));
        }
        let data = match &mut self.content {
            Content::Http1(body) => body.poll_data(cx),
            Content::Http2(body) => body.poll_data(cx),
            Content::Switched(_) | Content::Nothing => Poll::Ready(None),
        };
        match data {
            // What came before leaves first: whoever writes it drops what is not yet written when he hears of an error.
            Poll::Ready(Some(Err(error))) => {
                self.broken = Some(error);
                cx.waker().wake_by_ref();
                Poll::Pending
            }
            Poll::Ready(data) => {
                self.silence.since = None;
                Poll::Ready(data.map(|data| data.map(Frame::data)))
            }
            Poll::Pending if self.silence.is_over(cx) => {
                self.content = Content::Nothing;
                Poll::Ready(Some(Err(io::ErrorKind::TimedOut.into())))
            }
            Poll::Pending => Poll::Pending,
        }
    }

    fn is_end_stream(&self) -> bool {
        let has_ended = match &self.content {
            Content::Http1(body) => body.has_ended(),
            Content::Http2(body) => body.has_ended(),
            Content::Switched(_) | Content::Nothing => true,
        };
        has_ended && self.broken.is_none()
    }

    fn size_hint(&self) -> SizeHint {
        let left = match &self.content {
            Content::Http1(body) => body.left(),
            Content::Http2(body) => body.left(),
            Content::Switched(_) | Content::Nothing => Some(0),
        };
        left.map_or_else(SizeHint::default, SizeHint::with_exact)
    }
}

/// How long the upstream has been awaited in vain. The timer is set once and then moved only when it runs out, for most
/// waits are short and many.
#[derive(Debug)]
struct Silence {
    limit: Duration,
    /// `None` while nothing is awaited.
    since: Option<Instant>,
    timer: Option<Pin<Box<Sleep>>>,
}

impl Silence {
    fn is_over(&mut self, cx: &mut Context<'_>) -> bool {
        let deadline = *self.since.get_or_insert_with(Instant::now) + self.limit;
        let timer = self.timer.get_or_insert_with(|| Box::pin(sleep_until(deadline)));
        while timer.as_mut().poll(cx).is_ready() {
            if deadline <= Instant::now() {
                return true;
            }
            timer.as_mut().reset(deadline);
        }
        false
    }
}
