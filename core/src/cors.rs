//! What browsers need ([Fetch, CORS protocol](https://fetch.spec.whatwg.org/#http-cors-protocol)).
//!
//! No credentials mode: the key travels in a header that the page sets, so `*` is enough and safe.

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Method, Response, StatusCode, header, request};

/// What a page may read of an answer, beyond the few headers that it always may.
const EXPOSED: HeaderValue = HeaderValue::from_static(
    "location, openai-processing-ms, openai-version, retry-after, retry-after-ms, x-request-id, x-should-retry, \
     x-ratelimit-limit-requests, x-ratelimit-limit-tokens, x-ratelimit-remaining-requests, \
     x-ratelimit-remaining-tokens, x-ratelimit-reset-requests, x-ratelimit-reset-tokens",
);
const METHODS: HeaderValue = HeaderValue::from_static("GET, HEAD, POST, PUT, PATCH, DELETE");
/// A day; browsers cap it further.
const MAX_AGE: HeaderValue = HeaderValue::from_static("86400");
const ANY: HeaderValue = HeaderValue::from_static("*");

/// `ALLOWED_ORIGINS`: whose pages may read the answers.
#[derive(Debug, Default)]
pub(crate) enum AllowedOrigins {
    #[default]
    Any,
    Listed(Vec<String>),
}

impl AllowedOrigins {
    /// Reads `*`, or a comma or newline separated list of origins such as `https://chat.example.com`.
    ///
    /// # Errors
    /// The place of the first item that is no origin, counted from 1.
    pub(crate) fn parse(list: &str) -> Result<Self, usize> {
        let items = || list.split([',', '\n']).map(str::trim).filter(|item| !item.is_empty());
        if items().all(|item| item == "*") {
            return Ok(Self::Any);
        }
        match items().position(|item| !is_origin(item)) {
            Some(at) => Err(at.saturating_add(1)),
            None => Ok(Self::Listed(items().map(str::to_ascii_lowercase).collect())),
        }
    }

    /// What answers to this request bear.
    pub(crate) fn cors(&self, request: &HeaderMap) -> Cors {
        let Some(origin) = request.get(header::ORIGIN) else { return Cors::NotABrowser };
        match self {
            Self::Any => Cors::Allowed(ANY),
            Self::Listed(list) if list.iter().any(|o| o.as_bytes() == origin.as_bytes()) => {
                Cors::Allowed(origin.clone())
            }
            Self::Listed(_) => Cors::Refused,
        }
    }
}

/// `scheme://host[:port]`, or `null` for pages without an origin.
fn is_origin(text: &str) -> bool {
    let host = text.split_once("://").map_or("", |(_, host)| host);
    text == "null" || !host.is_empty() && text.bytes().all(|b| b.is_ascii_graphic()) && !host.contains(['/', '*'])
}

/// What one request's answer bears, whoever makes that answer.
#[derive(Clone, Debug)]
pub(crate) enum Cors {
    NotABrowser,
    Refused,
    Allowed(HeaderValue),
}

impl Cors {
    pub(crate) fn any_origin() -> Self {
        Self::Allowed(ANY)
    }

    /// Sets the CORS headers of an answer.
    pub(crate) fn mark(&self, headers: &mut HeaderMap) {
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

    /// The answer to a preflight.
    pub(crate) fn preflight(&self, request: &HeaderMap) -> Response<Bytes> {
        let mut headers = HeaderMap::new();
        vary(&mut headers, "origin, access-control-request-method, access-control-request-headers");
        if let Self::Allowed(origin) = self {
            headers.insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, origin.clone());
            headers.insert(header::ACCESS_CONTROL_ALLOW_METHODS, METHODS);
            headers.insert(header::ACCESS_CONTROL_MAX_AGE, MAX_AGE);
            // Echoed: a list of our own would break on the next header that an SDK invents.
            if let Some(asked) = request.get(header::ACCESS_CONTROL_REQUEST_HEADERS) {
                headers.insert(header::ACCESS_CONTROL_ALLOW_HEADERS, asked.clone());
            }
        }
        let mut response = Response::new(Bytes::new());
        *response.status_mut() = StatusCode::NO_CONTENT;
        *response.headers_mut() = headers;
        response
    }
}

/// Whether a browser asks for leave before the request itself.
pub(crate) fn is_preflight(head: &request::Parts) -> bool {
    head.method == Method::OPTIONS
        && head.headers.contains_key(header::ORIGIN)
        && head.headers.contains_key(header::ACCESS_CONTROL_REQUEST_METHOD)
}

fn vary(headers: &mut HeaderMap, names: &'static str) {
    headers.append(header::VARY, HeaderValue::from_static(names));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn origins_are_read() {
        assert!(matches!(AllowedOrigins::parse("*"), Ok(AllowedOrigins::Any)));
        assert!(matches!(AllowedOrigins::parse(" , "), Ok(AllowedOrigins::Any)));
        for (list, at) in [("https://a.com,b.com", 2), ("https://a.com/", 1), ("https://*.a.com", 1), ("*,null", 1)] {
            assert_eq!(AllowedOrigins::parse(list).unwrap_err(), at, "{list}");
        }
    }

    #[test]
    fn a_listed_origin_is_echoed() {
        let allowed = AllowedOrigins::parse("https://A.com, null").unwrap();
        let marks = |origin: &'static str| {
            let mut answer = HeaderMap::new();
            let request = HeaderMap::from_iter([(header::ORIGIN, HeaderValue::from_static(origin))]);
            allowed.cors(&request).mark(&mut answer);
            assert_eq!(answer[header::VARY], "origin");
            answer.remove(header::ACCESS_CONTROL_ALLOW_ORIGIN)
        };
        assert_eq!(marks("https://a.com").unwrap(), "https://a.com");
        assert_eq!(marks("null").unwrap(), "null");
        assert_eq!(marks("https://b.com"), None);
    }
}
