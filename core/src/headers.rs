//! The headers that are removed, in each direction. The others pass unchanged: values, duplicates, and the order within
//! a name.

use http::{HeaderMap, HeaderName, HeaderValue, header};

use crate::{
    credential,
    request_headers::{Fate, PassHeaders},
};

/// The [organization and project](https://platform.openai.com/docs/api-reference/authentication) that pay.
pub(crate) const ORGANIZATION: HeaderName = HeaderName::from_static("openai-organization");
pub(crate) const PROJECT: HeaderName = HeaderName::from_static("openai-project");

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

/// Headers about the upstream's site, which would apply to the proxy's, and about the owner's account.
static STRIPPED_FROM_RESPONSE: [HeaderName; 7] = [
    header::SET_COOKIE,
    header::ALT_SVC,
    header::STRICT_TRANSPORT_SECURITY,
    HeaderName::from_static("nel"),
    HeaderName::from_static("report-to"),
    ORGANIZATION,
    PROJECT,
];

/// Initial capacity for the names to remove. A response of OpenAI has 7 of them.
const TYPICALLY_STRIPPED: usize = 8;

/// Removes from a request all headers that [`PassHeaders`] does not pass, and every header whose value contains this
/// access key. Returns the names of those that the owner should know of.
pub(crate) fn strip_request(headers: &mut HeaderMap, key: &str, pass: &PassHeaders) -> Vec<HeaderName> {
    credential::strip_subprotocols(headers);
    let mut reported = Vec::new();
    strip(headers, |name, value| match pass.fate(name) {
        Fate::Pass => contains(value, key),
        Fate::Drop => true,
        Fate::DropAndReport => {
            reported.push(name.clone());
            true
        }
    });
    reported
}

/// Removes from a response the headers above, and every header whose value contains one of these secrets.
pub(crate) fn strip_response<'a>(headers: &mut HeaderMap, secrets: &(impl Iterator<Item = &'a str> + Clone)) {
    strip(headers, |name, value| {
        STRIPPED_FROM_RESPONSE.contains(name)
            || name.as_str().starts_with("access-control-")
            || secrets.clone().any(|secret| contains(value, secret))
    });
}

/// Whether `bytes` contains the secret.
pub(crate) fn contains(bytes: &[u8], secret: &str) -> bool {
    // Comparing the first byte inline avoids a call to `memcmp` at nearly every position.
    let first = secret.as_bytes().first();
    bytes.len() >= secret.len()
        && bytes.windows(secret.len()).any(|part| part.first() == first && part == secret.as_bytes())
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

fn strip(headers: &mut HeaderMap, mut is_stripped: impl FnMut(&HeaderName, &[u8]) -> bool) {
    let mut stripped = Vec::with_capacity(TYPICALLY_STRIPPED);
    stripped.extend(tokens(headers, header::CONNECTION).filter_map(|token| HeaderName::from_bytes(token).ok()));
    for (name, value) in headers.iter() {
        if HOP_BY_HOP.contains(name) || is_stripped(name, value.as_bytes()) {
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn headers_listed_in_connection_are_removed() {
        let mut headers = HeaderMap::new();
        for (name, value) in [("connection", "close, X-One ,,"), ("connection", "x-three")] {
            headers.append(name, HeaderValue::from_static(value));
        }
        for name in ["x-one", "x-three", "x-four"] {
            headers.append(name, HeaderValue::from_static("1"));
            headers.append(name, HeaderValue::from_static("2"));
        }
        let pass = PassHeaders::parse("x-*").unwrap();
        assert!(strip_request(&mut headers, "key", &pass).is_empty());
        assert_eq!(headers.keys().collect::<Vec<_>>(), ["x-four"]);
        assert_eq!(headers.get_all("x-four").iter().collect::<Vec<_>>(), ["1", "2"]);
    }
}
