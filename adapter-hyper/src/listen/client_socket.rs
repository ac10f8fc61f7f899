//! A client's socket: it reports what the client does, completes hyper's error responses, and closes without losing a
//! response.

use std::{
    io, mem,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
    time::Duration,
};

use bytes::{Buf as _, Bytes};
use sparekey_net::{Stream, poll_write_coalesced};
use sparekey_proxy::Proxy;
use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    time::{Sleep, sleep},
};

use super::{connection_state::ConnectionState, refused_head};

/// How long to read on after an early response: time for a client on a slow line to receive it. nginx reads on for up
/// to 30 s ([`lingering_time`](https://nginx.org/en/docs/http/ngx_http_core_module.html#lingering_time)).
const LINGER: Duration = Duration::from_secs(10);

/// Bytes of a discarded read.
const DISCARD_BUFFER: usize = 8 * 1024;

/// A client's socket. After an early response it reads on: closing a socket with unread bytes resets the connection, and
/// the client may lose the response ([RFC 9112 §9.6](https://www.rfc-editor.org/rfc/rfc9112#section-9.6)).
#[derive(Debug)]
pub(crate) struct ClientSocket {
    stream: Stream,
    connection: Arc<ConnectionState>,
    proxy: Proxy,
    /// Whether bytes were read since the last read had to wait.
    has_read: bool,
    /// Whether the last write had to wait.
    is_blocked: bool,
    /// The rest of the error response that replaces hyper's.
    refusal: Bytes,
    lingering: Option<Pin<Box<Sleep>>>,
}

impl ClientSocket {
    pub(crate) fn new(stream: Stream, connection: Arc<ConnectionState>, proxy: Proxy) -> Self {
        Self { stream, connection, proxy, has_read: false, is_blocked: false, refusal: Bytes::new(), lingering: None }
    }

    /// Reports whether the client takes data, when it changes.
    fn after_write<T>(&mut self, write: Poll<io::Result<T>>) -> Poll<io::Result<T>> {
        if write.is_pending() != self.is_blocked {
            self.is_blocked = write.is_pending();
            self.connection.set_send_blocked(self.is_blocked);
        }
        write
    }

    /// Writes the error response of the proxy if these bytes are hyper's.
    fn poll_write_refusal(&mut self, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<Option<usize>>> {
        if self.refusal.is_empty() {
            let failure = refused_head::failure(bytes).filter(|_| self.connection.is_unexpected_write());
            let Some(failure) = failure else { return Poll::Ready(Ok(None)) };
            let response = self.proxy.refuse_unparsed(failure, self.connection.peer());
            self.refusal = refused_head::encode(&response);
        }
        while !self.refusal.is_empty() {
            let written = ready!(Pin::new(&mut self.stream).poll_write(cx, &self.refusal))?;
            if written == 0 {
                return Poll::Ready(Err(io::ErrorKind::WriteZero.into()));
            }
            self.refusal.advance(written);
        }
        Poll::Ready(Ok(Some(bytes.len())))
    }
}

impl AsyncRead for ClientSocket {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let before = buffer.filled().len();
        let Poll::Ready(read) = Pin::new(&mut self.stream).poll_read(cx, buffer) else {
            if mem::take(&mut self.has_read) {
                self.connection.on_read_pending();
            }
            return Poll::Pending;
        };
        read?;
        if buffer.filled().len() > before {
            self.has_read = true;
            self.connection.on_read(&buffer.filled()[before..]);
        }
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for ClientSocket {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let write = match self.poll_write_refusal(cx, bytes) {
            Poll::Ready(Ok(None)) => Pin::new(&mut self.stream).poll_write(cx, bytes),
            refusal => refusal.map_ok(Option::unwrap_or_default),
        };
        self.after_write(write)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffers: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let first = buffers.iter().find(|buffer| !buffer.is_empty()).map_or(&[][..], |buffer| buffer);
        let write = match self.poll_write_refusal(cx, first) {
            Poll::Ready(Ok(None)) => poll_write_coalesced(Pin::new(&mut self.stream), cx, buffers),
            refusal => refusal.map_ok(Option::unwrap_or_default),
        };
        self.after_write(write)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let flush = Pin::new(&mut self.stream).poll_flush(cx);
        if flush.is_ready() {
            self.connection.on_flushed();
        }
        self.after_write(flush)
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        if this.lingering.is_none() {
            ready!(Pin::new(&mut this.stream).poll_shutdown(cx))?;
            if !this.connection.needs_lingering_close() {
                return Poll::Ready(Ok(()));
            }
        }
        let lingering = this.lingering.get_or_insert_with(|| Box::pin(sleep(LINGER)));
        let mut discarded = [0; DISCARD_BUFFER];
        while lingering.as_mut().poll(cx).is_pending() {
            let mut buffer = ReadBuf::new(&mut discarded);
            match ready!(Pin::new(&mut this.stream).poll_read(cx, &mut buffer)) {
                Ok(()) if !buffer.filled().is_empty() => {}
                _ => break,
            }
        }
        Poll::Ready(Ok(()))
    }
}
