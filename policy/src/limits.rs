//! The limits of one user that depend on earlier requests.

use std::{num::NonZeroU32, sync::Arc};

use crate::{period::Period, usd::Usd, zone::Zone};

/// Open requests of a metered user without a limit of their own.
pub(crate) const METERED_CONCURRENCY: u32 = 8;

/// The most open requests of a metered user: each is a hold of about 50 bytes in the stored state.
pub const METERED_CONCURRENCY_MAX: u32 = 64;

/// The highest limit on open requests of other users whose holds are in memory. A settle searches all of them.
pub(crate) const CONCURRENCY_MAX: u32 = 1_000;

/// The highest limit on requests per minute: one each 60 µs.
pub(crate) const REQUESTS_PER_MINUTE_MAX: u32 = 1_000_000;

/// The limits that [`step`](crate::step) enforces for one user. A limit that is not set is `None`.
#[derive(Clone, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub struct Limits {
    /// Requests per minute, 1 to 1,000,000.
    pub requests_per_minute: Option<NonZeroU32>,
    /// Open requests, 1 to 1,000. [`Limits::concurrency`] returns the number that applies.
    pub concurrent_requests: Option<NonZeroU32>,
    /// Tokens per minute, input and output together.
    pub tokens_per_minute: Option<NonZeroU32>,
    /// The most output tokens of one request.
    pub max_output_tokens: Option<NonZeroU32>,
    /// The most money per period.
    pub budgets: Budgets,
    /// Whether usage is counted even without a budget.
    pub metered: bool,
    /// The time zone of the periods.
    pub zone: Arc<Zone>,
}

/// At most one budget per kind of period.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Budgets([Option<Usd>; Period::ALL.len()]);

impl Limits {
    /// Returns no limits, with this time zone.
    #[must_use]
    pub fn none(zone: Arc<Zone>) -> Self {
        Self {
            requests_per_minute: None,
            concurrent_requests: None,
            tokens_per_minute: None,
            max_output_tokens: None,
            budgets: Budgets::default(),
            metered: false,
            zone,
        }
    }

    /// Whether usage is read from requests and responses.
    #[must_use]
    pub fn is_metered(&self) -> bool {
        self.metered || self.is_restricted()
    }

    /// Whether the cost or the tokens of a request need a bound. A user whose usage is only counted is not restricted.
    #[must_use]
    pub fn is_restricted(&self) -> bool {
        !self.budgets.is_empty() || self.tokens_per_minute.is_some() || self.max_output_tokens.is_some()
    }

    /// Whether a decision depends on the user's state. Without one, no [`step`](crate::step) is needed.
    #[must_use]
    pub fn needs_state(&self) -> bool {
        self.requests_per_minute.is_some() || self.concurrency().is_some()
    }

    /// Returns those limits that count requests only.
    #[must_use]
    pub fn places(&self) -> Self {
        let concurrent_requests = self.concurrency().and_then(NonZeroU32::new);
        let requests_per_minute = self.requests_per_minute;
        Self { requests_per_minute, concurrent_requests, ..Self::none(Arc::clone(&self.zone)) }
    }

    /// Returns the most open requests. A metered user always has such a limit.
    #[must_use]
    pub fn concurrency(&self) -> Option<u32> {
        let set = self.concurrent_requests.map(NonZeroU32::get);
        if self.is_metered() { Some(set.unwrap_or(METERED_CONCURRENCY).min(METERED_CONCURRENCY_MAX)) } else { set }
    }
}

impl Budgets {
    /// Sets the budget of a kind of period, and returns the one that it replaces.
    pub fn set(&mut self, period: Period, usd: Usd) -> Option<Usd> {
        self.0.iter_mut().zip(Period::ALL).find(|(_, kind)| *kind == period).and_then(|(budget, _)| budget.replace(usd))
    }

    /// Returns the budget of a kind of period.
    #[must_use]
    pub fn get(&self, period: Period) -> Option<Usd> {
        self.iter().find(|(kind, _)| *kind == period).map(|(_, usd)| usd)
    }

    /// Returns the budgets that are set.
    pub fn iter(&self) -> impl Iterator<Item = (Period, Usd)> + '_ {
        Period::ALL.into_iter().zip(self.0).filter_map(|(period, usd)| Some((period, usd?)))
    }

    /// Whether no budget is set.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.iter().all(Option::is_none)
    }
}
