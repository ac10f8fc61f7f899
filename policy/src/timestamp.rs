//! Instants.

use std::{
    fmt,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use crate::civil::{DAY_SECONDS, Date};

/// An instant: microseconds since 1970-01-01 00:00 UTC, without leap seconds.
///
/// A rate of one million requests per minute has an interval of 60 µs; in milliseconds it would be 0. An `i64` reaches
/// 292,000 years.
#[derive(Clone, Copy, Debug, Default, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct Timestamp(i64);

impl Timestamp {
    /// The latest instant: of a hold that does not expire.
    pub const MAX: Self = Self(i64::MAX);
    /// Microseconds of a second.
    pub const SECOND: i64 = 1_000_000;
    /// Microseconds of a minute.
    pub const MINUTE: i64 = 60_000_000;
    /// Microseconds of an hour.
    pub const HOUR: i64 = 3_600_000_000;

    /// Returns the instant this many microseconds after 1970-01-01 00:00 UTC.
    #[must_use]
    pub const fn from_micros(micros: i64) -> Self {
        Self(micros)
    }

    /// Returns the instant this many seconds after 1970-01-01 00:00 UTC. It saturates.
    #[must_use]
    pub const fn from_seconds(seconds: i64) -> Self {
        Self(seconds.saturating_mul(Self::SECOND))
    }

    /// Returns the microseconds since 1970-01-01 00:00 UTC.
    #[must_use]
    pub const fn as_micros(self) -> i64 {
        self.0
    }

    /// Returns the whole seconds since 1970-01-01 00:00 UTC, rounded down.
    #[must_use]
    pub const fn as_seconds(self) -> i64 {
        self.0.div_euclid(Self::SECOND)
    }

    /// Returns the time from `self` to `later`, or zero if `later` is earlier.
    #[must_use]
    pub fn until(self, later: Self) -> Duration {
        Duration::from_micros(u64::try_from(later.0.saturating_sub(self.0)).unwrap_or(0))
    }

    /// Adds microseconds, which may be negative. It saturates.
    #[must_use]
    pub const fn plus(self, micros: i64) -> Self {
        Self(self.0.saturating_add(micros))
    }

    /// Returns the microseconds from `earlier` to `self`; negative if `earlier` is later.
    pub(crate) const fn since(self, earlier: Self) -> i64 {
        self.0.saturating_sub(earlier.0)
    }
}

/// A time before 1970 counts as its start.
impl From<SystemTime> for Timestamp {
    fn from(time: SystemTime) -> Self {
        let micros = time.duration_since(UNIX_EPOCH).map_or(0, |time| time.as_micros());
        Self::from_micros(i64::try_from(micros).unwrap_or(i64::MAX))
    }
}

/// Writes `2026-11-26 13:05:00 UTC`.
impl fmt::Display for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (days, second) = (self.as_seconds().div_euclid(DAY_SECONDS), self.as_seconds().rem_euclid(DAY_SECONDS));
        let date = Date::from_days(i32::try_from(days).unwrap_or(i32::MAX));
        let (minute, second) = (second.div_euclid(60), second.rem_euclid(60));
        write!(f, "{date} {:02}:{:02}:{second:02} UTC", minute.div_euclid(60), minute.rem_euclid(60))
    }
}
