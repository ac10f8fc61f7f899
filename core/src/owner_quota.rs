//! Responses that say that the owner's account has no quota left. A user whose budget is spent gets the same code.

use http::{HeaderName, HeaderValue, StatusCode, response};

use crate::error_code::INSUFFICIENT_QUOTA;

/// Says what of the upstream is the cause of an error.
const UPSTREAM: HeaderName = HeaderName::from_static("x-sparekey-upstream");

/// Returns whether the owner's account may have no quota left. Then the body has [`INSUFFICIENT_QUOTA`].
#[must_use]
pub fn may_be_spent(head: &response::Parts) -> bool {
    head.status == StatusCode::TOO_MANY_REQUESTS
}

/// Returns whether the body of such a response has it, as its code or its type.
#[must_use]
pub fn has_code(body: &[u8]) -> bool {
    let code = INSUFFICIENT_QUOTA.as_bytes();
    body.windows(code.len().saturating_add(2)).any(|text| matches!(text, [b'"', text @ .., b'"'] if text == code))
}

/// Marks a response that says that the owner's account has no quota left.
pub fn mark(head: &mut response::Parts) {
    head.headers.insert(UPSTREAM, HeaderValue::from_static(INSUFFICIENT_QUOTA));
}
