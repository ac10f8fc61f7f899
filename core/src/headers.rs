//! Headers with a meaning for the proxy, and how headers are removed in both directions.

use http::{HeaderMap, HeaderName, HeaderValue, header};

/// The [organization and project](https://platform.openai.com/docs/api-reference/authentication) that pay.
pub(crate) const ORGANIZATION: HeaderName = HeaderName::from_static("openai-organization");
pub(crate) const PROJECT: HeaderName = HeaderName::from_static("openai-project");

/// [Features that are not released](https://platform.openai.com/docs/api-reference).
pub(crate) const OPENAI_BETA: HeaderName = HeaderName::from_static("openai-beta");

/// The headers whose whole value is a key: those of
/// [Azure OpenAI](https://learn.microsoft.com/en-us/azure/ai-services/openai/reference#authentication),
/// [Anthropic](https://docs.anthropic.com/en/api/overview) and
/// [Gemini](https://ai.google.dev/gemini-api/docs/api-key), which multi-vendor clients send.
pub(crate) static KEY_HEADERS: [HeaderName; 3] = [
    HeaderName::from_static("api-key"),
    HeaderName::from_static("x-api-key"),
    HeaderName::from_static("x-goog-api-key"),
];

/// Headers of one connection
/// ([RFC 9110 §7.6.1](https://www.rfc-editor.org/rfc/rfc9110#section-7.6.1)), besides those that `connection` lists.
pub(crate) static HOP_BY_HOP: [HeaderName; 9] = [
    header::CONNECTION,
    HeaderName::from_static("keep-alive"),
    header::PROXY_AUTHENTICATE,
    header::PROXY_AUTHORIZATION,
    HeaderName::from_static("proxy-connection"),
    header::TE,
    header::TRAILER,
    header::TRANSFER_ENCODING,
    header::UPGRADE,
];

/// Initial capacity for the names to remove. A response of OpenAI over HTTP/2 has 6 of them.
const TYPICALLY_STRIPPED: usize = 8;

/// Whether `bytes` contains the secret.
pub(crate) fn contains(bytes: &[u8], secret: &str) -> bool {
    bytes.len() >= secret.len() && positions(bytes, secret).next().is_some()
}

/// Where `text` occurs in `bytes`. It must not be empty.
pub(crate) fn positions(bytes: &[u8], text: &str) -> impl Iterator<Item = usize> {
    // Comparing the first byte inline avoids a call to `memcmp` at nearly every position.
    let first = text.as_bytes().first();
    let parts = bytes.windows(text.len()).enumerate();
    parts.filter(move |(_, part)| part.first() == first && *part == text.as_bytes()).map(|(position, _)| position)
}

/// Sets the headers of a WebSocket handshake again, after stripping
/// ([RFC 6455 §4.1](https://www.rfc-editor.org/rfc/rfc6455#section-4.1)).
pub(crate) fn upgrade_to_websocket(headers: &mut HeaderMap) {
    headers.insert(header::CONNECTION, HeaderValue::from_static("upgrade"));
    headers.insert(header::UPGRADE, HeaderValue::from_static("websocket"));
}

/// Whether a list header contains this token, in any case.
pub(crate) fn has_token(headers: &HeaderMap, name: HeaderName, token: &str) -> bool {
    tokens(headers, name).any(|found| found.eq_ignore_ascii_case(token.as_bytes()))
}

/// Removes the headers that `connection` lists, and those for which `is_stripped` returns true.
pub(crate) fn strip(headers: &mut HeaderMap, mut is_stripped: impl FnMut(&HeaderName, &[u8]) -> bool) {
    let mut stripped = Vec::with_capacity(TYPICALLY_STRIPPED);
    // The usual token, whose header is never forwarded.
    let listed = tokens(headers, header::CONNECTION).filter(|token| *token != b"keep-alive");
    stripped.extend(listed.filter_map(|token| HeaderName::from_bytes(token).ok()));
    for (name, value) in headers.iter() {
        if is_stripped(name, value.as_bytes()) {
            stripped.push(name.clone());
        }
    }
    for name in stripped {
        headers.remove(name);
    }
}

fn tokens(headers: &HeaderMap, name: HeaderName) -> impl Iterator<Item = &[u8]> {
    let values = headers.get_all(name).into_iter();
    values.flat_map(|value| value.as_bytes().split(|b| *b == b',')).map(<[u8]>::trim_ascii)
}
