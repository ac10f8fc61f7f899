//! An answer in pieces, as the Runtime API takes it: a prelude with the head, eight zero bytes, the body.
//!
//! Where the body breaks, so does the request that gives it: Lambda knows that as a truncated response and goes on
//! with the next event. Text in the body would reach the client as part of the answer, and a clean end, such as the
//! trailers for errors need, would make half an answer look whole.

use std::{
    array,
    future::Future as _,
    io,
    pin::Pin,
    task::{Context, Poll, ready},
};

use bytes::Bytes;
use http_body::{Body, Frame};
use sparekey::{Download, access_log::Entry};
use tokio::time::{Sleep, sleep_until};

/// What ends the prelude.
const SEPARATOR: [u8; 8] = [0; 8];

/// What follows the prelude.
#[derive(Debug)]
pub(crate) enum Content {
    Whole(Bytes),
    Stream(Download),
}

/// The body of the request that gives a streamed answer.
#[derive(Debug)]
pub(crate) struct Streamed {
    lead: array::IntoIter<Bytes, 2>,
    content: Content,
    /// When a body that goes on is cut, for Lambda would end more than this invocation.
    deadline: Pin<Box<Sleep>>,
    entry: Entry,
}

impl Streamed {
    pub(crate) fn new(prelude: Vec<u8>, content: Content, deadline: tokio::time::Instant, entry: Entry) -> Self {
        let deadline = Box::pin(sleep_until(deadline));
        // Apart, as other runtimes do: emulators take the first piece for the prelude.
        let lead = [prelude.into(), Bytes::from_static(&SEPARATOR)].into_iter();
        Self { lead, content, deadline, entry }
    }

    fn poll_content(&mut self, cx: &mut Context<'_>) -> Poll<Option<io::Result<Bytes>>> {
        let body = match &mut self.content {
            Content::Whole(body) if body.is_empty() => return Poll::Ready(None),
            Content::Whole(body) => return Poll::Ready(Some(Ok(std::mem::take(body)))),
            Content::Stream(body) => body,
        };
        match Pin::new(body).poll_frame(cx) {
            Poll::Ready(None) => Poll::Ready(None),
            Poll::Ready(Some(Ok(frame))) => Poll::Ready(Some(Ok(frame.into_data().unwrap_or_default()))),
            Poll::Ready(Some(Err(error))) => Poll::Ready(Some(Err(error))),
            Poll::Pending => self.deadline.as_mut().poll(cx).map(|()| Some(Err(io::ErrorKind::TimedOut.into()))),
        }
    }
}

impl Body for Streamed {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<io::Result<Frame<Bytes>>>> {
        if let Some(piece) = self.lead.next() {
            return Poll::Ready(Some(Ok(Frame::data(piece))));
        }
        let piece = ready!(self.poll_content(cx));
        match &piece {
            Some(Ok(data)) => self.entry.sent(data.len() as u64),
            Some(Err(error)) => tracing::warn!("an answer is cut: {error}"),
            None => self.entry.complete(),
        }
        Poll::Ready(piece.map(|piece| piece.map(Frame::data)))
    }
}
