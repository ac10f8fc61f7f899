//! A connection of the HTTP/1.1 client.

use std::{
    future::Future as _,
    io,
    pin::pin,
    sync::{Arc, Mutex, PoisonError},
    task::{Context, Poll, ready},
};

use bytes::BytesMut;
use http::Method;
use sparekey_net::{Stream, SuspendMark};
use tokio::io::AsyncReadExt as _;

use super::{
    head::{self, Head},
    header_cache::HeaderCache,
    send::SendError,
    upgraded_stream::UpgradedStream,
};
use crate::upgrade::Upgrade;

/// Bytes reserved to read a head: OpenAI's heads have about 2 KB.
const READ_HEAD: usize = 8 * 1024;
/// The fewest bytes reserved to read a body: a stream of small events gets buffers that the allocator reuses.
const READ_MIN: usize = 1024;
/// The most bytes reserved to read a body: it bounds the memory of a download whose client is slow.
const READ_MAX: usize = 96 * 1024;
/// Interim responses ([RFC 9110 §15.2](https://www.rfc-editor.org/rfc/rfc9110#section-15.2)) before the final one.
/// Servers send one or two; more than 32 are an attack.
const INTERIM_MAX: usize = 32;

/// A connection, and the bytes read from it that are not parsed yet.
#[derive(Debug)]
pub(crate) struct Connection {
    pub(super) stream: Stream,
    pub(super) read: BytesMut,
    read_size: usize,
    header_cache: Arc<Mutex<HeaderCache>>,
    opened: SuspendMark,
}

impl Connection {
    /// `header_cache` is shared by all connections to an upstream.
    pub(crate) fn new(stream: Stream, header_cache: &Arc<Mutex<HeaderCache>>) -> Self {
        let (header_cache, opened) = (Arc::clone(header_cache), SuspendMark::now());
        Self { stream, read: BytesMut::new(), read_size: READ_HEAD, header_cache, opened }
    }

    /// Whether it is open and has no unread bytes, so that a request may be sent. A connection that was idle for a
    /// while may have been closed: that needs a system call.
    pub(crate) fn is_reusable(&self, was_idle: bool) -> bool {
        let has_unread = if was_idle { Stream::has_unread_in_kernel } else { Stream::has_unread };
        self.read.is_empty() && !has_unread(&self.stream)
    }

    /// Whether the machine was suspended since it was opened: the upstream may have dropped it without a packet that
    /// arrived.
    pub(crate) fn has_outlived_suspend(&self, now: SuspendMark) -> bool {
        self.opened.was_suspended_until(now)
    }

    /// The connection as a byte stream, once the upstream has switched protocols.
    pub(crate) fn into_upgraded(self) -> UpgradedStream {
        UpgradedStream::new(self.stream, self.read)
    }

    /// Reads what has arrived; the count is 0 at the end of the connection.
    fn poll_read_head(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<usize>> {
        ready!(self.stream.poll_read_ready(cx))?;
        self.poll_read_some(cx)
    }

    /// Reads more of a body. Most bodies wait most of the time, so a waiting one keeps no buffer.
    pub(super) fn poll_read_body(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<usize>> {
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

    /// Whether a part of the next response has arrived.
    pub(crate) fn has_unread(&self) -> bool {
        !self.read.is_empty()
    }

    /// Prepares for the response to a new request.
    pub(super) fn start_exchange(&mut self) {
        self.read_size = READ_HEAD;
    }

    /// Reads the final response head; interim heads are dropped.
    pub(super) fn poll_head(
        &mut self,
        cx: &mut Context<'_>,
        method: &Method,
        upgrade: Upgrade,
    ) -> Poll<Result<Head, SendError>> {
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
