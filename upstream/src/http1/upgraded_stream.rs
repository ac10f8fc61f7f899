//! The byte stream of a connection after a switch of protocols.

use std::{
    io,
    pin::Pin,
    task::{Context, Poll},
};

use bytes::BytesMut;
use sparekey_net::Stream;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

/// A connection to the upstream after a switch of protocols.
#[derive(Debug)]
pub struct UpgradedStream {
    stream: Stream,
    /// Bytes that arrived together with the response head.
    read: BytesMut,
}

impl UpgradedStream {
    pub(super) fn new(stream: Stream, read: BytesMut) -> Self {
        Self { stream, read }
    }
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
