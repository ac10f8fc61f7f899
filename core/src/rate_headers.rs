//! [OpenAI's rate limit headers](https://platform.openai.com/docs/guides/rate-limits#rate-limits-in-headers), for a user's
//! own rates.

use std::time::Duration;

use http::{HeaderMap, HeaderName, HeaderValue};
use sparekey_policy::{Rate, Rates};

const PREFIX: &str = "x-ratelimit-";

/// Limit, remaining, reset.
type Names = [HeaderName; 3];
static REQUESTS: Names = [
    HeaderName::from_static("x-ratelimit-limit-requests"),
    HeaderName::from_static("x-ratelimit-remaining-requests"),
    HeaderName::from_static("x-ratelimit-reset-requests"),
];
static TOKENS: Names = [
    HeaderName::from_static("x-ratelimit-limit-tokens"),
    HeaderName::from_static("x-ratelimit-remaining-tokens"),
    HeaderName::from_static("x-ratelimit-reset-tokens"),
];

/// Sets the headers in place of the upstream's, which are about all users. A user without rates gets the upstream's.
pub(crate) fn set(headers: &mut HeaderMap, rates: &Rates) {
    if rates.requests.is_none() && rates.tokens.is_none() {
        return;
    }
    let upstreams: Vec<_> = headers.keys().filter(|name| name.as_str().starts_with(PREFIX)).cloned().collect();
    for name in upstreams {
        headers.remove(name);
    }
    for (names, rate) in [(&REQUESTS, rates.requests), (&TOKENS, rates.tokens)] {
        headers.extend(rate.into_iter().flat_map(|rate| lines(names, rate)));
    }
}

fn lines(names: &Names, rate: Rate) -> impl Iterator<Item = (HeaderName, HeaderValue)> {
    let [limit, remaining, reset] = names.clone();
    let reset = HeaderValue::try_from(duration(rate.reset)).ok().map(|value| (reset, value));
    [(limit, HeaderValue::from(rate.limit)), (remaining, HeaderValue::from(rate.remaining))].into_iter().chain(reset)
}

/// Writes a duration as Go does: `1h0m35s`, `6m0s`, `1.5s`, `120ms`.
fn duration(duration: Duration) -> String {
    let (minutes, seconds, millis) = (duration.as_secs() / 60, duration.as_secs() % 60, duration.subsec_millis());
    match (minutes / 60, minutes % 60, seconds) {
        (0, 0, 0) => format!("{millis}ms"),
        (0, 0, _) => {
            let seconds = format!("{seconds}.{millis:03}");
            format!("{}s", seconds.trim_end_matches('0').trim_end_matches('.'))
        }
        (0, minutes, _) => format!("{minutes}m{seconds}s"),
        (hours, minutes, _) => format!("{hours}h{minutes}m{seconds}s"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations() {
        for (millis, text) in [
            (0, "0ms"),
            (120, "120ms"),
            (1_000, "1s"),
            (1_500, "1.5s"),
            (10_050, "10.05s"),
            (60_000, "1m0s"),
            (361_900, "6m1s"),
            (3_635_000, "1h0m35s"),
            (90_061_000, "25h1m1s"),
        ] {
            assert_eq!(duration(Duration::from_millis(millis)), text);
        }
    }

    #[test]
    fn headers_of_the_upstream_are_replaced() {
        let mut headers = HeaderMap::new();
        headers.insert("x-ratelimit-limit-tokens", HeaderValue::from_static("30000000"));
        headers.insert("x-ratelimit-limit-requests", HeaderValue::from_static("30000"));
        let rate = Rate { limit: 60, remaining: 59, reset: Duration::from_secs(1) };
        set(&mut headers, &Rates { requests: Some(rate), tokens: None });
        let mut lines: Vec<_> =
            headers.iter().map(|(name, value)| format!("{name}: {}", value.to_str().unwrap())).collect();
        lines.sort();
        assert_eq!(
            lines,
            ["x-ratelimit-limit-requests: 60", "x-ratelimit-remaining-requests: 59", "x-ratelimit-reset-requests: 1s"]
        );
        set(&mut headers, &Rates { requests: None, tokens: None });
        assert_eq!(headers.len(), 3);
    }
}
