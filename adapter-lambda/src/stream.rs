//! A streamed response, as the Runtime API takes it: a prelude with the head, eight zero bytes, the body
//! ([custom runtimes](https://docs.aws.amazon.com/lambda/latest/dg/runtimes-custom.html#runtimes-custom-response-streaming)).
//!
//! If the body is cut, so is the request that carries it: Lambda treats that as a truncated response and sends the next
//! event. An error text in the body would reach the client as a part of the response, and a clean end, which error
//! trailers need, would make a cut response look complete.

use std::{
    array,
    future::Future as _,
    io,
    pin::Pin,
    task::{Context, Poll},
};

use bytes::Bytes;
use http_body::Frame;
use sparekey_proxy::Body;
use tokio::time::{Instant, Sleep, sleep_until};

/// The end of the prelude.
const SEPARATOR: [u8; 8] = [0; 8];

/// The body of the request that carries a streamed response.
#[derive(Debug)]
pub(crate) struct StreamedResponse {
    prefix: array::IntoIter<Bytes, 2>,
    body: Body,
    /// When the body is cut: at the end of the invocation, Lambda would stop the whole environment.
    deadline: Pin<Box<Sleep>>,
}

impl StreamedResponse {
    pub(crate) fn new(prelude: Vec<u8>, body: Body, deadline: Instant) -> Self {
        // Two frames, as other runtimes send them: emulators read the first one as the prelude.
        let prefix = [prelude.into(), Bytes::from_static(&SEPARATOR)].into_iter();
        Self { prefix, body, deadline: Box::pin(sleep_until(deadline)) }
    }
}

impl http_body::Body for StreamedResponse {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<io::Result<Frame<Bytes>>>> {
        if let Some(bytes) = self.prefix.next() {
            return Poll::Ready(Some(Ok(Frame::data(bytes))));
        }
        let frame = match Pin::new(&mut self.body).poll_frame(cx) {
            Poll::Pending => self.deadline.as_mut().poll(cx).map(|()| Some(Err(io::ErrorKind::TimedOut.into()))),
            frame @ Poll::Ready(_) => frame,
        };
        if let Poll::Ready(Some(Err(error))) = &frame {
            tracing::warn!("response cut: {error}");
        }
        frame
    }
}
