//! One metered request, from its reservation to its end: what it costs, and the row that is stored of it.

use std::{sync::Arc, time::Duration};

use sparekey_metering::{ResponseIdentity, ResponseUsage};
use sparekey_policy::{Bound, Command, HoldId, Limits, Tier, Timestamp, Usage, Usd, is_snapshot_of};

use crate::{
    call::Call,
    row::{End, Row},
};

/// Bytes of an id of the upstream that is stored. OpenAI's have less than 80.
const ID_MAX: usize = 128;

/// A request whose highest cost is reserved.
#[derive(Debug)]
// Exhaustive: the caller that reserves fills each field.
pub struct Charge {
    /// The user.
    pub user: Arc<str>,
    /// The limits that applied to the reservation.
    pub limits: Arc<Limits>,
    /// The hold.
    pub id: HoldId,
    /// The first bytes of the access key's digest.
    pub key: [u8; 4],
    /// The route, such as `/chat/completions`.
    pub route: &'static str,
    /// When the request arrived.
    pub started: Timestamp,
    /// What the request can cost, and the prices of its response.
    pub bound: Bound,
    /// The reserved amount.
    pub granted: Usd,
    /// Whether the response is a stream: an estimate of its cost depends on the time since it was sent.
    pub is_streamed: bool,
    /// The repetition that the client's SDK names; 0 for the first try.
    pub retry: u32,
    /// The head of the response.
    pub head: Option<ResponseHead>,
}

/// What is stored of the head of a response.
#[derive(Debug)]
pub struct ResponseHead {
    /// The status.
    pub status: u16,
    /// The time from the request's arrival.
    pub time: Duration,
    /// The upstream's `x-request-id`.
    pub upstream_id: Option<Arc<str>>,
}

/// What is known of the usage when a request ends.
#[derive(Debug)]
pub enum Reported {
    /// What the response reports.
    Response(Box<ResponseUsage>),
    /// The upstream did nothing that costs.
    Free,
    /// Nothing.
    Nothing,
}

/// A request that has ended.
#[derive(Debug)]
pub struct Settled {
    /// The call that stores it.
    pub call: Call,
    /// Its cost.
    pub cost: Cost,
    /// How it ended.
    pub end: End,
    /// The amount that was reserved.
    pub granted: Usd,
    /// Whether the cost is above the amount that was reserved.
    pub is_over: bool,
    /// The names in a response whose usage has no price.
    pub unpriced: Option<ResponseIdentity>,
    /// Whether the upstream failed and the cost is an estimate. A response that reports no usage is no failure, and neither
    /// is a client that left.
    pub is_failure: bool,
}

/// The cost of a request.
#[derive(Clone, Debug)]
pub struct Cost {
    /// The amount.
    pub amount: Usd,
    /// The model whose prices apply, without the date of a snapshot.
    pub model: Arc<str>,
    /// The tier whose prices apply.
    pub tier: Tier,
    /// What was used.
    pub usage: Usage,
    /// Whether the amount is an estimate.
    pub is_estimated: bool,
    /// Whether the usage has no price.
    pub is_unpriced: bool,
}

impl ResponseHead {
    /// Creates it. An `upstream_id` of another form than OpenAI's is left out.
    #[must_use]
    pub fn new(status: u16, time: Duration, upstream_id: Option<&str>) -> Self {
        Self { status, time, upstream_id: upstream_id.filter(|id| is_id(id)).map(Into::into) }
    }
}

impl Charge {
    /// Ends the request. `sent_for` is the time since it was sent; `None`: nothing of it was.
    #[must_use]
    pub fn settle(self, end: End, reported: Reported, sent_for: Option<Duration>, now: Timestamp) -> Settled {
        let cost = match &reported {
            Reported::Response(response) => self.cost_of(response),
            Reported::Free => self.cost_of_usage(Usage::default()),
            Reported::Nothing => match self.bound.known_usage().filter(|_| end == End::Complete) {
                Some(usage) => self.cost_of_usage(usage),
                None => self.estimate(sent_for),
            },
        };
        let amount = cost.amount.max(Usd::ZERO);
        let is_over = amount > self.granted && !self.limits.budgets.is_empty();
        let tokens = cost.usage.tokens.total();
        // The estimate of the tokens stays too.
        let tokens = if cost.is_estimated && tokens == 0 {
            self.bound.tokens()
        } else {
            u32::try_from(tokens).unwrap_or(u32::MAX)
        };
        let command = Command::Settle { id: self.id, amount, tokens };
        let mut call = Call::new(Arc::clone(&self.user), Arc::clone(&self.limits), command);
        let is_failure = cost.is_estimated && self.is_failure(end);
        let granted = self.granted;
        let mut identity = match reported {
            Reported::Response(response) => Some(response.identity),
            Reported::Free | Reported::Nothing => None,
        };
        // Of a request that was not sent, nothing is worth a row.
        if sent_for.is_some() {
            let response_id = identity.as_mut().and_then(|identity| identity.id.take());
            call = call.with_row(self.row(end, &cost, is_over, response_id, now));
        }
        let unpriced = identity.filter(|_| cost.is_unpriced);
        Settled { call, cost: Cost { amount, ..cost }, end, granted, is_over, unpriced, is_failure }
    }

    fn cost_of(&self, response: &ResponseUsage) -> Cost {
        let priced = response.cost(self.bound.prices(), Some(self.bound.model()), self.bound.tier());
        let has_budget = !self.limits.budgets.is_empty();
        let known = priced.or(response.reported_cost.filter(|_| !has_budget));
        // Without a price, the whole hold is charged; a user without a budget has none.
        let amount = known.unwrap_or(self.granted);
        let is_unpriced = known.is_none();
        let identity = &response.identity;
        let requested = self.bound.model();
        let other = identity.model.as_deref().filter(|model| !is_snapshot_of(model, requested));
        let other = other.and_then(|model| self.bound.prices().find_entry(model));
        let tier = identity.service_tier.as_deref().and_then(Tier::from_service_tier);
        Cost {
            amount,
            model: other.map_or(requested, |(name, _)| name).into(),
            tier: tier.unwrap_or(self.bound.tier()),
            usage: response.usage,
            is_estimated: is_unpriced,
            is_unpriced,
        }
    }

    fn cost_of_usage(&self, usage: Usage) -> Cost {
        let amount = self.bound.prices().cost(self.bound.model(), self.bound.tier(), &usage);
        let amount = amount.or((usage == Usage::default()).then_some(Usd::ZERO));
        let is_unpriced = amount.is_none();
        let cost = self.requested(amount.unwrap_or(self.granted), is_unpriced);
        Cost { usage, is_unpriced, ..cost }
    }

    fn estimate(&self, sent_for: Option<Duration>) -> Cost {
        let amount = sent_for
            .map_or(Usd::ZERO, |sent_for| self.bound.estimate(self.granted, self.is_streamed.then_some(sent_for)));
        self.requested(amount, sent_for.is_some())
    }

    /// A cost by the model and the tier of the request.
    fn requested(&self, amount: Usd, is_estimated: bool) -> Cost {
        let (model, tier) = (self.bound.model().into(), self.bound.tier());
        Cost { amount, model, tier, usage: Usage::default(), is_estimated, is_unpriced: false }
    }

    fn is_failure(&self, end: End) -> bool {
        let is_success = self.head.as_ref().is_some_and(|head| (200..300).contains(&head.status));
        match end {
            End::UpstreamCut | End::Timeout | End::Failed => true,
            End::Complete => !is_success,
            _ => false,
        }
    }

    fn row(self, end: End, cost: &Cost, is_over: bool, response_id: Option<Box<str>>, now: Timestamp) -> Row {
        let (status, head, upstream_id) =
            self.head.map_or((0, None, None), |head| (head.status, Some(head.time), head.upstream_id));
        Row {
            started: self.started,
            key: format!("{:08x}", u32::from_be_bytes(self.key)).into(),
            route: self.route.into(),
            model: Arc::clone(&cost.model),
            tier: cost.tier,
            usage: cost.usage,
            prices: self.bound.prices().version().into(),
            status,
            end,
            is_estimated: cost.is_estimated,
            is_over,
            retry: self.retry,
            upstream_id,
            response_id: response_id.filter(|id| is_id(id)).map(Into::into),
            head,
            total: self.started.until(now),
        }
    }
}

/// Whether an id of the upstream is stored.
fn is_id(id: &str) -> bool {
    id.len() <= ID_MAX && id.bytes().all(|byte| byte.is_ascii_graphic())
}
