//! HTTP/2 to the upstream: hyper's, on one connection for all requests.

use std::{
    io,
    pin::Pin,
    sync::{Mutex, MutexGuard, PoisonError},
    task::{Context, Poll, ready},
    time::Duration,
};

use bytes::{Bytes, BytesMut};
use http_body::Body;
use http_body_util::BodyExt as _;
use hyper::{
    body::Incoming,
    client::conn::http2::{Builder, SendRequest},
};
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use tokio::time::timeout;

use super::{BoxError, stream::Stream};
use crate::upload::Upload;

/// A dead connection would swallow every request until each timed out.
const PING_INTERVAL: Duration = Duration::from_secs(30);
/// How long the end of a body that has all its bytes is awaited.
const END_TIMEOUT: Duration = Duration::from_secs(10);
/// How much of what has come leaves in one piece.
const GATHER: usize = 16 * 1024;

/// The connection, where there is one.
#[derive(Debug)]
pub(crate) struct Shared<B>(Mutex<Option<SendRequest<Upload<B>>>>);

impl<B> Default for Shared<B> {
    fn default() -> Self {
        Self(Mutex::new(None))
    }
}

impl<B> Shared<B>
where
    B: Body<Data = Bytes, Error: Into<BoxError>> + Send + Unpin + 'static,
{
    /// The connection, if it is open.
    pub(crate) fn get(&self) -> Option<SendRequest<Upload<B>>> {
        let mut shared = self.lock();
        *shared = shared.take().filter(|sender| !sender.is_closed());
        shared.clone()
    }

    /// Begins to speak on a fresh connection, unless another was faster.
    pub(crate) async fn open(&self, stream: Stream) -> hyper::Result<SendRequest<Upload<B>>> {
        if let Some(open) = self.get() {
            return Ok(open);
        }
        let mut builder = Builder::new(TokioExecutor::new());
        builder.timer(TokioTimer::new()).keep_alive_interval(PING_INTERVAL);
        let (sender, connection) = builder.handshake(TokioIo::new(stream)).await?;
        tokio::spawn(connection);
        *self.lock() = Some(sender.clone());
        Ok(sender)
    }

    fn lock(&self) -> MutexGuard<'_, Option<SendRequest<Upload<B>>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// An answer's body.
#[derive(Debug)]
pub(crate) struct ReceivedBody {
    /// `None` once it has ended.
    body: Option<Incoming>,
    /// What `content-length` promised and is still to come.
    left: Option<u64>,
    /// How it ended, while what came before has not left.
    end: Option<io::Result<()>>,
}

impl ReceivedBody {
    pub(crate) fn new(body: Incoming) -> Self {
        let left = body.size_hint().exact();
        Self { body: Some(body), left, end: None }
    }

    /// What has come, together: frames may be small, and each would cost a write.
    pub(crate) fn poll_data(&mut self, cx: &mut Context<'_>) -> Poll<Option<io::Result<Bytes>>> {
        let first = match self.end.take() {
            Some(end) => return Poll::Ready(end.err().map(Err)),
            None => ready!(self.poll_frame(cx)),
        };
        let Some(Ok(first)) = first else { return Poll::Ready(first) };
        let mut more = BytesMut::new();
        while first.len() + more.len() < GATHER
            && let Poll::Ready(next) = self.poll_frame(cx)
        {
            match next {
                Some(Ok(data)) if more.is_empty() && first.is_empty() => return Poll::Ready(Some(Ok(data))),
                Some(Ok(data)) => {
                    if more.is_empty() {
                        more.reserve(GATHER);
                        more.extend_from_slice(&first);
                    }
                    more.extend_from_slice(&data);
                }
                end => {
                    self.end = Some(end.map_or(Ok(()), |error| error.map(drop)));
                    break;
                }
            }
        }
        Poll::Ready(Some(Ok(if more.is_empty() { first } else { more.freeze() })))
    }

    fn poll_frame(&mut self, cx: &mut Context<'_>) -> Poll<Option<io::Result<Bytes>>> {
        let Some(body) = &mut self.body else { return Poll::Ready(None) };
        let data = match ready!(Pin::new(&mut *body).poll_frame(cx)) {
            Some(Ok(frame)) => frame.into_data().ok().map(Ok),
            Some(Err(error)) => Some(Err(io::Error::other(error))),
            None if body.is_end_stream() => None,
            // hyper takes a reset that gives no reason for an end.
            None => Some(Err(io::ErrorKind::UnexpectedEof.into())),
        };
        match &data {
            Some(Ok(data)) => self.left = self.left.map(|left| left.saturating_sub(data.len() as u64)),
            // Trailers end a body.
            Some(Err(_)) | None => self.body = None,
        }
        Poll::Ready(data)
    }

    pub(crate) fn has_ended(&self) -> bool {
        self.body.as_ref().is_none_or(Body::is_end_stream) && !matches!(self.end, Some(Err(_)))
    }

    /// How many bytes are still to come, where that is known.
    pub(crate) fn left(&self) -> Option<u64> {
        self.left
    }
}

/// A body that has all its bytes but not its end is read to the end: dropping it there resets the stream, and enough
/// resets end the connection for everybody.
impl Drop for ReceivedBody {
    fn drop(&mut self) {
        let unended = self.body.take().filter(|body| self.left == Some(0) && !body.is_end_stream());
        if let (Some(mut body), Ok(runtime)) = (unended, tokio::runtime::Handle::try_current()) {
            runtime.spawn(async move { timeout(END_TIMEOUT, body.frame()).await.is_ok() });
        }
    }
}
