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
