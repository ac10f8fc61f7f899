//! What crosses the proxy, each way. Everything that is not named here passes: bytes, duplicates and
//! order within a name kept.

use http::{HeaderMap, HeaderName, HeaderValue, header};

use crate::credential;

/// Whose account pays.
pub(crate) const ORGANIZATION: HeaderName = HeaderName::from_static("openai-organization");
pub(crate) const PROJECT: HeaderName = HeaderName::from_static("openai-project");

/// Headers that speak of one connection only
/// ([RFC 9110 §7.6.1](https://www.rfc-editor.org/rfc/rfc9110#section-7.6.1)), besides those that `connection` names.
static HOP_BY_HOP: [HeaderName; 9] = [
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

/// Headers of a request that end here.
static REQUEST_ENDS_HERE: [HeaderName; 13] = [
    header::AUTHORIZATION,
    header::HOST,
    // The proxy says 100 itself, when it begins to read.
    header::EXPECT,
    header::COOKIE,
    header::ORIGIN,
    header::REFERER,
    header::FORWARDED,
    HeaderName::from_static("x-real-ip"),
    HeaderName::from_static("true-client-ip"),
    header::VIA,
    HeaderName::from_static("cdn-loop"),
    // The owner's choice, not the guest's.
    ORGANIZATION,
    PROJECT,
];

/// Beginnings of names of headers that end here: what fronts add, and what steers the owner's gateway.
const REQUEST_ENDS_HERE_PREFIXES: [&str; 5] = ["cf-", "x-forwarded-", "x-amzn-", "x-amz-", "cloudfront-"];

/// Headers of an answer that end here.
static ANSWER_ENDS_HERE: [HeaderName; 7] = [
    header::SET_COOKIE,
    header::ALT_SVC,
    header::STRICT_TRANSPORT_SECURITY,
    HeaderName::from_static("nel"),
    HeaderName::from_static("report-to"),
    ORGANIZATION,
    PROJECT,
];

/// Removes from a request what must not reach the upstream, and every header whose value holds this key.
pub(crate) fn strip_request(headers: &mut HeaderMap, key: &str) {
    credential::strip_subprotocols(headers);
    strip(headers, |name, value| {
        credential::is_key_header(name)
            || REQUEST_ENDS_HERE.contains(name)
            || REQUEST_ENDS_HERE_PREFIXES.iter().any(|prefix| name.as_str().starts_with(prefix))
            || holds(value, key)
    });
}

/// Removes from an answer what must not reach the client, and every header whose value holds one of these secrets.
pub(crate) fn strip_answer<'a>(headers: &mut HeaderMap, secrets: &(impl Iterator<Item = &'a str> + Clone)) {
    strip(headers, |name, value| {
        ANSWER_ENDS_HERE.contains(name)
            || name.as_str().starts_with("access-control-")
            || secrets.clone().any(|secret| holds(value, secret))
    });
}

/// Whether a secret stands anywhere in these bytes.
pub(crate) fn holds(bytes: &[u8], secret: &str) -> bool {
    // The first byte alone tells most places apart, without a call.
    let first = secret.as_bytes().first();
    bytes.len() >= secret.len()
        && bytes.windows(secret.len()).any(|part| part.first() == first && part == secret.as_bytes())
}

/// Puts back what opens a WebSocket, after stripping
/// ([RFC 6455 §4.1](https://www.rfc-editor.org/rfc/rfc6455#section-4.1)).
pub(crate) fn upgrade_to_websocket(headers: &mut HeaderMap) {
    headers.insert(header::CONNECTION, HeaderValue::from_static("upgrade"));
    headers.insert(header::UPGRADE, HeaderValue::from_static("websocket"));
}

/// Whether a list header holds this token, in any case.
pub(crate) fn has_token(headers: &HeaderMap, name: HeaderName, token: &str) -> bool {
    tokens(headers, name).any(|found| found.eq_ignore_ascii_case(token.as_bytes()))
}

/// More are seldom removed.
const USUAL: usize = 8;

fn strip(headers: &mut HeaderMap, ends_here: impl Fn(&HeaderName, &[u8]) -> bool) {
    let mut gone = Vec::with_capacity(USUAL);
    gone.extend(tokens(headers, header::CONNECTION).filter_map(|token| HeaderName::from_bytes(token).ok()));
    for (name, value) in headers.iter() {
        if HOP_BY_HOP.contains(name) || ends_here(name, value.as_bytes()) {
            gone.push(name.clone());
        }
    }
    for name in gone {
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
    fn beginnings_are_in_lower_case() {
        assert!(REQUEST_ENDS_HERE_PREFIXES.iter().all(|prefix| *prefix == prefix.to_ascii_lowercase()));
    }

    #[test]
    fn nominated_headers_go_with_the_connection() {
        let mut headers = HeaderMap::new();
        for (name, value) in [("connection", "close, X-One ,,"), ("connection", "x-three")] {
            headers.append(name, HeaderValue::from_static(value));
        }
        for name in ["x-one", "x-three", "x-four"] {
            headers.append(name, HeaderValue::from_static("1"));
            headers.append(name, HeaderValue::from_static("2"));
        }
        strip_request(&mut headers, "key");
        assert_eq!(headers.keys().collect::<Vec<_>>(), ["x-four"]);
        assert_eq!(headers.get_all("x-four").iter().collect::<Vec<_>>(), ["1", "2"]);
    }
}
