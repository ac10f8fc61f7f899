//! The headers that are removed, in each direction. All others pass unchanged: values, duplicates, and the order within
//! a name.

use http::{HeaderMap, HeaderName, HeaderValue, header};

use crate::credential;

/// The [organization and project](https://platform.openai.com/docs/api-reference/authentication) that pay.
pub(crate) const ORGANIZATION: HeaderName = HeaderName::from_static("openai-organization");
pub(crate) const PROJECT: HeaderName = HeaderName::from_static("openai-project");

/// Headers of one connection
/// ([RFC 9110 §7.6.1](https://www.rfc-editor.org/rfc/rfc9110#section-7.6.1)), besides those that `connection` lists.
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

/// Headers about the connection, the client's address and page, and the account.
static STRIPPED_FROM_REQUEST: [HeaderName; 13] = [
    header::AUTHORIZATION,
    header::HOST,
    // The proxy sends 100 (Continue) itself
    // (https://www.rfc-editor.org/rfc/rfc9110#section-10.1.1).
    header::EXPECT,
    header::COOKIE,
    header::ORIGIN,
    header::REFERER,
    header::FORWARDED,
    HeaderName::from_static("x-real-ip"),
    HeaderName::from_static("true-client-ip"),
    header::VIA,
    HeaderName::from_static("cdn-loop"),
    // The owner chooses them, not the user.
    ORGANIZATION,
    PROJECT,
];

/// Prefixes of the headers that reverse proxies add
/// ([Cloudflare](https://developers.cloudflare.com/fundamentals/reference/http-headers/),
/// [CloudFront](https://docs.aws.amazon.com/AmazonCloudFront/latest/DeveloperGuide/adding-cloudfront-headers.html)),
/// and of those that control the owner's AI Gateway (`cf-aig-`).
const PREFIXES_STRIPPED_FROM_REQUEST: [&str; 5] = ["cf-", "x-forwarded-", "x-amzn-", "x-amz-", "cloudfront-"];

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

/// Removes from a request the headers above, key headers, and every header whose value contains this access key.
pub(crate) fn strip_request(headers: &mut HeaderMap, key: &str) {
    credential::strip_subprotocols(headers);
    strip(headers, |name, value| {
        credential::is_key_header(name)
            || STRIPPED_FROM_REQUEST.contains(name)
            || PREFIXES_STRIPPED_FROM_REQUEST.iter().any(|prefix| name.as_str().starts_with(prefix))
            || contains(value, key)
    });
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

fn strip(headers: &mut HeaderMap, is_stripped: impl Fn(&HeaderName, &[u8]) -> bool) {
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
    fn prefixes_are_lower_case() {
        assert!(PREFIXES_STRIPPED_FROM_REQUEST.iter().all(|prefix| *prefix == prefix.to_ascii_lowercase()));
    }

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
        strip_request(&mut headers, "key");
        assert_eq!(headers.keys().collect::<Vec<_>>(), ["x-four"]);
        assert_eq!(headers.get_all("x-four").iter().collect::<Vec<_>>(), ["1", "2"]);
    }
}
