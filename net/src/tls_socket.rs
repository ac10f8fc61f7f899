//! TCP below TLS, with a bound on the peer's handshake.

use std::{
    io,
    pin::Pin,
    task::{Context, Poll, ready},
};

use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    net::TcpStream,
};

/// Bytes after which a handshake that needs more is ended: rustls stores a message of up to 64 KiB, 73 KiB of memory for a
/// `ClientHello` that does not end. Usual ones have 2 KB; `BoringSSL` refuses longer ones than 16 KiB too.
const HANDSHAKE_MAX: usize = 16 * 1024;

/// A TCP connection that TLS reads and writes.
#[derive(Debug)]
pub struct TlsSocket {
    tcp: TcpStream,
    /// Bytes of the handshake that were read; `None` without a bound.
    handshake: Option<usize>,
}

impl TlsSocket {
    /// Bounds the peer's handshake, until [`end_handshake`](Self::end_handshake).
    #[must_use]
    pub fn bounded(tcp: TcpStream) -> Self {
        Self { tcp, handshake: Some(0) }
    }

    /// Trusts the peer, whose handshake may be long.
    #[must_use]
    pub fn unbounded(tcp: TcpStream) -> Self {
        Self { tcp, handshake: None }
    }

    /// Lifts the bound.
    pub fn end_handshake(&mut self) {
        self.handshake = None;
    }

    pub(crate) fn tcp(&self) -> &TcpStream {
        &self.tcp
    }
}

impl AsyncRead for TlsSocket {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let Some(read) = self.handshake else { return Pin::new(&mut self.tcp).poll_read(cx, buffer) };
        // Checked before a read, which may contain requests after the end of the handshake.
        if read > HANDSHAKE_MAX {
            return Poll::Ready(Err(io::Error::other("TLS handshake is too long")));
        }
        let before = buffer.filled().len();
        ready!(Pin::new(&mut self.tcp).poll_read(cx, buffer))?;
        self.handshake = Some(read + buffer.filled().len() - before);
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for TlsSocket {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.tcp).poll_write(cx, bytes)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        parts: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.tcp).poll_write_vectored(cx, parts)
    }

    fn is_write_vectored(&self) -> bool {
        self.tcp.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.tcp).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.tcp).poll_shutdown(cx)
    }
}
