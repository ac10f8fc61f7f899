//! The metrics of metered users: money, tokens, the ledger.

use std::sync::{Arc, atomic::AtomicU64};
use std::time::Duration;

use prometheus_client::{
    encoding::EncodeLabelSet,
    metrics::{counter::Counter, family::Family, gauge::Gauge, histogram::Histogram},
    registry::{Registry, Unit},
};
use sparekey_policy::Usd;
use sparekey_proxy::{Reports, Settlement};

use super::UserLabels;

/// Upper bounds of the buckets, in seconds: from a commit on a fast disk to the timeout of a locked file.
const LEDGER_SECONDS: [f64; 10] = [0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.1, 0.5, 1.0, 2.5];

/// Pico-dollars of a dollar.
const DOLLAR: f64 = 1e12;

/// The kinds of tokens.
const TOKENS: [&str; 4] = ["input", "cached", "output", "reasoning"];

type FloatCounter = Counter<f64, AtomicU64>;
type FloatGauge = Gauge<f64, AtomicU64>;

/// The metrics.
#[derive(Clone, Debug)]
pub(crate) struct SpendingMetrics {
    spent: Family<ModelLabels, FloatCounter>,
    tokens: Family<TokenLabels, Counter>,
    estimated: Family<UserLabels, Counter>,
    unpriced: Family<UserLabels, Counter>,
    over: Family<UserLabels, Counter>,
    budget_left: Family<PeriodLabels, FloatGauge>,
    holds: Family<UserLabels, Gauge>,
    ledger: Histogram,
    ledger_errors: Counter,
}

#[derive(Clone, Debug, EncodeLabelSet, Eq, Hash, PartialEq)]
struct ModelLabels {
    user: Arc<str>,
    model: String,
}

#[derive(Clone, Debug, EncodeLabelSet, Eq, Hash, PartialEq)]
struct TokenLabels {
    user: Arc<str>,
    kind: &'static str,
}

#[derive(Clone, Debug, EncodeLabelSet, Eq, Hash, PartialEq)]
struct PeriodLabels {
    user: Arc<str>,
    period: &'static str,
}

impl Default for SpendingMetrics {
    fn default() -> Self {
        Self {
            spent: Family::default(),
            tokens: Family::default(),
            estimated: Family::default(),
            unpriced: Family::default(),
            over: Family::default(),
            budget_left: Family::default(),
            holds: Family::default(),
            ledger: Histogram::new(LEDGER_SECONDS),
            ledger_errors: Counter::default(),
        }
    }
}

impl SpendingMetrics {
    pub(super) fn register(&self, registry: &mut Registry) {
        let usd = || Unit::Other("usd".to_owned());
        registry.register_with_unit("spent", "US dollars spent by metered users", usd(), self.spent.clone());
        let help = "Tokens used by metered users; cached and reasoning tokens are a part of the others";
        registry.register("tokens", help, self.tokens.clone());
        let help = "Requests of metered users whose cost is an estimate";
        registry.register("requests_estimated", help, self.estimated.clone());
        let help = "Requests of metered users whose usage has no price";
        registry.register("requests_unpriced", help, self.unpriced.clone());
        let help = "Requests that cost more than was reserved: the price table or a bound is wrong";
        registry.register("requests_over_reserved", help, self.over.clone());
        let help = "The part of a budget that is neither spent nor reserved";
        registry.register_with_unit("budget_left", help, Unit::Ratios, self.budget_left.clone());
        let help = "Open requests whose highest cost is reserved";
        registry.register("holds_open", help, self.holds.clone());
        let help = "Time of a call of the ledger";
        registry.register_with_unit("ledger_call", help, Unit::Seconds, self.ledger.clone());
        registry.register("ledger_errors", "Calls of the ledger that failed", self.ledger_errors.clone());
    }

    pub(super) fn settled(&self, settlement: &Settlement<'_>) {
        let Settlement { user, model, cost, usage, is_estimated, is_over, is_unpriced, .. } = *settlement;
        let user = || Arc::clone(user);
        self.spent.get_or_create(&ModelLabels { user: user(), model: model.to_owned() }).inc_by(dollars(cost));
        let tokens = &usage.tokens;
        for (kind, count) in TOKENS.into_iter().zip([tokens.input, tokens.cached, tokens.output, tokens.reasoning]) {
            self.tokens.get_or_create(&TokenLabels { user: user(), kind }).inc_by(count);
        }
        for (counter, is_one) in [(&self.estimated, is_estimated), (&self.unpriced, is_unpriced), (&self.over, is_over)]
        {
            counter.get_or_create(&UserLabels { user: Some(user()) }).inc_by(u64::from(is_one));
        }
    }

    pub(super) fn ledger_called(&self, time: Duration, is_ok: bool) {
        self.ledger.observe(time.as_secs_f64());
        self.ledger_errors.inc_by(u64::from(!is_ok));
    }

    /// Begins the counters of metered users with 0: a database of metrics does not count the first value of a series. A model
    /// is not known before.
    pub(crate) fn begin<'a>(&self, metered: impl Iterator<Item = &'a Arc<str>>) {
        for user in metered {
            for kind in TOKENS {
                drop(self.tokens.get_or_create(&TokenLabels { user: Arc::clone(user), kind }));
            }
            for counter in [&self.estimated, &self.unpriced, &self.over] {
                drop(counter.get_or_create(&UserLabels { user: Some(Arc::clone(user)) }));
            }
        }
    }

    /// Sets what the ledger reports at the moment. What it does not report stays.
    pub(crate) fn report(&self, reports: &Reports) {
        if reports.is_complete {
            self.budget_left.clear();
            self.holds.clear();
        }
        for (user, report) in &reports.known {
            let open = i64::try_from(report.open).unwrap_or(i64::MAX);
            self.holds.get_or_create(&UserLabels { user: Some(Arc::clone(user)) }).set(open);
            for period in &report.periods {
                let (Some(budget), Some(left)) = (period.budget, period.left()) else { continue };
                let labels = PeriodLabels { user: Arc::clone(user), period: period.period.period().name() };
                self.budget_left.get_or_create(&labels).set(dollars(left.max(Usd::ZERO)) / dollars(budget));
            }
        }
    }
}

#[expect(clippy::cast_precision_loss, reason = "a metric shows 15 digits")]
fn dollars(amount: Usd) -> f64 {
    amount.as_pico() as f64 / DOLLAR
}
