//! What the head of the upstream's response says about its body and its cost.

use http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};

/// The upstream's id of a request
/// ([OpenAI](https://platform.openai.com/docs/api-reference/debugging-requests)).
pub const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// Statuses at which the upstream did nothing that costs.
const FREE: [StatusCode; 9] = [
    StatusCode::BAD_REQUEST,
    StatusCode::UNAUTHORIZED,
    StatusCode::FORBIDDEN,
    StatusCode::NOT_FOUND,
    StatusCode::PAYLOAD_TOO_LARGE,
    StatusCode::UNSUPPORTED_MEDIA_TYPE,
    StatusCode::UNPROCESSABLE_ENTITY,
    StatusCode::TOO_MANY_REQUESTS,
    StatusCode::SERVICE_UNAVAILABLE,
];

/// Whether a body has an encoding, so that it is not read.
#[must_use]
pub fn is_encoded(headers: &HeaderMap) -> bool {
    let is_plain = |value: &HeaderValue| value.as_bytes().eq_ignore_ascii_case(b"identity");
    !headers.get_all(header::CONTENT_ENCODING).iter().all(is_plain)
}

/// Returns the media type of a response whose body can be read as it is; `None` for an encoded one.
#[must_use]
pub fn readable_type(headers: &HeaderMap) -> Option<&[u8]> {
    let value = headers.get(header::CONTENT_TYPE).map(HeaderValue::as_bytes);
    value.filter(|_| !is_encoded(headers))
}

/// Returns the length of a body, if its head has one of less than 4 GB.
#[must_use]
pub fn content_length(headers: &HeaderMap) -> Option<u32> {
    headers.get(header::CONTENT_LENGTH)?.to_str().ok()?.parse().ok()
}

/// Returns the upstream's id of a request, from the headers of its response.
#[must_use]
pub fn upstream_id(headers: &HeaderMap) -> Option<&str> {
    headers.get(REQUEST_ID)?.to_str().ok()
}

/// Whether the upstream did nothing that costs, if its response has this status.
#[must_use]
pub fn is_free(status: StatusCode) -> bool {
    FREE.contains(&status)
}
