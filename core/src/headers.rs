//! What crosses the proxy, each way. Everything that is not named here passes: bytes, duplicates and
//! order within a name kept.

use http::{HeaderMap, HeaderName, HeaderValue, header};

use crate::credential;

/// Headers that speak of one connection only
/// ([RFC 9110 §7.6.1](https://www.rfc-editor.org/rfc/rfc9110#section-7.6.1)), besides those that `connection` names.
const HOP_BY_HOP: [&str; 9] = [
    "connection",
    "keep-alive",
    "proxy-authenticate",
    "proxy-authorization",
    "proxy-connection",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
];

/// Headers of a request that end here.
const REQUEST_ENDS_HERE: [&str; 13] = [
    "authorization",
    "host",
    // The proxy says 100 itself, when it begins to read.
    "expect",
    "cookie",
    "origin",
    "referer",
    "forwarded",
    "x-real-ip",
    "true-client-ip",
    "via",
    "cdn-loop",
    // The owner's choice, not the guest's.
    "openai-organization",
    "openai-project",
];

/// Beginnings of names of headers that end here: what fronts add, and what steers the owner's gateway.
const REQUEST_ENDS_HERE_PREFIXES: [&str; 5] = ["cf-", "x-forwarded-", "x-amzn-", "x-amz-", "cloudfront-"];

/// Headers of an answer that end here.
const ANSWER_ENDS_HERE: [&str; 7] =
    ["set-cookie", "alt-svc", "strict-transport-security", "nel", "report-to", "openai-organization", "openai-project"];

/// Removes from a request what must not reach the upstream, and every header whose value holds this key.
pub(crate) fn strip_request(headers: &mut HeaderMap, key: &str) {
    credential::strip_subprotocols(headers);
    strip(headers, |name, value| {
        credential::is_key_header(name)
            || REQUEST_ENDS_HERE.contains(&name)
            || REQUEST_ENDS_HERE_PREFIXES.iter().any(|prefix| name.starts_with(prefix))
            || holds(value, key)
    });
}

/// Removes from an answer what must not reach the client, and every header whose value holds one of these secrets.
pub(crate) fn strip_answer<'a>(headers: &mut HeaderMap, secrets: &(impl Iterator<Item = &'a str> + Clone)) {
    strip(headers, |name, value| {
        ANSWER_ENDS_HERE.contains(&name)
            || name.starts_with("access-control-")
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

fn strip(headers: &mut HeaderMap, ends_here: impl Fn(&str, &[u8]) -> bool) {
    let mut gone = Vec::with_capacity(USUAL);
    gone.extend(tokens(headers, header::CONNECTION).filter_map(|token| HeaderName::from_bytes(token).ok()));
    for (name, value) in headers.iter() {
        if HOP_BY_HOP.contains(&name.as_str()) || ends_here(name.as_str(), value.as_bytes()) {
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
    fn the_tables_are_in_lower_case() {
        let tables = [&HOP_BY_HOP[..], &REQUEST_ENDS_HERE, &REQUEST_ENDS_HERE_PREFIXES, &ANSWER_ENDS_HERE];
        assert!(tables.concat().iter().all(|name| *name == name.to_ascii_lowercase()));
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
