//! A connection, a client's or to the upstream, plain or over TLS.
//!
//! One type for all, so that what speaks over it is compiled once.

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

/// Bytes both ways.
#[derive(Debug)]
pub enum Stream {
    /// TCP alone.
    Plain(TcpStream),
    /// TLS over it, as the client or as the server.
    Tls(Box<TlsStream<TcpStream>>),
    /// To be read only: somebody else writes.
    Half(ReadHalf<Box<Stream>>),
}

impl Stream {
    /// Whether anything has come that nobody has read, be it the end, as far as the runtime has heard.
    pub(crate) fn has_news(&self) -> bool {
        self.tcp().is_none_or(|tcp| is_news(tcp.try_io(Interest::READABLE, || peek(tcp))))
    }

    /// The same. Asks the kernel, which knows before the runtime does.
    pub(crate) fn has_latest_news(&self) -> bool {
        self.tcp().is_none_or(|tcp| is_news(peek(tcp)))
    }

    /// The socket, where all that has come is in the kernel yet.
    fn tcp(&self) -> Option<&TcpStream> {
        match self {
            Self::Plain(tcp) => Some(tcp),
            // What TLS has taken from the kernel and keeps is asked for too.
            Self::Tls(tls) => Some(tls.get_ref().0).filter(|_| tls.get_ref().1.wants_read()),
            Self::Half(_) => None,
        }
    }

    /// Waits until something can be read, where that can be told without reading.
    pub(crate) fn poll_read_ready(&self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self {
            Self::Plain(tcp) => tcp.poll_read_ready(cx),
            Self::Tls(_) | Self::Half(_) => Poll::Ready(Ok(())),
        }
    }

    /// Gives away what can be written to.
    pub(crate) fn split(self) -> (Self, WriteHalf<Box<Self>>) {
        let (read, write) = split(Box::new(self));
        (Self::Half(read), write)
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

fn is_news(peeked: io::Result<usize>) -> bool {
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
