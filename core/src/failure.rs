//! Failures outside the core that get an error response.

use http::StatusCode;

/// Why a request has no head that the gate could admit.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub enum HeadFailure {
    /// The target is not a URI.
    Target,
    /// Not valid HTTP.
    Malformed,
    /// Both `content-length` and `transfer-encoding`
    /// ([RFC 9112 §6.3](https://www.rfc-editor.org/rfc/rfc9112#section-6.3)).
    ConflictingFraming,
    /// The target is longer than the adapter allows.
    UriTooLong,
    /// More headers, or longer ones, than the adapter allows.
    HeadersTooLarge,
}

/// Why an admitted request has no response head.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub enum UpstreamFailure {
    /// Nothing of the request was sent.
    Unreachable,
    /// The connection broke, or the response is invalid, after a part of the request was sent.
    Interrupted,
    /// The client broke its request body.
    InvalidBody,
    /// No response head in time.
    Timeout,
    /// The response is larger than the adapter's platform allows.
    TooLarge,
    /// The response should be a list of models, and is none that can be read.
    NoModelList,
}

impl HeadFailure {
    /// Returns the failure for which an HTTP library responds with this status.
    #[must_use]
    pub fn from_status(status: StatusCode) -> Self {
        match status {
            StatusCode::URI_TOO_LONG => Self::UriTooLong,
            StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE => Self::HeadersTooLarge,
            _ => Self::Malformed,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{cors::Cors, rejection::Rejection};

    #[test]
    fn clients_may_repeat_only_what_was_not_sent() {
        for (failure, status, should_retry) in [
            (UpstreamFailure::Unreachable, 502, None),
            (UpstreamFailure::Interrupted, 502, Some("false")),
            (UpstreamFailure::InvalidBody, 400, Some("false")),
            (UpstreamFailure::Timeout, 504, Some("false")),
            (UpstreamFailure::TooLarge, 502, Some("false")),
            (UpstreamFailure::NoModelList, 502, Some("false")),
        ] {
            let response = Rejection::new(failure.into(), Cors::any_origin()).to_response();
            let header = response.headers().get("x-should-retry").map(|value| value.to_str().unwrap());
            assert_eq!((response.status().as_u16(), header), (status, should_retry), "{failure:?}");
        }
    }
}
