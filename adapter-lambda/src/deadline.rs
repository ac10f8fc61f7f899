//! Until when an invocation may last.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use tokio::time::Instant;

/// Left for the answer itself once the upstream is given up.
const RESERVE: Duration = Duration::from_millis(500);

/// Lambda's longest.
const LONGEST: Duration = Duration::from_secs(15 * 60);

/// When the upstream is given up, for Lambda ends the function without an answer at `millis` since 1970. A time that
/// has passed says nothing: the emulator of `cargo lambda` tells a duration in its place.
pub(crate) fn after(millis: Option<u64>) -> Instant {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    let left = millis.and_then(|millis| Duration::from_millis(millis).checked_sub(now)).unwrap_or(LONGEST);
    Instant::now() + left.min(LONGEST).saturating_sub(RESERVE)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// As Lambda tells it: a time from now.
    fn told(left: Duration) -> u64 {
        let end = SystemTime::now().duration_since(UNIX_EPOCH).unwrap() + left;
        end.as_millis().try_into().unwrap()
    }

    #[test]
    fn the_upstream_is_given_up_before_lambda_ends_the_function() {
        for left in [Duration::from_secs(10), LONGEST] {
            let begun = Instant::now();
            let until = after(Some(told(left)));
            assert!(until <= Instant::now() + left - RESERVE);
            assert!(until > begun, "and no earlier than that");
        }
        assert!(after(Some(told(RESERVE / 2))) <= Instant::now(), "too late for anything but the answer");
    }

    #[test]
    fn a_time_that_says_nothing_is_lambdas_longest() {
        for nothing in [None, Some(0), Some(900_000), Some(told(LONGEST * 2))] {
            let begun = Instant::now();
            let until = after(nothing);
            assert!(begun + LONGEST - RESERVE <= until && until <= Instant::now() + LONGEST - RESERVE);
        }
    }
}
