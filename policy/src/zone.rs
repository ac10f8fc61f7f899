//! A time zone as a table of UTC offsets.

use crate::{civil::DAY_SECONDS, timestamp::Timestamp};

/// The largest UTC offset, in seconds, exclusive. Real ones are at most 14 hours.
const OFFSET_MAX: i32 = 86_400;

/// The UTC offsets of a time zone over some years.
///
/// All platforms use this table, so that one function decides which day it is. Before the first and after the last
/// transition the nearest offset applies.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Zone {
    name: String,
    offset: i32,
    transitions: Vec<(i64, i32)>,
}

/// Why a table of offsets is invalid.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum ZoneError {
    /// An offset of a day or more.
    #[error("the UTC offset of {0} seconds is not less than a day")]
    Offset(i32),
    /// A transition that is not later than the one before it.
    #[error("the transition at {0} is not later than the one before it")]
    Order(i64),
}

impl Zone {
    /// Creates a zone from the UTC offset before the first transition, in seconds to the east, and the transitions:
    /// the instant in seconds since 1970-01-01 00:00 UTC, and the offset from then on.
    ///
    /// # Errors
    /// [`ZoneError::Offset`], and [`ZoneError::Order`] unless each instant is later than the one before it.
    pub fn new(name: String, offset: i32, transitions: Vec<(i64, i32)>) -> Result<Self, ZoneError> {
        let offsets = std::iter::once(offset).chain(transitions.iter().map(|&(_, offset)| offset));
        if let Some(offset) = offsets.into_iter().find(|offset| !(-OFFSET_MAX < *offset && *offset < OFFSET_MAX)) {
            return Err(ZoneError::Offset(offset));
        }
        let pairs = transitions.iter().zip(transitions.iter().skip(1));
        if let Some((_, &(at, _))) = pairs.into_iter().find(|((earlier, _), (later, _))| earlier >= later) {
            return Err(ZoneError::Order(at));
        }
        Ok(Self { name, offset, transitions })
    }

    /// Returns UTC.
    #[must_use]
    pub fn utc() -> Self {
        Self { name: "UTC".to_owned(), offset: 0, transitions: Vec::new() }
    }

    /// Returns the name, such as `Europe/Berlin`.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Returns the offset before the first transition, in seconds.
    #[must_use]
    pub fn first_offset(&self) -> i32 {
        self.offset
    }

    /// Returns the transitions: seconds since 1970-01-01 00:00 UTC, and the offset in seconds from then on.
    #[must_use]
    pub fn transitions(&self) -> &[(i64, i32)] {
        &self.transitions
    }

    /// Returns the UTC offset at an instant, in seconds to the east.
    #[must_use]
    pub fn offset_at(&self, instant: Timestamp) -> i32 {
        let seconds = instant.as_seconds();
        let passed = self.transitions.partition_point(|&(at, _)| at <= seconds);
        let last = passed.checked_sub(1).and_then(|last| self.transitions.get(last));
        last.map_or(self.offset, |&(_, offset)| offset)
    }

    /// Returns the local day at an instant, in days since 1970-01-01.
    pub(crate) fn day_at(&self, instant: Timestamp) -> i32 {
        let local = instant.as_seconds().saturating_add(self.offset_at(instant).into());
        let days = local.div_euclid(DAY_SECONDS);
        i32::try_from(days).unwrap_or(if days < 0 { i32::MIN } else { i32::MAX })
    }

    /// Returns the first instant at which clocks of the zone show this local time or a later one. `local` counts
    /// seconds from 1970-01-01 00:00 local time. A time that a change of offset skips gives the instant of the change.
    pub(crate) fn instant_of(&self, local: i64) -> Timestamp {
        let mut start = i64::MIN;
        let mut offset = self.offset;
        for &(end, next) in &self.transitions {
            let instant = local.saturating_sub(offset.into()).max(start);
            if instant < end {
                return Timestamp::from_seconds(instant);
            }
            (start, offset) = (end, next);
        }
        Timestamp::from_seconds(local.saturating_sub(offset.into()).max(start))
    }
}
