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

impl Request {
    /// Returns the request for a client that takes the host from the address: without the header `host`.
    ///
    /// # Errors
    /// [`http::Error`], if the address or a header is invalid.
    pub fn into_http(self) -> http::Result<http::Request<Vec<u8>>> {
        let headers = self.headers.iter().filter(|(name, _)| *name != "host");
        let request =
            headers.fold(http::Request::post(&self.url), |request, (name, value)| request.header(*name, value));
        request.body(self.body)
    }
}

/// Without the headers, which have the signature, and the body.
impl fmt::Debug for Request {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Request").field("url", &self.url).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn http_request_without_a_host() {
        let headers = vec![("host", "localhost".to_owned()), ("x-amz-target", "DynamoDB_20120810.Query".to_owned())];
        let request = |url: &str| Request { url: url.to_owned(), headers: headers.clone(), body: b"{}".to_vec() };
        let (head, body) = request("http://localhost:8000/").into_http().unwrap().into_parts();
        assert_eq!((head.method, head.uri.to_string()), (http::Method::POST, "http://localhost:8000/".to_owned()));
        let headers: Vec<_> = head.headers.iter().map(|(name, value)| (name.as_str(), value.as_bytes())).collect();
        assert_eq!(headers, [("x-amz-target", &b"DynamoDB_20120810.Query"[..])]);
        assert_eq!(body, b"{}");
        assert!(request("http://local host/").into_http().is_err());
    }
}
