//! Why a request has no response.

use std::{error::Error as StdError, fmt, time::Duration};

pub(crate) type BoxError = Box<dyn StdError + Send + Sync>;

/// Why a request has no response head. Its text contains nothing of the request.
#[derive(Debug)]
pub struct Error {
    kind: ErrorKind,
    source: BoxError,
}

/// The kind of an error. Exhaustive: a caller has to choose an error response for each kind.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum ErrorKind {
    /// Nothing of the request was sent: no connection, or it closed before a byte was written.
    NotSent,
    /// The upstream has said that it processes nothing of the request.
    Refused,
    /// The client's body ended early, or has another length than its `Content-Length`.
    RequestBody,
    /// The connection broke after a part of the request was sent.
    Interrupted,
    /// The upstream's response is not valid HTTP.
    InvalidResponse,
    /// The upstream sent no response head in time. The request was sent, or a part of it.
    Timeout,
}

impl Error {
    /// Returns the kind of the error.
    #[must_use]
    pub fn kind(&self) -> ErrorKind {
        self.kind
    }

    /// Returns all causes, in one line.
    #[must_use]
    pub fn causes(&self) -> String {
        let mut text = self.source.to_string();
        let mut next = self.source.source();
        while let Some(cause) = next {
            text = format!("{text}: {cause}");
            next = cause.source();
        }
        text
    }

    pub(crate) fn new(kind: ErrorKind, source: impl Into<BoxError>) -> Self {
        Self { kind, source: source.into() }
    }

    pub(crate) fn not_sent(source: impl Into<BoxError>) -> Self {
        Self::new(ErrorKind::NotSent, source)
    }

    pub(crate) fn timeout(after: Duration) -> Self {
        Self::new(ErrorKind::Timeout, format!("no response headers within {after:?}"))
    }
}

/// The error with all its causes, in one line.
impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self.kind {
            ErrorKind::NotSent => "upstream request not sent",
            ErrorKind::Refused => "the upstream refused the request unread",
            ErrorKind::RequestBody => "the client sent an invalid request body",
            ErrorKind::Interrupted | ErrorKind::Timeout => "upstream request failed",
            ErrorKind::InvalidResponse => "upstream sent an invalid response",
        })?;
        write!(f, ": {}", self.causes())
    }
}

impl StdError for Error {}
