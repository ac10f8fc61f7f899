//! Lambda event -> HTTP request.
//!
//! Two payload formats: [2.0][v2] of Function URLs and HTTP APIs, and [1.0][v1] of REST APIs, of HTTP APIs set to it
//! and, in the same fields, of [load balancers][alb].
//!
//! [v2]: https://docs.aws.amazon.com/apigateway/latest/developerguide/http-api-develop-integrations-lambda.html
//! [v1]: https://docs.aws.amazon.com/apigateway/latest/developerguide/set-up-lambda-proxy-integrations.html
//! [alb]: https://docs.aws.amazon.com/elasticloadbalancing/latest/application/lambda-functions.html

use std::net::{IpAddr, SocketAddr};

use base64ct::{Base64, Encoding as _};
use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, Method, Request, Version, method::InvalidMethod, uri::InvalidUri};
use serde::{Deserialize, de::IgnoredAny};

use crate::{
    pairs::{self, Pairs},
    target,
};

/// What an event says beside the request: the response format that its sender accepts, and the client.
#[derive(Clone, Copy, Debug)]
pub struct EventSource {
    /// Headers are sent as `multiValueHeaders`.
    pub multi_value_headers: bool,
    /// The largest buffered response: bytes of its JSON, inclusive.
    pub max_response: usize,
    /// The address of the client, as the sender sees it.
    pub client: Option<IpAddr>,
}

/// The body of a request as its event has it. Decoding takes memory and time, so it waits until the request is admitted.
#[derive(Debug)]
pub struct EncodedBody {
    text: String,
    is_base64: bool,
}

impl EncodedBody {
    /// Decodes the body.
    ///
    /// # Errors
    /// [`EventError::Body`].
    pub fn decode(self) -> Result<Bytes, EventError> {
        Ok(if self.is_base64 { Base64::decode_vec(&self.text)?.into() } else { self.text.into() })
    }
}

/// An event that cannot be read as an HTTP request.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum EventError {
    /// The JSON or its types are wrong. The text has no `Display` of the error, which may contain a header's value.
    #[error("not an event of a Function URL, an API Gateway or a load balancer: {:?} error at line {}, column {}",
        .0.classify(), .0.line(), .0.column())]
    Json(#[from] serde_json::Error),
    /// No method in either place.
    #[error("event has no HTTP method")]
    NoMethod,
    /// The method is not a [token](https://www.rfc-editor.org/rfc/rfc9110#section-9.1).
    #[error("event has an invalid HTTP method")]
    Method(#[from] InvalidMethod),
    /// Path and query are longer than a URI may be.
    #[error("event has an invalid path or query: {0}")]
    Target(#[from] InvalidUri),
    /// `isBase64Encoded` is set and the body is not Base64.
    #[error("event has an invalid Base64 body: {0}")]
    Body(#[from] base64ct::Error),
}

/// [Lambda's limit](https://docs.aws.amazon.com/lambda/latest/dg/gettingstarted-limits.html) for a buffered response,
/// in bytes.
const MAX_RESPONSE: usize = 6 * 1024 * 1024;
/// [A load balancer's limit](https://docs.aws.amazon.com/elasticloadbalancing/latest/application/lambda-functions.html),
/// in bytes.
const MAX_BALANCER_RESPONSE: usize = 1024 * 1024;

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Event {
    #[serde(default)]
    request_context: Context,
    http_method: Option<String>,
    path: Option<String>,
    raw_path: Option<String>,
    raw_query_string: Option<String>,
    headers: Option<Pairs<Option<String>>>,
    multi_value_headers: Option<Pairs<Vec<String>>>,
    query_string_parameters: Option<Pairs<Option<String>>>,
    multi_value_query_string_parameters: Option<Pairs<Vec<String>>>,
    body: Option<String>,
    #[serde(default)]
    is_base64_encoded: bool,
}

#[derive(Default, Deserialize)]
struct Context {
    http: Option<Http>,
    stage: Option<String>,
    elb: Option<IgnoredAny>,
    identity: Option<Identity>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Identity {
    source_ip: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Http {
    method: String,
    source_ip: Option<String>,
}

/// Reads an event.
///
/// # Errors
/// See [`EventError`].
pub fn read(json: &[u8]) -> Result<(Request<EncodedBody>, EventSource), EventError> {
    let event: Event = serde_json::from_slice(json)?;
    let is_balancer = event.request_context.elb.is_some();
    let has_lists = event.multi_value_headers.is_some();

    let (method, source_ip) = match (event.request_context.http, event.request_context.identity) {
        (Some(http), _) => (Some(http.method), http.source_ip),
        (None, identity) => (event.http_method, identity.and_then(|identity| identity.source_ip)),
    };
    let target = if let Some(path) = &event.raw_path {
        // `rawPath` includes the stage of an HTTP API. A Function URL's stage, `$default`, is not in it.
        let stage = event.request_context.stage.as_deref().unwrap_or_default();
        target::uri(target::without_stage(path, stage), &event.raw_query_string.unwrap_or_default())
    } else {
        let query = pairs::flatten(event.multi_value_query_string_parameters, event.query_string_parameters);
        // A load balancer sends the query as received, an API Gateway sends it percent-decoded.
        let query = if is_balancer { target::join(query) } else { target::encoded_query(query) };
        target::uri(&event.path.unwrap_or_default(), &query)
    };
    let body = EncodedBody { text: event.body.unwrap_or_default(), is_base64: event.is_base64_encoded };

    let mut request = Request::new(body);
    *request.method_mut() = method.ok_or(EventError::NoMethod)?.parse::<Method>()?;
    *request.uri_mut() = target?;
    *request.headers_mut() = headers(pairs::flatten(event.multi_value_headers, event.headers));
    // HTTP/1.1 would allow an upgrade, which an event cannot carry.
    *request.version_mut() = Version::HTTP_2;
    let source = EventSource {
        multi_value_headers: has_lists,
        max_response: if is_balancer { MAX_BALANCER_RESPONSE } else { MAX_RESPONSE },
        client: if is_balancer { appended_address(request.headers()) } else { source_ip.as_deref().and_then(address) },
    };
    Ok((request, source))
}

/// The address that a load balancer [has appended][append]; all before it is the client's.
///
/// [append]: https://docs.aws.amazon.com/elasticloadbalancing/latest/application/x-forwarded-headers.html
fn appended_address(headers: &HeaderMap) -> Option<IpAddr> {
    let value = headers.get_all("x-forwarded-for").iter().next_back()?;
    address(value.to_str().ok()?.rsplit(',').next()?.trim())
}

/// An address, or an address with its port.
fn address(text: &str) -> Option<IpAddr> {
    text.parse().ok().or_else(|| text.parse().ok().map(|socket: SocketAddr| socket.ip()))
}

/// Invalid names and values are skipped: the sender has parsed HTTP and does not forward any.
fn headers(fields: impl Iterator<Item = (String, String)>) -> HeaderMap {
    let parsed = fields.filter_map(|(name, value)| {
        Some((HeaderName::try_from(name).ok()?, HeaderValue::from_bytes(value.as_bytes()).ok()?))
    });
    let mut headers = HeaderMap::new();
    for (name, value) in parsed {
        headers.append(name, value);
    }
    headers
}
