//! The end of a request that has a place or a hold in the ledger.

use std::time::Duration;

use sparekey_ledger::{Call, Charge, End, Reported, Settled};
use sparekey_metering::ResponseIdentity;
use sparekey_policy::Timestamp;
use worker::{console_error, web_sys::AbortController};

use super::{ledger::Ledger, memory};
use crate::clock::now;

/// A request that is not settled yet.
pub(super) struct Reserved {
    pub(super) ledger: Ledger,
    pub(super) kind: Kind,
    /// Whether the client of a stream did not ask for its usage.
    pub(super) hides_usage: bool,
    /// The instant at which the request is cut.
    pub(super) until: Timestamp,
    /// `None`: nothing of it was sent.
    pub(super) sent: Option<Timestamp>,
    /// Cuts the request at the upstream, and so its response.
    pub(super) cut: Option<AbortController>,
}

pub(super) enum Kind {
    /// A metered request.
    Charge(Box<Charge>),
    /// Another one, which the call ends.
    Place(Call),
}

impl Reserved {
    /// How long the request may still take.
    pub(super) fn left(&self) -> Duration {
        now().until(self.until)
    }

    pub(super) fn cut(&self) {
        if let Some(cut) = &self.cut {
            cut.abort();
        }
    }

    pub(super) fn settle(self, end: End, reported: Reported) {
        let Self { ledger, kind, sent, .. } = self;
        let call = match kind {
            Kind::Place(call) => call,
            Kind::Charge(charge) => {
                let sent_for = sent.map(|sent| sent.until(now()));
                let Settled { call, cost, granted, is_over, unpriced, is_failure, .. } =
                    charge.settle(end, reported, sent_for, now());
                if is_over {
                    let (user, model, amount) = (&call.user, &cost.model, cost.amount);
                    console_error!(
                        "a request of {user} with {model} cost {amount}, more than {granted}, which was reserved: the price table or a bound is wrong"
                    );
                }
                if let Some(ResponseIdentity { model, service_tier, .. }) = unpriced {
                    let user = &call.user;
                    let [model, tier] = [&model, &service_tier].map(|name| name.as_deref().unwrap_or("none"));
                    console_error!(
                        "something in a response to {user} has no price, so all that was reserved is charged, which is nothing without a budget: PRICES can list its model, {model}; its tier is {tier}"
                    );
                }
                if is_failure {
                    memory::add_failure(&call.user);
                }
                call
            }
        };
        memory::freed(&call.user);
        ledger.settle(call);
    }
}
