//! hyper's own error responses over HTTP/1.1, to a head that it cannot parse, and what replaces them.

use std::io::Write as _;

use bytes::Bytes;
use http::{Response, StatusCode};
use sparekey_core::HeadFailure;

/// The failure that hyper's own error response is about; `None` for other bytes. hyper writes it in one piece, with an
/// empty body.
pub(crate) fn failure(bytes: &[u8]) -> Option<HeadFailure> {
    let head = bytes.strip_prefix(b"HTTP/1.").filter(|rest| rest.get(2) == Some(&b'4'))?;
    let is_empty = memchr::memmem::find(head, b"content-length: 0\r\n").is_some();
    StatusCode::from_bytes(head.get(2..5)?).ok().filter(|_| is_empty).map(HeadFailure::from_status)
}

/// Encodes a response that closes the connection
/// ([RFC 9112 §9.6](https://www.rfc-editor.org/rfc/rfc9112#section-9.6)).
pub(crate) fn encode(response: &Response<Bytes>) -> Bytes {
    let mut bytes = Vec::new();
    // Writing to a `Vec` cannot fail.
    let _ = write!(bytes, "HTTP/1.1 {}\r\nconnection: close\r\n", response.status());
    for (name, value) in response.headers() {
        let _ = write!(bytes, "{name}: ");
        bytes.extend_from_slice(value.as_bytes());
        bytes.extend_from_slice(b"\r\n");
    }
    bytes.extend_from_slice(b"\r\n");
    bytes.extend_from_slice(response.body());
    bytes.into()
}
