//! A minimal HTTP/1.1 client: the load generator must use less CPU than the proxies it measures.

use std::{io, net::SocketAddr};

use bytes::{Buf as _, BytesMut};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
};

pub(crate) struct HttpClient {
    socket: TcpStream,
    buffer: BytesMut,
}

enum Framing {
    Length(u64),
    Chunked,
}

impl HttpClient {
    pub(crate) async fn connect(address: SocketAddr) -> io::Result<Self> {
        let socket = TcpStream::connect(address).await?;
        socket.set_nodelay(true)?;
        Ok(Self { socket, buffer: BytesMut::with_capacity(16 * 1024) })
    }

    pub(crate) async fn send(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.socket.write_all(bytes).await
    }

    /// Reads the head of a response and returns its status.
    pub(crate) async fn start(&mut self) -> io::Result<u16> {
        Ok(self.read_head().await?.0)
    }

    /// Reads a response, passes its body to `on_data` and returns its status.
    pub(crate) async fn receive(&mut self, mut on_data: impl FnMut(&[u8])) -> io::Result<u16> {
        let (status, framing) = self.read_head().await?;
        match framing {
            Framing::Length(length) => self.read_data(length, &mut on_data).await?,
            Framing::Chunked => loop {
                let size = loop {
                    match httparse::parse_chunk_size(&self.buffer).map_err(|_| invalid("chunk size"))? {
                        httparse::Status::Complete((start, size)) => {
                            self.buffer.advance(start);
                            break size;
                        }
                        httparse::Status::Partial => self.fill().await?,
                    }
                };
                self.read_data(size, &mut on_data).await?;
                self.read_data(2, &mut |_| {}).await?;
                if size == 0 {
                    break;
                }
            },
        }
        Ok(status)
    }

    async fn read_head(&mut self) -> io::Result<(u16, Framing)> {
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
                    _ => return Err(invalid("message framing")),
                };
                let status = head.code.unwrap_or_default();
                self.buffer.advance(length);
                return Ok((status, framing));
            }
            self.fill().await?;
        }
    }

    async fn read_data(&mut self, mut remaining: u64, on_data: &mut impl FnMut(&[u8])) -> io::Result<()> {
        while remaining > 0 {
            if self.buffer.is_empty() {
                self.fill().await?;
            }
            let length = usize::try_from(remaining).unwrap_or(usize::MAX).min(self.buffer.len());
            on_data(&self.buffer[..length]);
            self.buffer.advance(length);
            remaining -= length as u64;
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

fn invalid(part: &str) -> io::Error {
    io::Error::other(format!("invalid {part}"))
}
