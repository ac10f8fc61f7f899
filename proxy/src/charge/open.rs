//! One metered request, from its reservation to its end.

use std::{fmt, sync::Arc, thread, time::Duration};

use http::{HeaderMap, StatusCode};
use sparekey_core::{Exchange, UserKey};
use sparekey_ledger::{Call, End, Ledger, Row};
use sparekey_metering::ResponseUsage;
use sparekey_policy::{Bound, Command, HoldId, Limits, Tier, Timestamp, Usage, Usd, is_snapshot_of};
use sparekey_upstream::ErrorKind;
use tokio::time::Instant;

use super::{Charges, outcome::Settlement};
use crate::{record::UPSTREAM_REQUEST_ID, slot::Slot};

/// The number of the try, by [OpenAI's SDKs](https://github.com/openai/openai-python).
const RETRY_COUNT: &str = "x-stainless-retry-count";

/// Bytes of an id of the upstream that is stored. OpenAI's have less than 80.
const ID_MAX: usize = 128;

/// A request whose highest cost is reserved. If it is dropped, the request was cut, and an estimate is charged.
#[derive(Debug)]
pub(crate) struct Charge(Option<Box<OpenCharge>>);

pub(super) struct OpenCharge {
    pub(super) charges: Charges,
    pub(super) ledger: Arc<dyn Ledger>,
    pub(super) key: UserKey,
    pub(super) limits: Arc<Limits>,
    pub(super) id: HoldId,
    pub(super) started: Timestamp,
    /// The instant at which the request is cut.
    pub(super) until: Instant,
    pub(super) bound: Bound,
    pub(super) granted: Usd,
    pub(super) is_streamed: bool,
    pub(super) route: &'static str,
    /// The place among the user's open requests, until the request is settled.
    pub(super) slot: Option<Box<Slot>>,
    pub(super) retry: u32,
    /// When it was sent, by two clocks. `None`: nothing of it was.
    pub(super) sent: Option<(Instant, Timestamp)>,
    /// The status of the response, and the time to it.
    pub(super) head: Option<(StatusCode, Duration)>,
    pub(super) upstream_id: Option<Arc<str>>,
}

/// The cost of a request.
struct Cost {
    amount: Usd,
    /// The model whose prices apply, without the date of a snapshot, and the tier.
    model: Arc<str>,
    tier: Tier,
    usage: Usage,
    is_estimated: bool,
    is_unpriced: bool,
}

impl Charge {
    pub(super) fn new(open: OpenCharge) -> Self {
        Self(Some(Box::new(open)))
    }

    /// Creates the charge of a request that has ended.
    #[cfg(test)]
    pub(super) fn settled() -> Self {
        Self(None)
    }

    /// Keeps the user's place until the request is settled.
    pub(crate) fn hold_slot(&mut self, slot: Option<Box<Slot>>) {
        if let Some(open) = &mut self.0 {
            open.slot = slot;
        }
    }

    /// The request is sent now, with these headers. Returns its deadline.
    pub(crate) fn sending(&mut self, headers: &HeaderMap, deadline: Option<Instant>) -> Option<Instant> {
        let Some(open) = &mut self.0 else { return deadline };
        let retry = headers.get(RETRY_COUNT).and_then(|count| count.to_str().ok()?.parse().ok());
        open.retry = retry.unwrap_or(0);
        open.sent = Some((Instant::now(), crate::now()));
        Some(deadline.map_or(open.until, |deadline| deadline.min(open.until)))
    }

    /// The instant at which the request is cut.
    pub(super) fn until(&self) -> Option<Instant> {
        self.0.as_ref().map(|open| open.until)
    }

    /// Records the head of the response. A status at which the upstream did nothing settles the request.
    pub(crate) fn responded(&mut self, status: StatusCode, headers: &HeaderMap) {
        let Some(open) = &mut self.0 else { return };
        open.head = Some((status, open.started.until(crate::now())));
        let id = headers.get(UPSTREAM_REQUEST_ID).and_then(|id| id.to_str().ok());
        open.upstream_id = id.filter(|id| id.len() <= ID_MAX).map(Into::into);
        if Exchange::is_free(status) {
            self.settle(End::Complete, Some(Usage::default()));
        }
    }

    /// Settles a request that has no response.
    pub(crate) fn failed(&mut self, kind: ErrorKind) {
        match kind {
            ErrorKind::NotSent => {
                if let Some(open) = &mut self.0 {
                    open.sent = None;
                }
                self.settle_estimate(End::Failed);
            }
            ErrorKind::Timeout => self.settle_estimate(End::Timeout),
            ErrorKind::Interrupted | ErrorKind::InvalidResponse | ErrorKind::RequestBody => {
                self.settle_estimate(End::UpstreamCut);
            }
        }
    }

    /// The form of the response shows whether it is streamed.
    pub(super) fn set_streamed(&mut self, is_streamed: bool) {
        if let Some(open) = &mut self.0 {
            open.is_streamed = is_streamed;
        }
    }

    pub(super) fn open(&self) -> Option<&OpenCharge> {
        self.0.as_deref()
    }

    /// Settles a request with what the response reports; `None`: it reports nothing.
    pub(super) fn settle_response(&mut self, end: End, response: Option<ResponseUsage>) {
        let Some(open) = self.0.take() else { return };
        let cost = match &response {
            Some(response) => open.cost_of(response),
            None => match open.bound.known_usage().filter(|_| end == End::Complete) {
                Some(usage) => open.cost_of_usage(usage),
                None => open.estimate(),
            },
        };
        open.settle(end, &cost, response.and_then(|response| response.identity.id));
    }

    fn settle(&mut self, end: End, usage: Option<Usage>) {
        let Some(open) = self.0.take() else { return };
        let cost = usage.map_or_else(|| open.estimate(), |usage| open.cost_of_usage(usage));
        open.settle(end, &cost, None);
    }

    /// Settles a request without a whole response.
    pub(crate) fn settle_estimate(&mut self, end: End) {
        self.settle(end, None);
    }
}

/// The request was cut by the proxy itself.
impl Drop for Charge {
    fn drop(&mut self) {
        let Some(open) = &self.0 else { return };
        let end = match () {
            () if thread::panicking() => End::Failed,
            () if open.charges.is_closing() => End::Shutdown,
            () if !open.charges.accepts(&open.key) => End::KeyEnded,
            () if Instant::now() >= open.until => End::Timeout,
            () => End::ClientLeft,
        };
        self.settle_estimate(end);
    }
}

impl OpenCharge {
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
            is_estimated: is_unpriced && has_budget,
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

    fn estimate(&self) -> Cost {
        let amount = match self.sent {
            None => Usd::ZERO,
            // The first clock stands still while the machine is suspended, and the second one may be set.
            Some((sent, at)) => {
                let sent_for = self.is_streamed.then(|| sent.elapsed().max(at.until(crate::now())));
                self.bound.estimate(self.granted, sent_for)
            }
        };
        self.requested(amount, self.sent.is_some())
    }

    /// A cost by the model and the tier of the request.
    fn requested(&self, amount: Usd, is_estimated: bool) -> Cost {
        let (model, tier) = (self.bound.model().into(), self.bound.tier());
        Cost { amount, model, tier, usage: Usage::default(), is_estimated, is_unpriced: false }
    }

    fn settle(self: Box<Self>, end: End, cost: &Cost, response_id: Option<Box<str>>) {
        let user = self.key.user();
        let amount = cost.amount.max(Usd::ZERO);
        let is_over = amount > self.granted && !self.limits.budgets.is_empty();
        if is_over {
            tracing::error!(%user, model = &*cost.model, cost = %amount, reserved = %self.granted, "a request cost more than was reserved: the price table or a bound is wrong");
        }
        if cost.is_estimated && self.is_failure(end) {
            self.charges.0.failures.add(user);
        }
        let tokens = cost.usage.tokens.total();
        // The estimate of the tokens stays too.
        let tokens = if cost.is_estimated && tokens == 0 {
            self.bound.tokens()
        } else {
            u32::try_from(tokens).unwrap_or(u32::MAX)
        };
        let command = Command::Settle { id: self.id, amount, tokens };
        let mut call = Call::new(Arc::clone(user), Arc::clone(&self.limits), command);
        // Of a request that was not sent, nothing is worth a row.
        if self.sent.is_some() {
            call = call.with_row(self.row(end, cost, is_over, response_id));
        }
        let settlement = Settlement {
            user,
            model: &cost.model,
            cost: amount,
            usage: cost.usage,
            end,
            is_estimated: cost.is_estimated,
            is_over,
            is_unpriced: cost.is_unpriced,
        };
        self.charges.0.sinks.settled(&settlement);
        // The engine keeps a settle until it is stored.
        drop(self.ledger.run(call));
    }

    /// Whether the upstream failed. A response that reports no usage is none, and neither is a client that left.
    fn is_failure(&self, end: End) -> bool {
        let is_success = self.head.is_some_and(|(status, _)| status.is_success());
        match end {
            End::UpstreamCut | End::Timeout | End::Failed => true,
            End::Complete => !is_success,
            _ => false,
        }
    }

    fn row(&self, end: End, cost: &Cost, is_over: bool, response_id: Option<Box<str>>) -> Row {
        let digest = self.key.digest_prefix();
        Row {
            started: self.started,
            key: format!("{:08x}", u32::from_be_bytes(digest)).into(),
            route: self.route.into(),
            model: Arc::clone(&cost.model),
            tier: cost.tier,
            usage: cost.usage,
            prices: self.bound.prices().version().into(),
            status: self.head.map_or(0, |(status, _)| status.as_u16()),
            end,
            is_estimated: cost.is_estimated,
            is_over,
            retry: self.retry,
            upstream_id: self.upstream_id.clone(),
            response_id: response_id.filter(|id| id.len() <= ID_MAX).map(Into::into),
            head: self.head.map(|(_, time)| time),
            total: self.started.until(crate::now()),
        }
    }
}

impl fmt::Debug for OpenCharge {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("OpenCharge").field("id", &self.id).field("granted", &self.granted).finish_non_exhaustive()
    }
}
