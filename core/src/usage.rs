//! `GET /usage`: a user's own limits, and their remaining amounts.
//!
//! ```json
//! {"object":"usage","user":"Tom","expires_at":1798761600,"models":["gpt-5*"],"routes":["inference"],"networks":[],
//!  "rates":[{"type":"requests","per":"minute","limit":60,"remaining":58,"reset_seconds":1.5}],
//!  "concurrency":[{"limit":8,"open":1}],"budgets":[]}
//! ```
//!
//! An empty list is no limit. `expires_at` is a Unix time, or null.

use bytes::Bytes;
use http::{HeaderValue, Method, Response, header, request};
use sparekey_policy::{Rate, Report};

use crate::{cors::Cors, grant::Grant, json, keyring::UserKey, path, rate_headers};

/// Whether a request asks for it.
pub(crate) fn is_request(head: &request::Parts) -> bool {
    let path = head.uri.path();
    // Nearly all requests end differently.
    (path.ends_with("/usage") || path.ends_with("/usage/")) && is_usage(&head.method, path)
}

#[cold]
fn is_usage(method: &Method, path: &str) -> bool {
    let path = path.strip_suffix('/').unwrap_or(path);
    [Method::GET, Method::HEAD].contains(method)
        && path::relative_path(path, path.as_bytes()).is_ok_and(|relative| relative == "/usage")
}

/// The response. `grant` is `None` for a user without limits.
pub(crate) fn reply(key: &UserKey, grant: Option<&Grant>, report: Option<&Report>, cors: &Cors) -> Response<Bytes> {
    let expires = grant.and_then(|grant| grant.expires(&key.digest));
    let user = grant.map(Grant::user);
    let models = user.and_then(|user| user.models.as_ref()).into_iter().flatten().map(ToString::to_string);
    let routes = user.and_then(|user| user.routes.clone()).into_iter().flatten();
    let networks = user.and_then(|user| user.networks.as_ref()).into_iter().flatten().map(ToString::to_string);
    let rates = report.and_then(|report| report.rates.requests).map(requests);
    let concurrency = report.and_then(|report| Some((report.concurrency?, report.open)));
    let concurrency = concurrency.map(|(limit, open)| format!(r#"{{"limit":{limit},"open":{open}}}"#));
    let body = format!(
        r#"{{"object":"usage","user":{},"expires_at":{},"models":[{}],"routes":[{}],"networks":[{}],"rates":[{}],"concurrency":[{}],"budgets":[]}}"#,
        json::string_literal(key.user()),
        expires.map_or_else(|| "null".to_owned(), |at| at.as_seconds().to_string()),
        strings(models),
        strings(routes),
        strings(networks),
        rates.unwrap_or_default(),
        concurrency.unwrap_or_default(),
    ) + "\n";
    let length = body.len();
    let mut response = Response::new(Bytes::from(body));
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    headers.insert(header::CONTENT_LENGTH, HeaderValue::from(length));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    if let Some(report) = report {
        rate_headers::set(headers, &report.rates);
    }
    cors.apply(headers);
    response
}

fn strings(texts: impl Iterator<Item = String>) -> String {
    texts.map(|text| json::string_literal(&text)).collect::<Vec<_>>().join(",")
}

fn requests(rate: Rate) -> String {
    let Rate { limit, remaining, reset } = rate;
    let (seconds, millis) = (reset.as_secs(), reset.subsec_millis());
    format!(
        r#"{{"type":"requests","per":"minute","limit":{limit},"remaining":{remaining},"reset_seconds":{seconds}.{millis:03}}}"#
    )
}
