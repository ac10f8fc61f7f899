//! Rows: what is stored of each request that was settled.

use std::{sync::Arc, time::Duration};

use sparekey_policy::{CalendarPeriod, Endpoint, HoldId, Tier, Timestamp, Usage, Usd};

/// What the caller notes of a request. It has no key, no body, and no text that a client chose: a model name that is not in
/// the price table is stored as `other`.
#[derive(Clone, Debug, Eq, PartialEq)]
// Exhaustive: the caller that settles fills each field.
pub struct Row {
    /// When the request arrived.
    pub started: Timestamp,
    /// The first hex digits of the access key's digest.
    pub key: Arc<str>,
    /// The route, such as `/chat/completions`.
    pub route: Arc<str>,
    /// The model whose prices apply; empty for a request without one.
    pub model: Arc<str>,
    /// The tier of the response.
    pub tier: Tier,
    /// Tokens by kind, calls of tools, duration of audio.
    pub usage: Usage,
    /// The version of the price table.
    pub prices: Arc<str>,
    /// The status of the response; 0 if there was none.
    pub status: u16,
    /// How the request ended.
    pub end: End,
    /// Whether the usage or the cost is an estimate.
    pub is_estimated: bool,
    /// Whether the cost is above the hold.
    pub is_over: bool,
    /// The repetition that the client's SDK names in `x-stainless-retry-count`; 0 for the first try.
    pub retry: u32,
    /// The upstream's `x-request-id`.
    pub upstream_id: Option<Arc<str>>,
    /// The `id` in the response, by which a later request can refer to it.
    pub response_id: Option<Arc<str>>,
    /// The time to the response head.
    pub head: Option<Duration>,
    /// The time to the end.
    pub total: Duration,
}

/// How a request ended.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
#[non_exhaustive]
pub enum End {
    /// The response is complete.
    Complete,
    /// The client closed the connection before the end.
    ClientLeft,
    /// The upstream closed the connection before the end.
    UpstreamCut,
    /// A timeout passed.
    Timeout,
    /// The proxy was shut down.
    Shutdown,
    /// The key was removed or disabled, or expired.
    KeyEnded,
    /// The proxy failed.
    Failed,
    /// The hold expired: the process ended, or its settle was lost. The whole hold is charged.
    Expired,
    /// No request, but an amount that the owner credited.
    Credit,
}

/// A row as it is stored.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct LedgerRow {
    /// The request's hold.
    pub id: HoldId,
    /// The user.
    pub user: Arc<str>,
    /// The day that is charged: that of the reservation.
    pub day: CalendarPeriod,
    /// The cost that counts; negative for a credit, 0 if the row was made void.
    pub cost: Usd,
    /// The cost before the row was made void.
    pub voided: Option<Usd>,
    /// The details.
    pub row: Row,
}

impl End {
    /// All ends.
    pub const ALL: [Self; 9] = [
        Self::Complete,
        Self::ClientLeft,
        Self::UpstreamCut,
        Self::Timeout,
        Self::Shutdown,
        Self::KeyEnded,
        Self::Failed,
        Self::Expired,
        Self::Credit,
    ];

    /// Returns the name in the ledger.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Complete => "complete",
            Self::ClientLeft => "client-left",
            Self::UpstreamCut => "upstream-cut",
            Self::Timeout => "timeout",
            Self::Shutdown => "shutdown",
            Self::KeyEnded => "key-ended",
            Self::Failed => "failed",
            Self::Expired => "expired",
            Self::Credit => "credit",
        }
    }

    /// Returns the end with this name.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|end| end.name() == name)
    }
}

impl Row {
    /// Whether it is of a request to `/responses` whose response has this id.
    pub(crate) fn is_response(&self, id: &str) -> bool {
        *self.route == *Endpoint::Responses.path() && self.response_id.as_deref() == Some(id)
    }

    /// Returns a row without details.
    #[must_use]
    pub fn bare(started: Timestamp, end: End) -> Self {
        let empty: Arc<str> = Arc::from("");
        Self {
            started,
            key: Arc::clone(&empty),
            route: Arc::clone(&empty),
            model: Arc::clone(&empty),
            tier: Tier::Standard,
            usage: Usage::default(),
            prices: empty,
            status: 0,
            end,
            is_estimated: false,
            is_over: false,
            retry: 0,
            upstream_id: None,
            response_id: None,
            head: None,
            total: Duration::ZERO,
        }
    }
}
