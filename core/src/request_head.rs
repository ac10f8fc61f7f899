//! A request head whose path is decoded once, for the log and for the gate.

use http::request;

use crate::percent;

/// A request head, as an adapter received it.
#[derive(Debug)]
pub struct RequestHead {
    /// Boxed, because it is moved often.
    parts: Box<request::Parts>,
    /// `None` if the path has no percent-escape.
    decoded_path: Option<Vec<u8>>,
}

impl RequestHead {
    /// Returns the head as the client sent it.
    #[must_use]
    pub fn parts(&self) -> &request::Parts {
        &self.parts
    }

    pub(crate) fn into_parts(self) -> Box<request::Parts> {
        self.parts
    }

    /// The path with all percent-escapes decoded, repeatedly.
    pub(crate) fn decoded_path(&self) -> &[u8] {
        self.decoded_path.as_deref().unwrap_or(self.parts.uri.path().as_bytes())
    }
}

impl From<request::Parts> for RequestHead {
    fn from(parts: request::Parts) -> Self {
        let decoded_path = percent::decode_fully(parts.uri.path().as_bytes());
        Self { parts: Box::new(parts), decoded_path }
    }
}
