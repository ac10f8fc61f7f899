//! Whether a request may switch protocols.

/// Whether the upstream may switch protocols ([RFC 9110 §7.8](https://www.rfc-editor.org/rfc/rfc9110#section-7.8)).
/// Exhaustive: a new protocol would need other code.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Upgrade {
    /// A status 101 is an invalid response.
    Forbidden,
    /// The request asks for a WebSocket, so it goes over HTTP/1.1.
    WebSocket,
}
