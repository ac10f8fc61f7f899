//! What sends the requests.

use std::fmt;

/// A signed request: `POST` with a JSON body.
pub struct Request {
    /// The address, with the path `/`.
    pub url: String,
    /// The headers, but for those of the connection and `content-length`.
    pub headers: Vec<(&'static str, String)>,
    /// The body.
    pub body: Vec<u8>,
}

/// A response.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Response {
    /// The status.
    pub status: u16,
    /// The body.
    pub body: Vec<u8>,
}

/// Why there is no response.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum TransportError {
    /// Nothing was sent.
    #[error("{0}")]
    NotSent(String),
    /// The request may have arrived.
    #[error("{0}")]
    Interrupted(String),
}

/// Sends requests. The future of a request that takes too long is dropped; then its connection must not be used again. There
/// is time for two tries of full length, so the second one needs a connection that was not idle.
pub trait Transport: 'static {
    /// Sends a request once, and reads the response.
    fn send(&self, request: Request) -> impl Future<Output = Result<Response, TransportError>>;
}

/// Without the headers, which have the signature, and the body.
impl fmt::Debug for Request {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Request").field("url", &self.url).finish_non_exhaustive()
    }
}
