//! Requests per minute: the generic cell rate algorithm
//! ([GCRA](https://en.wikipedia.org/wiki/Generic_cell_rate_algorithm)).
//!
//! The state is one instant, the theoretical arrival time: the end of the intervals of all requests that passed. A
//! request passes if that instant stays within one burst of now, so a window of any length passes at most the burst
//! plus the rate times its length.
//!
//! The interval is stored beside the instant: when the limit changes, as many requests are as many new intervals.

use std::{num::NonZeroU32, time::Duration};

use crate::timestamp::Timestamp;

/// The requests that passed.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub(crate) struct Arrival {
    /// The theoretical arrival time.
    pub(crate) at: Timestamp,
    /// Microseconds of one of its intervals. 0: it was not stored, and is taken to be that of the limit in force.
    pub(crate) interval: i64,
}

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

/// Returns the arrival after one more request.
///
/// # Errors
/// The time to wait, if the request does not pass.
pub(crate) fn pass(arrival: Option<Arrival>, now: Timestamp, per_minute: NonZeroU32) -> Result<Arrival, Duration> {
    let next = busy(arrival, now, per_minute).saturating_add(interval(per_minute));
    let wait = next.saturating_sub(burst(per_minute));
    if wait > 0 {
        return Err(Timestamp::default().until(Timestamp::from_micros(wait)));
    }
    Ok(Arrival { at: now.plus(next), interval: interval(per_minute) })
}

/// Returns the remaining requests.
pub(crate) fn view(arrival: Option<Arrival>, now: Timestamp, per_minute: NonZeroU32) -> Rate {
    let busy = busy(arrival, now, per_minute);
    let left = burst(per_minute).saturating_sub(busy).div_euclid(interval(per_minute));
    let reset = Timestamp::default().until(Timestamp::from_micros(busy));
    Rate { limit: per_minute.get(), remaining: u32::try_from(left).unwrap_or(0), reset }
}

/// Microseconds from now to the theoretical arrival time, in intervals of this limit. It is at most a burst: more requests
/// may have passed before the limit was lowered.
fn busy(arrival: Option<Arrival>, now: Timestamp, per_minute: NonZeroU32) -> i64 {
    let Some(Arrival { at, interval: counted }) = arrival else { return 0 };
    let busy = at.since(now).max(0);
    let scaled = busy.saturating_mul(interval(per_minute)).saturating_add(counted).saturating_sub(1);
    scaled.checked_div(counted).unwrap_or(busy).min(burst(per_minute))
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
