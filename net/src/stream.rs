//! A connection, from a client or to the upstream, plain or over TLS.
//!
//! One type for all, so that the code that uses it is compiled once.

use std::{
    io,
    mem::MaybeUninit,
    pin::Pin,
    task::{Context, Poll},
};

use socket2::SockRef;
use tokio::{
    io::{AsyncRead, AsyncWrite, Interest, ReadBuf, ReadHalf, WriteHalf, split},
    net::TcpStream,
};
use tokio_rustls::TlsStream;

use crate::TlsSocket;

/// A connection. Exhaustive: callers create the variants.
#[derive(Debug)]
pub enum Stream {
    /// TCP.
    Plain(TcpStream),
    /// TLS over TCP, as the client or as the server.
    Tls(Box<TlsStream<TlsSocket>>),
    /// The reading half; another task writes.
    Half(ReadHalf<Box<Stream>>),
}

impl Stream {
    /// Returns whether unread bytes or the end have arrived, as far as the runtime was notified.
    pub fn has_unread(&self) -> bool {
        self.tcp().is_none_or(|tcp| is_unread(tcp.try_io(Interest::READABLE, || peek(tcp))))
    }

    /// Returns the same by a system call, because the runtime is notified later.
    pub fn has_unread_in_kernel(&self) -> bool {
        self.tcp().is_none_or(|tcp| is_unread(peek(tcp)))
    }

    /// Waits until bytes can be read. Over TLS it returns at once, because only a read shows whether there are bytes.
    pub fn poll_read_ready(&self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self {
            Self::Plain(tcp) => tcp.poll_read_ready(cx),
            Self::Tls(_) | Self::Half(_) => Poll::Ready(Ok(())),
        }
    }

    /// Splits off the writing half.
    pub fn split(self) -> (Self, WriteHalf<Box<Self>>) {
        let (read, write) = split(Box::new(self));
        (Self::Half(read), write)
    }

    /// The socket, if all unread bytes are in the kernel.
    fn tcp(&self) -> Option<&TcpStream> {
        match self {
            Self::Plain(tcp) => Some(tcp),
            // TLS may have read bytes from the kernel and buffered them.
            Self::Tls(tls) => Some(tls.get_ref().0.tcp()).filter(|_| tls.get_ref().1.wants_read()),
            Self::Half(_) => None,
        }
    }

    fn reader(self: Pin<&mut Self>) -> Pin<&mut (dyn AsyncRead + Unpin)> {
        match self.get_mut() {
            Self::Plain(tcp) => Pin::new(tcp as &mut (dyn AsyncRead + Unpin)),
            Self::Tls(tls) => Pin::new(&mut **tls as &mut (dyn AsyncRead + Unpin)),
            Self::Half(half) => Pin::new(half as &mut (dyn AsyncRead + Unpin)),
        }
    }

    fn writer(self: Pin<&mut Self>) -> io::Result<Pin<&mut (dyn AsyncWrite + Unpin)>> {
        match self.get_mut() {
            Self::Plain(tcp) => Ok(Pin::new(tcp as &mut (dyn AsyncWrite + Unpin))),
            Self::Tls(tls) => Ok(Pin::new(&mut **tls as &mut (dyn AsyncWrite + Unpin))),
            Self::Half(_) => Err(io::ErrorKind::BrokenPipe.into()),
        }
    }
}

fn peek(tcp: &TcpStream) -> io::Result<usize> {
    SockRef::from(tcp).peek(&mut [MaybeUninit::uninit()])
}

fn is_unread(peeked: io::Result<usize>) -> bool {
    !matches!(peeked, Err(error) if error.kind() == io::ErrorKind::WouldBlock)
}

impl AsyncRead for Stream {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        self.reader().poll_read(cx, buffer)
    }
}

impl AsyncWrite for Stream {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        self.writer()?.poll_write(cx, bytes)
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        parts: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        self.writer()?.poll_write_vectored(cx, parts)
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.writer()?.poll_flush(cx)
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.writer()?.poll_shutdown(cx)
    }
}
