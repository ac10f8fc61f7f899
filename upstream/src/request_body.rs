//! A request body on its way to the upstream.

use std::{
    pin::Pin,
    sync::{Arc, Mutex, PoisonError},
    task::{Context, Poll, ready},
};

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use tokio::time::Instant;

/// When bytes were last written to the upstream, or received from the client.
#[derive(Debug)]
pub(crate) struct LastWrite(Mutex<Instant>);

impl LastWrite {
    pub(crate) fn now() -> Self {
        Self(Mutex::new(Instant::now()))
    }

    pub(crate) fn get(&self) -> Instant {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn set_now(&self) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Instant::now();
    }
}

/// A body without its trailers, because trailers could become headers at the upstream
/// ([RFC 9110 §6.5.1](https://www.rfc-editor.org/rfc/rfc9110#section-6.5.1)).
#[derive(Debug)]
pub(crate) struct RequestBody<B> {
    /// `None` is empty.
    body: Option<B>,
    last_write: Arc<LastWrite>,
}

impl<B> RequestBody<B> {
    pub(crate) fn new(body: B, last_write: Arc<LastWrite>) -> Self {
        Self { body: Some(body), last_write }
    }

    pub(crate) fn empty(last_write: Arc<LastWrite>) -> Self {
        Self { body: None, last_write }
    }

    pub(crate) fn last_write(&self) -> &Arc<LastWrite> {
        &self.last_write
    }
}

impl<B: Body<Data = Bytes> + Unpin> Body for RequestBody<B> {
    type Data = Bytes;
    type Error = B::Error;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, B::Error>>> {
        let Some(body) = &mut self.body else { return Poll::Ready(None) };
        let frame = ready!(Pin::new(body).poll_frame(cx));
        self.last_write.set_now();
        Poll::Ready(frame.filter(|frame| !matches!(frame, Ok(frame) if frame.is_trailers())))
    }

    fn is_end_stream(&self) -> bool {
        self.body.as_ref().is_none_or(Body::is_end_stream)
    }

    fn size_hint(&self) -> SizeHint {
        self.body.as_ref().map_or_else(|| SizeHint::with_exact(0), Body::size_hint)
    }
}
