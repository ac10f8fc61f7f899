//! An event -> the request that it tells of.
//!
//! Four kinds of fronts, two forms: [payload 2.0][v2] of Function URLs and HTTP APIs, and the older one of
//! [REST APIs][v1], HTTP APIs where it was chosen, and [load balancers][alb].
//!
//! [v2]: https://docs.aws.amazon.com/apigateway/latest/developerguide/http-api-develop-integrations-lambda.html
//! [v1]: https://docs.aws.amazon.com/apigateway/latest/developerguide/set-up-lambda-proxy-integrations.html
//! [alb]: https://docs.aws.amazon.com/elasticloadbalancing/latest/application/lambda-functions.html

use base64ct::{Base64, Encoding as _};
use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, Method, Request, Version, method::InvalidMethod, uri::InvalidUri};
use serde::{Deserialize, de::IgnoredAny};

use crate::{
    pairs::{self, Pairs},
    target,
};

/// What the front that made an event takes as an answer.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Front {
    /// Whether each header has a list of values.
    pub(crate) lists: bool,
    /// The largest answer in one piece, as JSON, in bytes.
    pub(crate) answer_max: usize,
}

/// Why an event is no request.
#[derive(Debug, thiserror::Error)]
pub(crate) enum EventError {
    #[error("not an event of a Function URL, an API Gateway or a load balancer: {0}")]
    Json(#[from] serde_json::Error),
    #[error("it names no method")]
    NoMethod,
    #[error("its method is none")]
    Method(#[from] InvalidMethod),
    #[error("its path and query are no request target")]
    Target(#[from] InvalidUri),
    #[error("its body is not in Base64, though it says so")]
    Body(#[from] base64ct::Error),
}

/// What Lambda takes from a function in one piece.
const ANSWER_MAX: usize = 6 * 1024 * 1024;
/// What a load balancer takes.
const BALANCER_ANSWER_MAX: usize = 1024 * 1024;

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
}

#[derive(Deserialize)]
struct Http {
    method: String,
}

/// Reads an event.
pub(crate) fn read(json: &[u8]) -> Result<(Request<Bytes>, Front), EventError> {
    let event: Event = serde_json::from_slice(json)?;
    let balancer = event.request_context.elb.is_some();
    let answer_max = if balancer { BALANCER_ANSWER_MAX } else { ANSWER_MAX };
    let front = Front { lists: event.multi_value_headers.is_some(), answer_max };

    let method = event.request_context.http.map(|http| http.method).or(event.http_method);
    let target = if let Some(path) = &event.raw_path {
        // Of the two forms only this one has the stage in the path; a Function URL's stage is no path's segment.
        let stage = event.request_context.stage.as_deref().unwrap_or_default();
        target::uri(target::without_stage(path, stage), &event.raw_query_string.unwrap_or_default())
    } else {
        let query = pairs::flat(event.multi_value_query_string_parameters, event.query_string_parameters);
        // A load balancer tells the query as it was sent, an API Gateway decoded.
        let query = if balancer { target::join(query) } else { target::encoded_query(query) };
        target::uri(&event.path.unwrap_or_default(), &query)
    };
    let body = event.body.unwrap_or_default();
    let body = if event.is_base64_encoded { Base64::decode_vec(&body)?.into() } else { Bytes::from(body) };

    let mut request = Request::new(body);
    *request.method_mut() = method.ok_or(EventError::NoMethod)?.parse::<Method>()?;
    *request.uri_mut() = target?;
    *request.headers_mut() = headers(pairs::flat(event.multi_value_headers, event.headers));
    // An event is one message: nothing that belongs to a connection, such as an upgrade, can follow from it.
    *request.version_mut() = Version::HTTP_2;
    Ok((request, front))
}

/// The fronts have parsed HTTP: what is no header here was none there.
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
