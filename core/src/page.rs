//! The responses that are for people: their headers, and what their policy allows.

#[cfg(test)]
pub(crate) mod checks;

use http::{HeaderValue, Response, header, request};

use crate::reply_body::ReplyBody;

pub(crate) const HTML_TYPE: &str = "text/html; charset=utf-8";

/// Whether the client is a browser that opens a page.
pub(crate) fn accepts_html(head: &request::Parts) -> bool {
    let accept = head.headers.get_all(header::ACCEPT).iter();
    accept.filter_map(|value| value.to_str().ok()).any(|list| list.contains("text/html"))
}

/// Returns the response with a body of this length.
pub(crate) fn page(
    content_type: &'static str,
    policy: &'static str,
    body: ReplyBody,
    length: usize,
) -> Response<ReplyBody> {
    let mut response = Response::new(body);
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(content_type));
    headers.insert(header::CONTENT_LENGTH, HeaderValue::from(length));
    // The front page contains the `host` of one request; another page has the URL of a JSON response.
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers.insert(header::CONTENT_SECURITY_POLICY, HeaderValue::from_static(policy));
    headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    response
}
