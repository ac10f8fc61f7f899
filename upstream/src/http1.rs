//! An HTTP/1.1 client.
//!
//! **In scope:** one request at a time on a connection, and the bodies in both directions as they arrive. A connection has
//! no task of its own: the future that waits for the response head, or the reader of the body, drives it. Only a
//! request body that is still being sent when the response starts continues in a task.
//!
//! **Out of scope:** which connection is used, and whether a request is repeated.

mod body;
pub mod decode;
mod encode;
pub mod head;
mod header_cache;
mod send;

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
use sparekey_net::Stream;
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, ReadBuf};

use self::head::Head;
pub(crate) use self::{
    body::Incoming,
    header_cache::HeaderCache,
    send::{SendError, SendRequest},
};
use crate::{Upgrade, error::BoxError};

/// Bytes reserved to read a head: typical heads of OpenAI have 1 to 2 KB.
const READ_HEAD: usize = 8 * 1024;
/// Bytes reserved to read a body. The size follows the last read: a stream of small events gets a buffer that
/// allocators have at hand, a fast download gets ever larger ones.
const READ_MIN: usize = 1024;
const READ_MAX: usize = 128 * 1024;
/// Interim responses (1xx) before the final one. Nothing sends more than two.
const INTERIM_MAX: usize = 32;

/// A connection, and the bytes read from it that are not parsed yet.
#[derive(Debug)]
pub(crate) struct Connection {
    stream: Stream,
    read: BytesMut,
    read_size: usize,
    header_cache: Arc<Mutex<HeaderCache>>,
}

impl Connection {
    /// `header_cache` is shared by all connections to an upstream.
    pub(crate) fn new(stream: Stream, header_cache: &Arc<Mutex<HeaderCache>>) -> Self {
        Self { stream, read: BytesMut::new(), read_size: READ_HEAD, header_cache: Arc::clone(header_cache) }
    }

    /// Whether it is open and has no unread bytes, so that a request may be sent. A connection that was idle for a while
    /// may have been closed: that needs a system call.
    pub(crate) fn is_reusable(&self, was_idle: bool) -> bool {
        let has_unread = if was_idle { Stream::has_unread_in_kernel } else { Stream::has_unread };
        self.read.is_empty() && !has_unread(&self.stream)
    }

    /// The connection as a byte stream, once the upstream has switched protocols.
    pub(crate) fn into_upgraded(self) -> UpgradedStream {
        UpgradedStream { stream: self.stream, read: self.read }
    }

    /// Reads what has arrived; the count is 0 at the end of the connection.
    fn poll_read_head(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<usize>> {
        ready!(self.stream.poll_read_ready(cx))?;
        self.poll_read_some(cx)
    }

    /// Reads more of a body. Most bodies wait most of the time, so a waiting one keeps no buffer.
    fn poll_read_body(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<usize>> {
        if self.stream.poll_read_ready(cx)?.is_pending() {
            self.release_read_buffer();
            return Poll::Pending;
        }
        let count = ready!(self.poll_read_some(cx))?;
        let next = if count < self.read_size { count * 2 } else { self.read_size * 4 };
        self.read_size = next.clamp(READ_MIN, READ_MAX);
        Poll::Ready(Ok(count))
    }

    fn poll_read_some(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<usize>> {
        // Allocating costs less than growing an empty buffer.
        if self.read.capacity() == 0 {
            self.read = BytesMut::with_capacity(self.read_size);
        } else {
            self.read.reserve(self.read_size);
        }
        pin!(self.stream.read_buf(&mut self.read)).poll(cx)
    }

    /// Frees the read buffer if it is empty.
    pub(crate) fn release_read_buffer(&mut self) {
        if self.read.is_empty() {
            self.read = BytesMut::new();
        }
    }

    fn poll_head(&mut self, cx: &mut Context<'_>, method: &Method, upgrade: Upgrade) -> Poll<Result<Head, SendError>> {
        for _ in 0..INTERIM_MAX {
            let head = loop {
                let head = {
                    let mut cache = self.header_cache.lock().unwrap_or_else(PoisonError::into_inner);
                    head::parse(&mut self.read, &mut cache, method, upgrade)?
                };
                if let Some(head) = head {
                    break head;
                }
                if ready!(self.poll_read_head(cx)).map_err(SendError::Connection)? == 0 {
                    let closed =
                        io::Error::new(io::ErrorKind::UnexpectedEof, "connection closed before the response headers");
                    return Poll::Ready(Err(SendError::Connection(closed)));
                }
            };
            if !head.is_interim() {
                return Poll::Ready(Ok(head));
            }
        }
        Poll::Ready(Err(SendError::TooManyInterim))
    }
}

/// Sends a request, as far as the upstream reads it, and waits for the response head.
pub(crate) async fn exchange<B>(connection: &mut Connection, request: &mut SendRequest<B>) -> Result<Head, SendError>
where
    B: Body<Data = Bytes, Error: Into<BoxError>> + Unpin,
{
    connection.read_size = READ_HEAD;
    // An upstream that refuses a body may stop reading, and still have sent its response.
    let mut write_error = None;
    poll_fn(|cx| {
        if write_error.is_none()
            && let Poll::Ready(Err(error)) = request.poll(&mut connection.stream, cx)
        {
            match error {
                SendError::Connection(_) if request.any_written() => write_error = Some(error),
                error => return Poll::Ready(Err(error)),
            }
        }
        let head = ready!(connection.poll_head(cx, &request.method, request.upgrade));
        Poll::Ready(head.map_err(|error| write_error.take().unwrap_or(error)))
    })
    .await
}

/// A connection to the upstream after a switch of protocols.
#[derive(Debug)]
pub struct UpgradedStream {
    stream: Stream,
    /// Bytes that arrived together with the response head.
    read: BytesMut,
}

impl AsyncRead for UpgradedStream {
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

impl AsyncWrite for UpgradedStream {
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
