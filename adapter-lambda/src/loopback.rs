//! Plain HTTP/1.1 to a neighbour on the same machine: the Runtime API, the secrets' extension.

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

/// One connection, opened when it is needed.
#[derive(Debug)]
pub(crate) struct Loopback<B> {
    authority: Authority,
    /// What stands before each path.
    prefix: String,
    sender: Option<SendRequest<B>>,
}

impl<B> Loopback<B>
where
    B: Body<Data = Bytes, Error: Into<BoxError>> + Send + 'static,
{
    /// `at` is `host:port`, or a URL with a path that all paths stand below.
    pub(crate) fn new(at: &str) -> Result<Self, http::Error> {
        let at: Uri = at.parse()?;
        let prefix = if at.scheme().is_some() { at.path().trim_end_matches('/') } else { "" };
        let authority = at.authority().cloned().map_or_else(|| at.path().parse(), Ok)?;
        Ok(Self { authority, prefix: prefix.to_owned(), sender: None })
    }

    /// Sends a request; its URI is a path.
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
        // With Nagle's algorithm each small piece waits for the acknowledgement of the one before, which the other
        // end holds back: 40 ms an answer.
        stream.set_nodelay(true)?;
        let (sender, connection) = handshake(TokioIo::new(stream)).await.map_err(io::Error::other)?;
        tokio::spawn(connection);
        Ok(sender)
    }
}
