//! An answer's body on its way to the client: data only, as it comes, cut where the upstream falls silent.

use std::{
    future::Future,
    io,
    pin::Pin,
    task::{Context, Poll},
    time::Duration,
};

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use http_body_util::BodyExt as _;
use hyper::body::Incoming;
use tokio::time::{Sleep, sleep, timeout};

/// How long the end of a body that has all its bytes is awaited.
const END_TIMEOUT: Duration = Duration::from_secs(10);

/// The body of an upstream's answer.
#[derive(Debug)]
pub struct Download {
    /// `None` once it has ended.
    body: Option<Incoming>,
    silence: Duration,
    /// Runs while the upstream is awaited.
    waiting: Option<Pin<Box<Sleep>>>,
    /// What `content-length` promised and is still to come.
    left: Option<u64>,
}

impl Download {
    pub(crate) fn new(body: Incoming, silence: Duration) -> Self {
        let left = body.size_hint().exact();
        Self { body: Some(body), silence, waiting: None, left }
    }
}

impl Body for Download {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<io::Result<Frame<Bytes>>>> {
        let Some(body) = &mut self.body else { return Poll::Ready(None) };
        match Pin::new(body).poll_frame(cx) {
            Poll::Ready(Some(Ok(frame))) if frame.is_data() => {
                self.waiting = None;
                let length = frame.data_ref().map_or(0, Bytes::len) as u64;
                self.left = self.left.map(|left| left.saturating_sub(length));
                Poll::Ready(Some(Ok(frame)))
            }
            // Trailers end a body.
            Poll::Ready(None | Some(Ok(_))) => {
                self.body = None;
                Poll::Ready(None)
            }
            Poll::Ready(Some(Err(error))) => {
                self.body = None;
                Poll::Ready(Some(Err(io::Error::other(error))))
            }
            Poll::Pending => {
                let silence = self.silence;
                let waiting = self.waiting.get_or_insert_with(|| Box::pin(sleep(silence)));
                if waiting.as_mut().poll(cx).is_pending() {
                    return Poll::Pending;
                }
                self.body = None;
                Poll::Ready(Some(Err(io::ErrorKind::TimedOut.into())))
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        self.body.as_ref().is_none_or(Body::is_end_stream)
    }

    fn size_hint(&self) -> SizeHint {
        self.body.as_ref().map_or_else(|| SizeHint::with_exact(0), Body::size_hint)
    }
}

/// A body that has all its bytes but not its end is read to the end: over HTTP/2 dropping it there resets the
/// stream, and enough resets end the connection for everybody.
impl Drop for Download {
    fn drop(&mut self) {
        let unended = self.body.take().filter(|body| self.left == Some(0) && !body.is_end_stream());
        if let (Some(mut body), Ok(runtime)) = (unended, tokio::runtime::Handle::try_current()) {
            runtime.spawn(async move { timeout(END_TIMEOUT, body.frame()).await.is_ok() });
        }
    }
}
