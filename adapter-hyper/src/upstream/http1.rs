//! HTTP/1.1 to the upstream.
//!
//! **In scope:** one request at a time on a connection, its body and the answer's, both as they come. No task stands
//! behind a connection: whoever waits for the answer, or reads its body, moves it on.
//! Only an upload that the answer overtakes goes on in a task.
//! **Out of scope:** which connection is used, and whether a request is sent again.

mod body;
pub mod framing;
pub mod head;
mod known;
mod request;
mod sending;

use std::{
    future::{Future as _, poll_fn},
    io,
    pin::{Pin, pin},
    sync::{Arc, Mutex, PoisonError},
    task::{Context, Poll, ready},
};

use bytes::{Bytes, BytesMut};
use http::Method;
use http_body::Body;
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, ReadBuf};

use self::head::Head;
pub(crate) use self::{
    body::ReceivedBody,
    known::Known,
    sending::{SendError, Sending},
};
use super::BoxError;
use crate::stream::Stream;

/// What is read at a time: of a head, and of a body at least and at most. A body that comes in small pieces is read into
/// as little as allocators have at hand, one that comes fast in ever larger pieces.
const READ_HEAD: usize = 8 * 1024;
const READ_MIN: usize = 1024;
const READ_MAX: usize = 128 * 1024;
/// Heads before the answer's own.
const INTERIM_MAX: usize = 32;

/// A connection, and what came on it that nobody has taken yet.
#[derive(Debug)]
pub(crate) struct Connection {
    pub(crate) stream: Stream,
    pub(crate) read: BytesMut,
    read_size: usize,
    known: Arc<Mutex<Known>>,
}

impl Connection {
    /// `known` is shared by all connections to an upstream.
    pub(crate) fn new(stream: Stream, known: &Arc<Mutex<Known>>) -> Self {
        Self { stream, read: BytesMut::new(), read_size: READ_HEAD, known: Arc::clone(known) }
    }

    /// Whether it is open and silent, so that a request may be sent. One that has waited may be about to be closed: the
    /// kernel knows best.
    pub(crate) fn is_reusable(&self, has_waited: bool) -> bool {
        let has_news = if has_waited { Stream::has_latest_news } else { Stream::has_news };
        self.read.is_empty() && !has_news(&self.stream)
    }

    /// Reads what has come; the count is 0 at the connection's end.
    fn poll_fill(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<usize>> {
        ready!(self.stream.poll_read_ready(cx))?;
        self.poll_read_some(cx)
    }

    /// Reads more of a body. Most bodies wait most of the time.
    fn poll_fill_body(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<usize>> {
        if self.stream.poll_read_ready(cx)?.is_pending() {
            self.give_up_buffer();
            return Poll::Pending;
        }
        let count = ready!(self.poll_read_some(cx))?;
        let next = if count < self.read_size { count * 2 } else { self.read_size * 4 };
        self.read_size = next.clamp(READ_MIN, READ_MAX);
        Poll::Ready(Ok(count))
    }

    fn poll_read_some(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<usize>> {
        // To make a buffer costs less than to grow an empty one.
        if self.read.capacity() == 0 {
            self.read = BytesMut::with_capacity(self.read_size);
        } else {
            self.read.reserve(self.read_size);
        }
        pin!(self.stream.read_buf(&mut self.read)).poll(cx)
    }

    /// Whoever waits for long needs none.
    pub(crate) fn give_up_buffer(&mut self) {
        if self.read.is_empty() {
            self.read = BytesMut::new();
        }
    }

    fn poll_head(&mut self, cx: &mut Context<'_>, method: &Method, may_switch: bool) -> Poll<io::Result<Head>> {
        for _ in 0..INTERIM_MAX {
            let head = loop {
                let head = {
                    let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
                    head::parse(&mut self.read, &mut known, method, may_switch).map_err(io::Error::other)?
                };
                if let Some(head) = head {
                    break head;
                }
                if ready!(self.poll_fill(cx))? == 0 {
                    return Poll::Ready(Err(io::Error::new(
                        io::ErrorKind::UnexpectedEof,
                        "it closed before an answer",
                    )));
                }
            };
            if !head.is_interim() {
                return Poll::Ready(Ok(head));
            }
        }
        Poll::Ready(Err(io::Error::other("it sent too many interim answers")))
    }
}

/// Sends a request, as far as the upstream takes it, and waits for the answer's head.
pub(crate) async fn exchange<B>(connection: &mut Connection, sending: &mut Sending<B>) -> Result<Head, SendError>
where
    B: Body<Data = Bytes, Error: Into<BoxError>> + Unpin,
{
    connection.read_size = READ_HEAD;
    // An upstream that refuses a body closes, and its answer is there all the same.
    let mut broken = None;
    poll_fn(|cx| {
        if broken.is_none()
            && let Poll::Ready(Err(error)) = sending.poll(&mut connection.stream, cx)
        {
            match error {
                SendError::Connection(error) if sending.has_begun() => broken = Some(error),
                error => return Poll::Ready(Err(error)),
            }
        }
        let head = ready!(connection.poll_head(cx, &sending.method, sending.may_switch));
        Poll::Ready(head.map_err(|error| SendError::Connection(broken.take().unwrap_or(error))))
    })
    .await
}

/// After a switch of protocols: bytes both ways.
impl AsyncRead for Connection {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        if this.read.is_empty() {
            return Pin::new(&mut this.stream).poll_read(cx, buffer);
        }
        let first = this.read.split_to(buffer.remaining().min(this.read.len()));
        buffer.put_slice(&first);
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Connection {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(cx, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}
