//! A client's socket: it tells when the client is heard of, and closes so that an early answer is not lost.

use std::{
    io,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
    time::Duration,
};

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use hyper::body::Incoming;
use sparekey::{gather, metrics::Metrics, stream::Stream};
use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    time::{Sleep, sleep},
};

use crate::activity::Activity;

/// How long a client that was answered before its upload ended is listened to.
const LINGER: Duration = Duration::from_secs(10);

/// A request's body, which notes whether it was read to its end.
#[derive(Debug)]
pub(crate) struct RequestBody {
    body: Incoming,
    activity: Arc<Activity>,
    metrics: Option<Arc<Metrics>>,
    /// A body in chunks never says so itself.
    ended: bool,
    /// HTTP/2: a body does say so.
    framed: bool,
}

impl RequestBody {
    pub(crate) fn new(
        body: Incoming,
        version: http::Version,
        activity: Arc<Activity>,
        metrics: Option<Arc<Metrics>>,
    ) -> Self {
        let mut new = Self { body, activity, metrics, ended: false, framed: version == http::Version::HTTP_2 };
        new.note_end(false);
        new
    }

    fn note_end(&mut self, heard: bool) {
        if heard || self.body.is_end_stream() {
            self.ended = true;
            self.activity.upload_ended();
        }
    }
}

impl Body for RequestBody {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<io::Result<Frame<Bytes>>>> {
        let frame = match ready!(Pin::new(&mut self.body).poll_frame(cx)) {
            // hyper takes a reset that gives no reason for an end.
            None if self.framed && !self.body.is_end_stream() => Some(Err(io::ErrorKind::UnexpectedEof.into())),
            frame => frame.map(|frame| frame.map_err(io::Error::other)),
        };
        if let (Some(metrics), Some(Ok(frame))) = (&self.metrics, &frame) {
            metrics.received(frame.data_ref().map_or(0, Bytes::len));
        }
        // Nothing follows trailers, and nobody asks for it.
        self.note_end(frame.as_ref().is_none_or(|frame| frame.as_ref().is_ok_and(Frame::is_trailers)));
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
        if !self.ended {
            self.activity.upload_left();
        }
    }
}

/// A client's socket, which notes when it is heard of, and lingers where an upload was left unread.
#[derive(Debug)]
pub(crate) struct Socket {
    stream: Stream,
    activity: Arc<Activity>,
    lingering: Option<Pin<Box<Sleep>>>,
}

impl Socket {
    pub(crate) fn new(stream: Stream, activity: Arc<Activity>) -> Self {
        Self { stream, activity, lingering: None }
    }
}

impl AsyncRead for Socket {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let before = buffer.filled().len();
        ready!(Pin::new(&mut self.stream).poll_read(cx, buffer))?;
        if buffer.filled().len() > before {
            self.activity.heard();
        }
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Socket {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(cx, bytes)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        parts: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        gather::poll_write(Pin::new(&mut self.stream), cx, parts)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    /// Says that nothing more comes, then, where an upload was left unread, reads on until the client is done:
    /// a socket that is closed with bytes unread resets, and takes the answer along.
    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        if this.lingering.is_none() {
            ready!(Pin::new(&mut this.stream).poll_shutdown(cx))?;
            if !this.activity.must_linger() {
                return Poll::Ready(Ok(()));
            }
        }
        let lingering = this.lingering.get_or_insert_with(|| Box::pin(sleep(LINGER)));
        let mut scratch = [0; 8192];
        while lingering.as_mut().poll(cx).is_pending() {
            let mut buffer = ReadBuf::new(&mut scratch);
            match ready!(Pin::new(&mut this.stream).poll_read(cx, &mut buffer)) {
                Ok(()) if !buffer.filled().is_empty() => {}
                _ => break,
            }
        }
        Poll::Ready(Ok(()))
    }
}
