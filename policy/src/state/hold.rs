//! Holds, and what remains of them.

use crate::{
    period::{CalendarPeriod, Period},
    timestamp::Timestamp,
    usd::Usd,
};

/// The id of a request: 128 random bits, made before the first try of its reservation.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct HoldId(pub u128);

/// The process that sends a request. When it is dead, its holds can be expired.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct ProcessId(pub u64);

/// What is reserved for one open request.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub struct Hold {
    /// The request.
    pub id: HoldId,
    /// The amount that was granted.
    pub amount: Usd,
    /// The tokens that were taken from the limit per minute.
    pub tokens: u32,
    /// The instant from which on the hold is charged in full.
    pub until: Timestamp,
    /// The process that sends the request.
    pub process: ProcessId,
    /// The local day of the reservation, in days since 1970-01-01. It names all periods that are charged, also if the
    /// time zone changes meanwhile.
    pub(crate) day: i32,
}

impl Hold {
    /// Returns the day of the reservation, which is charged.
    #[must_use]
    pub fn day(&self) -> CalendarPeriod {
        Period::Day.of_day(self.day)
    }
}

/// An expired hold that was charged and can still be settled, or a request that must not be changed again.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) struct Tombstone {
    pub(super) id: HoldId,
    pub(super) amount: Usd,
    pub(super) until: Timestamp,
    pub(super) day: i32,
    pub(super) is_final: bool,
}
