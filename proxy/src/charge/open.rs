//! One metered request, from its reservation to its end.

use std::{fmt, sync::Arc, thread};

use http::{HeaderMap, StatusCode};
use sparekey_core::{UserKey, response_facts, retry_count};
use sparekey_ledger::{self as ledger, End, Ledger, Reported, ResponseHead, Settled};
use sparekey_metering::{ResponseIdentity, ResponseUsage};
use sparekey_policy::Timestamp;
use sparekey_upstream::ErrorKind;
use tokio::time::Instant;

use super::{Charges, Complaint, settlement::Settlement};
use crate::slot::Slot;

/// A request whose highest cost is reserved. If it is dropped, the request was cut, and an estimate is charged.
#[derive(Debug)]
pub(crate) struct Charge(Option<Box<OpenCharge>>);

pub(super) struct OpenCharge {
    pub(super) charges: Charges,
    pub(super) ledger: Arc<dyn Ledger>,
    pub(super) key: UserKey,
    pub(super) charge: ledger::Charge,
    /// The instant at which the request is cut.
    pub(super) until: Instant,
    /// The place among the user's open requests, until the request is settled.
    pub(super) slot: Option<Box<Slot>>,
    /// When it was sent, by two clocks. `None`: nothing of it was.
    pub(super) sent: Option<(Instant, Timestamp)>,
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
        open.charge.retry = retry_count(headers);
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
        let time = open.charge.started.until(crate::now());
        open.charge.head = Some(ResponseHead::new(status.as_u16(), time, response_facts::upstream_id(headers)));
        if response_facts::is_free(status) {
            self.settle(End::Complete, Reported::Free);
        }
    }

    /// Settles a request that has no response.
    pub(crate) fn failed(&mut self, kind: ErrorKind) {
        match kind {
            ErrorKind::NotSent | ErrorKind::Refused => {
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
            open.charge.is_streamed = is_streamed;
        }
    }

    pub(super) fn open(&self) -> Option<&OpenCharge> {
        self.0.as_deref()
    }

    /// Settles a request with what the response reports; `None`: it reports nothing.
    pub(super) fn settle_response(&mut self, end: End, response: Option<ResponseUsage>) {
        let reported = response.map_or(Reported::Nothing, |response| Reported::Response(Box::new(response)));
        self.settle(end, reported);
    }

    fn settle(&mut self, end: End, reported: Reported) {
        if let Some(open) = self.0.take() {
            open.settle(end, reported);
        }
    }

    /// Settles a request without a whole response.
    pub(crate) fn settle_estimate(&mut self, end: End) {
        self.settle(end, Reported::Nothing);
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
    fn settle(self: Box<Self>, end: End, reported: Reported) {
        let Self { charges, ledger, key, charge, slot, sent, .. } = *self;
        // The first clock stands still while the machine is suspended, and the second one may be set.
        let sent_for = sent.map(|(sent, at)| sent.elapsed().max(at.until(crate::now())));
        let Settled { call, cost, end, granted, is_over, unpriced, is_failure } =
            charge.settle(end, reported, sent_for, crate::now());
        let user = key.user();
        if is_over {
            tracing::error!(%user, model = &*cost.model, cost = %cost.amount, reserved = %granted, "a request cost more than was reserved: the price table or a bound is wrong");
        }
        if let Some(ResponseIdentity { model, service_tier, .. }) = unpriced
            && charges.0.logged.is_due(Complaint::Unpriced)
        {
            tracing::warn!(%user, model, service_tier, charged = %cost.amount, "something in a response has no price, so all that was reserved is charged, which is nothing without a budget: PRICES_FILE (on Lambda PRICES) can list its model");
        }
        if is_failure {
            charges.0.failures.add(user);
        }
        let settlement = Settlement {
            user,
            model: &cost.model,
            cost: cost.amount,
            usage: cost.usage,
            end,
            is_estimated: cost.is_estimated,
            is_over,
            is_unpriced: cost.is_unpriced,
        };
        charges.0.sinks.settled(&settlement);
        // The engine keeps a settle until it is stored.
        drop(ledger.run(call));
        drop(slot);
    }
}

impl fmt::Debug for OpenCharge {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("OpenCharge").field("charge", &self.charge).finish_non_exhaustive()
    }
}
