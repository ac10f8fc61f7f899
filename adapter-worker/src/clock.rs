//! The time of the runtime.

use sparekey_policy::Timestamp;
use worker::js_sys::Date;

pub(crate) fn now() -> Timestamp {
    from_millis(Date::now())
}

/// Converts a time of JavaScript.
pub(crate) fn from_millis(millis: f64) -> Timestamp {
    #[allow(clippy::cast_possible_truncation, reason = "milliseconds until the year 287396 are exact")]
    Timestamp::from_micros((millis * 1e3) as i64)
}
