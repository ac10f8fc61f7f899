//! An answer's body on its way to the client: data only, as it comes, cut where the upstream falls silent.

use std::{
    io,
    pin::Pin,
    task::{Context, Poll, ready},
    time::Duration,
};

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use tokio::{
    io::{AsyncRead, AsyncWrite},
    time::Instant,
};

use crate::{
    timer::Timer,
    upstream::{
        http1::{self, Connection},
        http2,
    },
};

/// The body of an upstream's answer.
#[derive(Debug)]
pub struct Download {
    content: Content,
    /// How long the upstream may be awaited, and since when it is; `None` while nothing is awaited.
    silence: Duration,
    since: Option<Instant>,
    timer: Timer,
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
    pub(crate) fn new(content: Content, silence: Duration, timer: Timer) -> Self {
        Self { content, silence, since: None, timer, broken: None }
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
                self.since = None;
                Poll::Ready(data.map(|data| data.map(Frame::data)))
            }
            Poll::Pending => {
                let now = Instant::now();
                let deadline = *self.since.get_or_insert(now) + self.silence;
                ready!(self.timer.poll(now, deadline, cx));
                self.content = Content::Nothing;
                Poll::Ready(Some(Err(io::ErrorKind::TimedOut.into())))
            }
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
