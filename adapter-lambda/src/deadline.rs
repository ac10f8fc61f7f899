//! The time at which an invocation stops waiting for the upstream.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use tokio::time::Instant;

/// Time kept for the error response. Half a second is enough for a slow Runtime API, and takes little from the longest
/// responses.
const RESERVE: Duration = Duration::from_millis(500);

/// Of this, for storing the cost of a request that was cut at its deadline.
pub(crate) const SETTLE: Duration = Duration::from_millis(400);

/// After the deadline, a reservation is charged: later than any cost can be stored, by the clock of any environment.
pub(crate) const MARGIN: Duration = Duration::from_secs(10);

/// [Lambda's longest timeout](https://docs.aws.amazon.com/lambda/latest/dg/configuration-timeout.html).
const MAX_TIMEOUT: Duration = Duration::from_secs(15 * 60);

/// Returns the deadline for the upstream, from Lambda's own: milliseconds since 1970, at which it stops the function
/// without a response. A past time counts as none, because `cargo lambda`'s emulator sends a duration instead.
pub(crate) fn upstream_deadline(millis: Option<u64>) -> Instant {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    let left = millis.and_then(|millis| Duration::from_millis(millis).checked_sub(now)).unwrap_or(MAX_TIMEOUT);
    Instant::now() + left.min(MAX_TIMEOUT).saturating_sub(RESERVE)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The header's value for a time from now.
    fn millis_in(left: Duration) -> u64 {
        let end = SystemTime::now().duration_since(UNIX_EPOCH).unwrap() + left;
        end.as_millis().try_into().unwrap()
    }

    #[test]
    fn ends_before_lambdas_deadline() {
        for left in [Duration::from_secs(10), MAX_TIMEOUT] {
            let start = Instant::now();
            let until = upstream_deadline(Some(millis_in(left)));
            assert!(until <= Instant::now() + left - RESERVE);
            assert!(until > start, "it is in the future");
        }
        assert!(upstream_deadline(Some(millis_in(RESERVE / 2))) <= Instant::now(), "too late for the upstream");
    }

    #[test]
    fn invalid_time_counts_as_longest_timeout() {
        for invalid in [None, Some(0), Some(900_000), Some(millis_in(MAX_TIMEOUT * 2))] {
            let start = Instant::now();
            let until = upstream_deadline(invalid);
            assert!(start + MAX_TIMEOUT - RESERVE <= until && until <= Instant::now() + MAX_TIMEOUT - RESERVE);
        }
    }
}
