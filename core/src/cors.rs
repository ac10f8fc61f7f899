//! Headers for browsers ([Fetch, CORS protocol](https://fetch.spec.whatwg.org/#http-cors-protocol)).
//!
//! There is no credentials mode: the page sets the key in a header, so `*` is enough and safe.

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, Method, Response, StatusCode, header, request};

use crate::list;

/// The response headers that a page may read, besides the
/// [safelisted ones](https://fetch.spec.whatwg.org/#cors-safelisted-response-header-name): all. Older browsers do not read
/// `*`, so the most used names stand before it.
const EXPOSED: HeaderValue = HeaderValue::from_static(
    "location, openai-processing-ms, openai-version, retry-after, retry-after-ms, x-request-id, x-should-retry, \
     x-ratelimit-limit-requests, x-ratelimit-limit-tokens, x-ratelimit-remaining-requests, \
     x-ratelimit-remaining-tokens, x-ratelimit-reset-requests, x-ratelimit-reset-tokens, *",
);
/// The methods of OpenAI's API, and the other common ones.
const METHODS: HeaderValue = HeaderValue::from_static("GET, HEAD, POST, PUT, PATCH, DELETE");
/// Seconds that a browser may cache a preflight: a day, the maximum of Firefox; Chromium's is two hours
/// ([MDN](https://developer.mozilla.org/en-US/docs/Web/HTTP/Reference/Headers/Access-Control-Max-Age)).
const MAX_AGE: HeaderValue = HeaderValue::from_static("86400");
/// [Private Network Access](https://wicg.github.io/private-network-access/#headers): a public page asks before it uses a
/// server in a private network.
const REQUEST_PRIVATE_NETWORK: HeaderName = HeaderName::from_static("access-control-request-private-network");
const ALLOW_PRIVATE_NETWORK: HeaderName = HeaderName::from_static("access-control-allow-private-network");
const ANY: HeaderValue = HeaderValue::from_static("*");

/// `ALLOWED_ORIGINS`: the origins whose pages may read responses.
#[derive(Debug, Default)]
pub(crate) enum AllowedOrigins {
    #[default]
    Any,
    Listed(Vec<String>),
}

/// The CORS headers of one response, the upstream's or our own.
#[derive(Clone, Debug)]
pub(crate) enum Cors {
    /// No `Origin`: no CORS headers.
    NotABrowser,
    /// The origin is not in `ALLOWED_ORIGINS`.
    Refused,
    /// The value of `Access-Control-Allow-Origin`.
    Allowed(HeaderValue),
}

impl AllowedOrigins {
    /// Reads `*`, or a comma or newline separated list of origins such as `https://chat.example.com`.
    ///
    /// # Errors
    /// The position of the first item that is not an origin, counted from 1.
    pub(crate) fn parse(list: &str) -> Result<Self, usize> {
        let items = || list::items(list);
        if items().all(|(_, item)| item == "*") {
            return Ok(Self::Any);
        }
        match items().find(|(_, item)| !is_origin(item)) {
            Some((position, _)) => Err(position.number),
            None => Ok(Self::Listed(items().map(|(_, item)| item.to_ascii_lowercase()).collect())),
        }
    }

    /// The CORS headers of the response to this request.
    pub(crate) fn for_request(&self, request: &HeaderMap) -> Cors {
        let Some(origin) = request.get(header::ORIGIN) else { return Cors::NotABrowser };
        match self {
            Self::Any => Cors::Allowed(ANY),
            Self::Listed(list) if list.iter().any(|o| o.as_bytes() == origin.as_bytes()) => {
                Cors::Allowed(origin.clone())
            }
            Self::Listed(_) => Cors::Refused,
        }
    }

    /// The CORS headers of the response to a request whose headers could not be read.
    pub(crate) fn for_unknown_request(&self) -> Cors {
        match self {
            Self::Any => Cors::any_origin(),
            Self::Listed(_) => Cors::Refused,
        }
    }
}

impl Cors {
    pub(crate) fn any_origin() -> Self {
        Self::Allowed(ANY)
    }

    /// Sets the CORS headers of a response.
    pub(crate) fn apply(&self, headers: &mut HeaderMap) {
        match self {
            Self::NotABrowser => {}
            Self::Refused => vary(headers, "origin"),
            Self::Allowed(origin) => {
                headers.insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, origin.clone());
                headers.insert(header::ACCESS_CONTROL_EXPOSE_HEADERS, EXPOSED);
                vary(headers, "origin");
            }
        }
    }

    /// The response to a preflight.
    pub(crate) fn preflight(&self, request: &HeaderMap) -> Response<Bytes> {
        let mut headers = HeaderMap::new();
        vary(&mut headers, "origin, access-control-request-method, access-control-request-headers");
        if let Self::Allowed(origin) = self {
            headers.insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, origin.clone());
            headers.insert(header::ACCESS_CONTROL_ALLOW_METHODS, METHODS);
            headers.insert(header::ACCESS_CONTROL_MAX_AGE, MAX_AGE);
            // Only for origins that the owner has listed: `*` includes every page that a user opens.
            if *origin != ANY && request.contains_key(REQUEST_PRIVATE_NETWORK) {
                headers.insert(ALLOW_PRIVATE_NETWORK, HeaderValue::from_static("true"));
            }
            // Echoed, because a fixed list would reject the next header that an SDK adds.
            if let Some(requested) = request.get(header::ACCESS_CONTROL_REQUEST_HEADERS) {
                headers.insert(header::ACCESS_CONTROL_ALLOW_HEADERS, requested.clone());
            }
        }
        let mut response = Response::new(Bytes::new());
        *response.status_mut() = StatusCode::NO_CONTENT;
        *response.headers_mut() = headers;
        response
    }
}

/// A [CORS-preflight request](https://fetch.spec.whatwg.org/#cors-preflight-request).
pub(crate) fn is_preflight(head: &request::Parts) -> bool {
    head.method == Method::OPTIONS
        && head.headers.contains_key(header::ORIGIN)
        && head.headers.contains_key(header::ACCESS_CONTROL_REQUEST_METHOD)
}

/// `scheme://host[:port]`, or `null` for an
/// [opaque origin](https://html.spec.whatwg.org/multipage/browsers.html#concept-origin-opaque).
fn is_origin(text: &str) -> bool {
    let host = text.split_once("://").map_or("", |(_, host)| host);
    text == "null" || !host.is_empty() && text.bytes().all(|b| b.is_ascii_graphic()) && !host.contains(['/', '*'])
}

fn vary(headers: &mut HeaderMap, names: &'static str) {
    headers.append(header::VARY, HeaderValue::from_static(names));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parse_origins() {
        assert!(matches!(AllowedOrigins::parse("*"), Ok(AllowedOrigins::Any)));
        assert!(matches!(AllowedOrigins::parse(" , "), Ok(AllowedOrigins::Any)));
        for (list, at) in [("https://a.com,b.com", 2), ("https://a.com/", 1), ("https://*.a.com", 1), ("*,null", 1)] {
            assert_eq!(AllowedOrigins::parse(list).unwrap_err(), at, "{list}");
        }
    }

    #[test]
    fn listed_origin_is_echoed() {
        let allowed = AllowedOrigins::parse("https://A.com, null").unwrap();
        let allow_origin = |origin: &'static str| {
            let mut response = HeaderMap::new();
            let request = HeaderMap::from_iter([(header::ORIGIN, HeaderValue::from_static(origin))]);
            allowed.for_request(&request).apply(&mut response);
            assert_eq!(response[header::VARY], "origin");
            response.remove(header::ACCESS_CONTROL_ALLOW_ORIGIN)
        };
        assert_eq!(allow_origin("https://a.com").unwrap(), "https://a.com");
        assert_eq!(allow_origin("null").unwrap(), "null");
        assert_eq!(allow_origin("https://b.com"), None);
    }
}
