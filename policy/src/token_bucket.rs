//! Tokens per minute: a bucket that can go into debt.

use std::{num::NonZeroU32, time::Duration};

use crate::{rate::Rate, timestamp::Timestamp};

/// Tokens that were taken and are not yet refilled.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub(crate) struct TokenBucket {
    /// Tokens taken. More than the limit is a debt.
    pub(crate) used: i64,
    /// The instant up to which tokens were refilled.
    pub(crate) at: Timestamp,
}

impl TokenBucket {
    /// Refills up to now.
    pub(crate) fn refill(&mut self, now: Timestamp, per_minute: NonZeroU32) {
        let refilled = tokens_in(now.since(self.at).max(0), per_minute);
        if refilled >= self.used {
            *self = Self { used: 0, at: now };
        } else {
            self.used = self.used.saturating_sub(refilled);
            // Only the time of whole tokens, so that no fraction is lost.
            self.at = self.at.plus(time_of(refilled, per_minute)).min(now);
        }
    }

    /// Returns the time to wait for this many tokens; zero if they are there. Of a request that is larger than the limit,
    /// only the limit is asked for: the rest becomes a debt, because the request could never pass otherwise.
    pub(crate) fn wait(&self, tokens: u32, now: Timestamp, per_minute: NonZeroU32) -> Duration {
        let asked = i64::from(tokens.min(per_minute.get()));
        let missing = self.used.saturating_add(asked).saturating_sub(per_minute.get().into());
        if missing <= 0 {
            return Duration::ZERO;
        }
        now.until(self.at.plus(time_of(missing, per_minute)))
    }

    /// Takes tokens, or returns them if the number is negative. Not more than a full bucket is returned.
    pub(crate) fn take(&mut self, tokens: i64) {
        self.used = self.used.saturating_add(tokens).max(0);
    }

    /// Returns what is left.
    pub(crate) fn view(&self, now: Timestamp, per_minute: NonZeroU32) -> Rate {
        let remaining = u32::try_from(i64::from(per_minute.get()).saturating_sub(self.used)).unwrap_or(0);
        let full = self.at.plus(time_of(self.used, per_minute));
        Rate { limit: per_minute.get(), remaining, reset: now.until(full) }
    }
}

/// Whole tokens that are refilled in some microseconds.
fn tokens_in(micros: i64, per_minute: NonZeroU32) -> i64 {
    let tokens = i128::from(micros).saturating_mul(per_minute.get().into()).div_euclid(Timestamp::MINUTE.into());
    i64::try_from(tokens).unwrap_or(i64::MAX)
}

/// Microseconds until some tokens are refilled, rounded up.
fn time_of(tokens: i64, per_minute: NonZeroU32) -> i64 {
    let rate = i128::from(per_minute.get());
    let product = i128::from(tokens).saturating_mul(Timestamp::MINUTE.into());
    i64::try_from(product.saturating_add(rate).saturating_sub(1).div_euclid(rate)).unwrap_or(i64::MAX)
}
