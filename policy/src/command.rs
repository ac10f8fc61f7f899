//! Commands on a user's state, and their outcomes.

use std::time::Duration;

use crate::{
    period::{CalendarPeriod, Period},
    rate::Rate,
    state::{HoldId, ProcessId},
    timestamp::Timestamp,
    usd::Usd,
};

/// A command of [`step`](crate::step).
// Exhaustive, as the next two: an engine handles each command, and the gate responds to each outcome.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Command {
    /// Admits a request, and reserves its highest cost. The same id again gets the same grant.
    Reserve(Reserve),
    /// Ends a request: its actual cost replaces its hold. Only the first one has an effect.
    Settle {
        /// The request.
        id: HoldId,
        /// Its actual cost; a negative one counts as zero.
        amount: Usd,
        /// Its actual tokens, input and output.
        tokens: u32,
    },
    /// Adds to what is spent in the periods that contain `at`. Only the first one of an id within 24 hours has an effect,
    /// and none while the request of this id is open.
    Adjust {
        /// The request that is made void, or a new id for a credit.
        id: HoldId,
        /// When that request was reserved, or now. A later instant counts as now.
        at: Timestamp,
        /// The amount; negative for what is returned. More can be returned than was spent.
        amount: Usd,
    },
    /// Expires the holds of a process that is dead. They are charged in full.
    ProcessEnded(ProcessId),
    /// Returns the use of the limits.
    Report,
}

/// A reservation.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Reserve {
    /// The request: 128 random bits, made before the first try.
    pub id: HoldId,
    /// The most that the request may cost.
    pub want: Usd,
    /// Up to this amount a request is granted even where it is more than a quarter of what is left.
    pub floor: Usd,
    /// The least that is of use to the request; at most `want`.
    pub least: Usd,
    /// An estimate of its tokens, for the limit per minute.
    pub tokens: u32,
    /// The instant at which the request is cut, and the hold charged. [`Timestamp::MAX`] for a request without limits on
    /// usage, such as a WebSocket of a user with a limit on open requests only.
    pub until: Timestamp,
    /// The process that sends the request.
    pub process: ProcessId,
}

impl Reserve {
    /// Returns a reservation of a place among the user's requests, without money or tokens.
    #[must_use]
    pub fn place(id: HoldId, process: ProcessId) -> Self {
        Self { id, want: Usd::ZERO, floor: Usd::ZERO, least: Usd::ZERO, tokens: 0, until: Timestamp::MAX, process }
    }
}

/// The result of [`step`](crate::step).
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Outcome {
    /// The request may be sent, as soon as the state is durable.
    Granted {
        /// The reserved amount: at least `least`, at most `want`.
        amount: Usd,
        /// What is left of the tightest budget, less this and all other holds; `None` without a budget.
        left: Option<Usd>,
        /// The remaining rates.
        rates: Rates,
    },
    /// A limit refuses the request. Nothing was reserved.
    Denied(Box<Denial>),
    /// The request ended.
    Settled {
        /// The amount that was reserved.
        held: Usd,
        /// Whether the hold had expired and was charged in full until now.
        was_expired: bool,
        /// The day of the reservation, which is charged.
        day: CalendarPeriod,
    },
    /// The amount was added.
    Adjusted,
    /// The process has no holds any more.
    Expired {
        /// The number of holds that were charged.
        count: usize,
    },
    /// The use of the limits.
    Report(Box<Report>),
    /// No hold of this id. It was settled, or expired more than a day ago, or was never reserved. Nothing changed.
    Unknown,
    /// A reserve of an id whose hold expired, or an adjustment that was made before. Nothing changed.
    AlreadyDone,
    /// An adjustment of a request that is still open. Nothing changed.
    StillOpen,
    /// The clock shows a period whose counters are no longer kept, so that the amount spent in it is unknown. Nothing was
    /// reserved.
    PeriodNotKept(CalendarPeriod),
}

/// Why a request is refused.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub struct Denial {
    /// The limit.
    pub which: DeniedBy,
    /// When the same request can pass; `None` if no short wait helps.
    pub retry_after: Option<Duration>,
    /// Whether the same request may pass in a moment: open requests refuse it, some of them of another process, and of one that
    /// has ended the end may not be stored yet.
    pub may_be_late: bool,
    /// The remaining rates.
    pub rates: Rates,
}

/// The limit that refuses a request.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum DeniedBy {
    /// Requests per minute.
    Requests,
    /// Open requests.
    Concurrency,
    /// Tokens per minute.
    Tokens,
    /// The budget is spent, or the request does not fit in the rest.
    Budget(PeriodReport),
    /// The budget has room for the request, but the user's open requests hold it.
    Held(PeriodReport),
}

/// The remaining rates of those that are limited.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Rates {
    /// Requests per minute.
    pub requests: Option<Rate>,
    /// Tokens per minute.
    pub tokens: Option<Rate>,
}

/// The use of a user's limits.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub struct Report {
    /// The remaining rates.
    pub rates: Rates,
    /// Open requests.
    pub open: usize,
    /// The most open requests.
    pub concurrency: Option<u32>,
    /// The current periods, in the order of [`Period::ALL`].
    pub periods: [PeriodReport; Period::ALL.len()],
}

/// Money in one period.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub struct PeriodReport {
    /// The period.
    pub period: CalendarPeriod,
    /// Its budget, if it has one.
    pub budget: Option<Usd>,
    /// The amount spent in it.
    pub spent: Usd,
    /// The amount held by its open requests.
    pub held: Usd,
    /// When the next one begins.
    pub ends: Option<Timestamp>,
}

impl PeriodReport {
    /// Returns the budget less what is spent and held; negative after the budget was lowered. `None` without a budget.
    #[must_use]
    pub fn left(&self) -> Option<Usd> {
        self.budget.map(|budget| budget.minus(self.spent).minus(self.held))
    }
}
