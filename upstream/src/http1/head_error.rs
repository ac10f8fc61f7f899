//! Why a response head is invalid.

/// Why a response head is invalid.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum HeadError {
    /// The first line is not `HTTP/1.0` or `HTTP/1.1` and a status.
    #[error("malformed status line")]
    StatusLine,
    /// A line does not start with a header name and a colon.
    #[error("malformed header name")]
    Name,
    /// A header value contains a control character.
    #[error("control character in a header value")]
    Value,
    /// It exceeds 65,535 bytes or 128 headers.
    #[error("response headers too long")]
    TooLong,
    /// `Content-Length` and `Transfer-Encoding` don't define where the body ends.
    #[error("invalid Content-Length or Transfer-Encoding")]
    Framing,
    /// Status 101 without a request for it.
    #[error("unexpected status 101")]
    UnexpectedUpgrade,
}
