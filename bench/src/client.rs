//! A cheap HTTP/1.1 client, so that the load costs less than what it measures.

use std::{io, net::SocketAddr};

use bytes::{Buf as _, BytesMut};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
};

pub(crate) struct Client {
    socket: TcpStream,
    buffer: BytesMut,
}

enum Framing {
    Length(u64),
    Chunked,
}

impl Client {
    pub(crate) async fn connect(address: SocketAddr) -> io::Result<Self> {
        let socket = TcpStream::connect(address).await?;
        socket.set_nodelay(true)?;
        Ok(Self { socket, buffer: BytesMut::with_capacity(16 * 1024) })
    }

    pub(crate) async fn send(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.socket.write_all(bytes).await
    }

    /// Reads an answer, piece by piece; returns its status.
    pub(crate) async fn receive(&mut self, mut take: impl FnMut(&[u8])) -> io::Result<u16> {
        let (status, framing) = self.head().await?;
        match framing {
            Framing::Length(length) => self.piece(length, &mut take).await?,
            Framing::Chunked => loop {
                let size = loop {
                    match httparse::parse_chunk_size(&self.buffer).map_err(|_| odd("a chunk's size"))? {
                        httparse::Status::Complete((start, size)) => {
                            self.buffer.advance(start);
                            break size;
                        }
                        httparse::Status::Partial => self.fill().await?,
                    }
                };
                self.piece(size, &mut take).await?;
                self.piece(2, &mut |_| {}).await?;
                if size == 0 {
                    break;
                }
            },
        }
        Ok(status)
    }

    async fn head(&mut self) -> io::Result<(u16, Framing)> {
        loop {
            let mut headers = [httparse::EMPTY_HEADER; 100];
            let mut head = httparse::Response::new(&mut headers);
            if let httparse::Status::Complete(length) = head.parse(&self.buffer).map_err(io::Error::other)? {
                let value = |name| {
                    let found = head.headers.iter().find(|header| header.name.eq_ignore_ascii_case(name));
                    found.and_then(|header| str::from_utf8(header.value).ok())
                };
                let framing = match (value("transfer-encoding"), value("content-length")) {
                    (Some("chunked"), None) => Framing::Chunked,
                    (None, Some(length)) => Framing::Length(length.parse().map_err(io::Error::other)?),
                    _ => return Err(odd("the framing")),
                };
                let status = head.code.unwrap_or_default();
                self.buffer.advance(length);
                return Ok((status, framing));
            }
            self.fill().await?;
        }
    }

    async fn piece(&mut self, mut left: u64, take: &mut impl FnMut(&[u8])) -> io::Result<()> {
        while left > 0 {
            if self.buffer.is_empty() {
                self.fill().await?;
            }
            let here = usize::try_from(left).unwrap_or(usize::MAX).min(self.buffer.len());
            take(&self.buffer[..here]);
            self.buffer.advance(here);
            left -= here as u64;
        }
        Ok(())
    }

    async fn fill(&mut self) -> io::Result<()> {
        self.buffer.reserve(64 * 1024);
        if self.socket.read_buf(&mut self.buffer).await? == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        Ok(())
    }
}

fn odd(what: &str) -> io::Error {
    io::Error::other(format!("{what} can't be read"))
}
