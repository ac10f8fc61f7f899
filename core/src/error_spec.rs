//! What an error response consists of, whatever its cause.

use std::{borrow::Cow, time::Duration};

use http::{HeaderName, HeaderValue, StatusCode, header};

/// The longest `retry-after`, in seconds: OpenAI's SDK for Node ignores longer ones and repeats the request at once.
const RETRY_AFTER_MAX: u64 = 60;

/// A row of a table of rejections.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct Spec {
    pub(crate) status: StatusCode,
    /// `error.type`.
    pub(crate) error_type: &'static str,
    /// `error.code`, and the code in logs and metrics.
    pub(crate) code: &'static str,
    pub(crate) message: Cow<'static, str>,
    /// `error.param`.
    pub(crate) param: Option<String>,
    /// A header of this kind only.
    pub(crate) header: Option<(HeaderName, HeaderValue)>,
    /// Whether the same request may succeed later.
    pub(crate) retry: bool,
}

impl Spec {
    /// An error that a repetition does not help.
    pub(crate) fn new(status: StatusCode, code: &'static str, message: impl Into<Cow<'static, str>>) -> Self {
        let error_type = if status.is_client_error() { "invalid_request_error" } else { "server_error" };
        Self { status, error_type, code, message: message.into(), param: None, header: None, retry: false }
    }

    /// An error that a repetition after this time may not have.
    pub(crate) fn with_retry(self, after: Duration) -> Self {
        let header = Some((header::RETRY_AFTER, HeaderValue::from(seconds(after).min(RETRY_AFTER_MAX))));
        Self { header, retry: true, ..self }
    }
}

/// Whole seconds, rounded up.
pub(crate) fn seconds(duration: Duration) -> u64 {
    duration.as_secs().saturating_add(u64::from(duration.subsec_nanos() > 0)).max(1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn retry_after_is_rounded_up_and_bounded() {
        for (milliseconds, expected, header) in [
            (0, 1, 1_u64),
            (1, 1, 1),
            (1000, 1, 1),
            (1001, 2, 2),
            (59_001, 60, 60),
            (60_001, 61, 60),
            (3_600_000, 3600, 60),
        ] {
            let wait = Duration::from_millis(milliseconds);
            assert_eq!(seconds(wait), expected, "{milliseconds} ms");
            let spec = Spec::new(StatusCode::TOO_MANY_REQUESTS, "rate_limit_exceeded", "").with_retry(wait);
            assert_eq!(spec.header, Some((header::RETRY_AFTER, HeaderValue::from(header))), "{milliseconds} ms");
        }
    }
}
