//! Requests per minute: the generic cell rate algorithm
//! ([GCRA](https://en.wikipedia.org/wiki/Generic_cell_rate_algorithm)).
//!
//! The state is one instant, the theoretical arrival time: the end of the intervals of all requests that passed. A
//! request passes if that instant stays within one burst of now, so a window of any length passes at most the burst
//! plus the rate times its length.

use std::{num::NonZeroU32, time::Duration};

use crate::timestamp::Timestamp;

/// A rate limit as the client sees it.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Rate {
    /// The limit per minute.
    pub limit: u32,
    /// The requests that remain now.
    pub remaining: u32,
    /// The time until all of it is left.
    pub reset: Duration,
}

/// Returns the theoretical arrival time after one more request.
///
/// # Errors
/// The time to wait, if the request does not pass.
pub(crate) fn pass(arrival: Option<Timestamp>, now: Timestamp, per_minute: NonZeroU32) -> Result<Timestamp, Duration> {
    let next = busy(arrival, now, per_minute).saturating_add(interval(per_minute));
    let wait = next.saturating_sub(burst(per_minute));
    if wait > 0 { Err(Timestamp::default().until(Timestamp::from_micros(wait))) } else { Ok(now.plus(next)) }
}

/// Returns the remaining requests.
pub(crate) fn view(arrival: Option<Timestamp>, now: Timestamp, per_minute: NonZeroU32) -> Rate {
    let busy = busy(arrival, now, per_minute);
    let left = burst(per_minute).saturating_sub(busy).div_euclid(interval(per_minute));
    let reset = Timestamp::default().until(Timestamp::from_micros(busy));
    Rate { limit: per_minute.get(), remaining: u32::try_from(left).unwrap_or(0), reset }
}

/// Microseconds from now to the theoretical arrival time. It is bounded, because the limit may have been raised.
fn busy(arrival: Option<Timestamp>, now: Timestamp, per_minute: NonZeroU32) -> i64 {
    arrival.map_or(0, |arrival| arrival.since(now)).clamp(0, burst(per_minute))
}

/// Microseconds of one request, rounded up so that the rate is never higher.
fn interval(per_minute: NonZeroU32) -> i64 {
    let count = i64::from(per_minute.get());
    Timestamp::MINUTE.saturating_add(count).saturating_sub(1).div_euclid(count)
}

/// Microseconds of `per_minute` requests.
fn burst(per_minute: NonZeroU32) -> i64 {
    interval(per_minute).saturating_mul(per_minute.get().into())
}
