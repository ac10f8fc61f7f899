//! How long the upstream may take.

use std::time::Duration;

/// The longest duration of a setting: a year, so that adding it to a clock never overflows.
const MAX_SECONDS: f64 = 365.0 * 24.0 * 3600.0;

/// What [`parse_seconds`] accepts, for error messages.
pub const SECONDS: &str = "a number of seconds above 0 and up to a year, such as 30 or 0.5";

/// How long the upstream may take.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Timeouts {
    /// For the response head, counted from the last byte of the request that was written.
    pub response_head: Duration,
    /// For the next bytes of a response body.
    pub body_idle: Duration,
}

impl Timeouts {
    /// The settings of `response_head` and `body_idle`, with their defaults in seconds. OpenAI's SDKs wait for
    /// [ten minutes](https://github.com/openai/openai-python#timeouts). A client that repeats a request after the proxy's
    /// timeout pays twice, so the proxy waits longer than they do.
    pub const SETTINGS: [(&str, &str); 2] = [("UPSTREAM_TIMEOUT", "900"), ("UPSTREAM_IDLE_TIMEOUT", "600")];
}

/// Parses a setting in seconds, with or without a fraction: above 0, up to a year.
#[must_use]
pub fn parse_seconds(text: &str) -> Option<Duration> {
    let seconds = text.parse().ok().filter(|seconds| *seconds > 0.0 && *seconds <= MAX_SECONDS);
    seconds.map(Duration::from_secs_f64).filter(|duration| !duration.is_zero())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn seconds_are_positive_and_finite() {
        assert_eq!(parse_seconds("0.5"), Some(Duration::from_millis(500)));
        for text in ["0", "1e-10", "-1", "inf", "NaN", "1e300", "ten", ""] {
            assert_eq!(parse_seconds(text), None, "{text}");
        }
    }
}
