//! An HTTP/1.1 client for services on the same machine: the Runtime API and the secrets extension.

use std::io;

use bytes::Bytes;
use http::{Request, Response, Uri, header, uri::Authority};
use http_body::Body;
use hyper::{
    body::Incoming,
    client::conn::http1::{SendRequest, handshake},
};
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;

type BoxError = Box<dyn std::error::Error + Send + Sync>;

/// One connection, opened on the first request.
#[derive(Debug)]
pub(crate) struct Loopback<B> {
    authority: Authority,
    /// Prefix of every path.
    prefix: String,
    sender: Option<SendRequest<B>>,
}

impl<B> Loopback<B>
where
    B: Body<Data = Bytes, Error: Into<BoxError>> + Send + 'static,
{
    /// `base` is `host:port`, or a URL whose path is the prefix of all requests (`cargo lambda watch` has one).
    pub(crate) fn new(base: &str) -> Result<Self, http::Error> {
        let base: Uri = base.parse()?;
        let prefix = if base.scheme().is_some() { base.path().trim_end_matches('/') } else { "" };
        let authority = base.authority().cloned().map_or_else(|| base.path().parse(), Ok)?;
        Ok(Self { authority, prefix: prefix.to_owned(), sender: None })
    }

    /// Sends a request, whose URI is a path. Connects first if no connection is open.
    pub(crate) async fn send(&mut self, mut request: Request<B>) -> io::Result<Response<Incoming>> {
        let path = format!("{}{}", self.prefix, request.uri());
        *request.uri_mut() = path.parse().map_err(io::Error::other)?;
        let host = self.authority.as_str().try_into().map_err(io::Error::other)?;
        request.headers_mut().insert(header::HOST, host);
        let open = match self.sender.take() {
            Some(mut sender) => sender.ready().await.is_ok().then_some(sender),
            None => None,
        };
        let mut sender = match open {
            Some(sender) => sender,
            None => self.connect().await?,
        };
        let response = sender.send_request(request).await.map_err(io::Error::other)?;
        self.sender = Some(sender);
        Ok(response)
    }

    async fn connect(&self) -> io::Result<SendRequest<B>> {
        let stream = TcpStream::connect(self.authority.as_str()).await?;
        // Prelude, separator and body are small writes. With Nagle's algorithm each waits for the delayed acknowledgement
        // of the previous one: 44 ms per response instead of 1 ms (`figures.sh`).
        stream.set_nodelay(true)?;
        let (sender, connection) = handshake(TokioIo::new(stream)).await.map_err(io::Error::other)?;
        tokio::spawn(connection);
        Ok(sender)
    }
}
