//! `GET /usage`: a user's own limits, and what was spent.

use std::sync::{Arc, LazyLock};

use http::Response;
use sparekey_core::{USAGE_PER_MINUTE, UsageDay, UsageReports, UsageRequest, UsageSums, UserKey};
use sparekey_ledger::Day;
use sparekey_policy::{Limits, Zone};

use crate::{Decision, Proxy, body::Body, record::RequestLog};

static LIMITS: LazyLock<Limits> = LazyLock::new(|| {
    let mut limits = Limits::none(Arc::new(Zone::utc()));
    limits.requests_per_minute = Some(USAGE_PER_MINUTE);
    limits
});

/// A request for the limits of a metered user, for which the ledger must be read.
#[derive(Debug)]
pub struct UsageLookup {
    request: Box<UsageRequest>,
    log: RequestLog,
}

impl UsageLookup {
    /// Returns the access key of the request.
    #[must_use]
    pub fn key(&self) -> &UserKey {
        self.request.key()
    }
}

impl Proxy {
    pub(crate) fn admit_usage(&self, request: Box<UsageRequest>, mut log: RequestLog) -> Decision {
        log.key(request.key());
        if let Err(wait) = self.usage_rates.pass(request.user(), &LIMITS) {
            let rejection = request.reject_too_often(USAGE_PER_MINUTE.get(), wait);
            return Decision::respond(Body::rejection(&rejection, log));
        }
        if request.ledger_limits().is_some() {
            return Decision::Usage(UsageLookup { request, log });
        }
        let place = self.user_states.report(request.user(), request.limits());
        Decision::respond(Body::own(
            request.reply(&UsageReports { place: place.as_ref(), ..UsageReports::default() }),
            log,
        ))
    }

    /// Reads the ledger for `GET /usage`.
    pub async fn usage(&self, lookup: UsageLookup) -> Response<Body> {
        let UsageLookup { request, log } = lookup;
        let Some(limits) = request.ledger_limits() else {
            return Body::rejection(&request.reject_without_ledger(), log);
        };
        match self.charges.usage(request.user(), limits).await {
            Ok((ledger, days)) => {
                let place = self.user_states.report(request.user(), request.limits());
                let days: Vec<_> = days.into_iter().map(usage_day).collect();
                let reports = UsageReports { place: place.as_ref(), ledger: Some(&ledger), days: &days };
                Body::own(request.reply(&reports), log)
            }
            Err(_) => Body::rejection(&request.reject_without_ledger(), log),
        }
    }
}

fn usage_day(day: Day) -> UsageDay {
    let Day { day, model, sums, .. } = day;
    let sums =
        UsageSums { usd: sums.cost, requests: sums.requests, input_tokens: sums.input, output_tokens: sums.output };
    UsageDay { day, model: (&*model).into(), sums }
}
