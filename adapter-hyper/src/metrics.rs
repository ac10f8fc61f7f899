//! Metrics for Prometheus, in the [OpenMetrics format](https://prometheus.io/docs/specs/om/open_metrics_spec/) or the older
//! text format.

mod classic_text;
mod last_day;
mod spending;
#[cfg(test)]
mod tests;

use std::{
    fmt,
    ops::Deref,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use http::{HeaderMap, HeaderValue, StatusCode, header::ACCEPT};
use prometheus_client::{
    encoding::{EncodeLabelSet, text::encode},
    metrics::{counter::Counter, family::Family, gauge::Gauge, histogram::Histogram},
    registry::{Registry, Unit},
};
use sparekey_core::Keyring;
use sparekey_proxy::{RequestRecord, ResponseEnd, Settlement, Sink};

pub(crate) use self::last_day::HOUR;
use self::{last_day::LastDay, spending::SpendingMetrics};

const OPEN_METRICS: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";
const CLASSIC_TEXT: &str = "text/plain; version=0.0.4; charset=utf-8";

/// Upper bounds of the buckets, in seconds: from an immediate rejection to a model that reasons for minutes.
const HEAD_SECONDS: [f64; 12] = [0.01, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 120.0, 600.0];

/// All metrics. No label contains text of a client: users are those of the access keys.
pub(crate) struct Metrics {
    registry: Registry,
    requests: Family<RequestLabels, Counter>,
    rejections: Family<RejectionLabels, Counter>,
    open: Gauge,
    open_by_user: Family<UserLabels, Gauge>,
    last_request: Family<UserLabels, Gauge>,
    received: Counter,
    dropped_headers: Counter,
    log_lines_dropped: Counter,
    /// The value that `log_lines_dropped` follows.
    dropped_lines: Arc<AtomicU64>,
    sent: Family<UserLabels, Counter>,
    upstream_head: Histogram,
    pub(crate) spending: SpendingMetrics,
    /// For the owner's page; a database of metrics computes it itself.
    pub(crate) errors: LastDay,
}

#[derive(Clone, Debug, EncodeLabelSet, Eq, Hash, PartialEq)]
struct RequestLabels {
    user: Option<Arc<str>>,
    class: &'static str,
}

#[derive(Clone, Debug, EncodeLabelSet, Eq, Hash, PartialEq)]
struct RejectionLabels {
    user: Option<Arc<str>>,
    code: &'static str,
}

#[derive(Clone, Debug, EncodeLabelSet, Eq, Hash, PartialEq)]
struct UserLabels {
    user: Option<Arc<str>>,
}

/// The metrics of client connections.
#[derive(Clone, Debug, Default)]
pub(crate) struct ConnectionMetrics {
    pub(crate) open: Gauge,
    closed: Family<ClosedLabels, Counter>,
}

#[derive(Clone, Debug, EncodeLabelSet, Eq, Hash, PartialEq)]
struct ClosedLabels {
    reason: &'static str,
}

/// The metrics of reloads.
#[derive(Clone, Debug, Default)]
pub(crate) struct ReloadMetrics {
    successful: Gauge,
    last_success: Gauge,
    /// 0 without a certificate.
    certificate_expiry: Gauge,
    user_expiry: Family<UserLabels, Gauge>,
}

/// The bound for which a connection was closed.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Bound {
    Connections,
    PerAddress,
    UnfinishedHeads,
}

impl ConnectionMetrics {
    /// The counter of the connections that were closed for this bound.
    pub(crate) fn closed(&self, bound: Bound) -> impl Deref<Target = Counter> {
        let reason = match bound {
            Bound::Connections => "max_connections",
            Bound::PerAddress => "max_connections_per_address",
            Bound::UnfinishedHeads => "max_unfinished_heads",
        };
        self.closed.get_or_create(&ClosedLabels { reason })
    }
}

impl ReloadMetrics {
    pub(crate) fn succeeded(&self, now: SystemTime) {
        self.successful.set(1);
        self.last_success.set(seconds(now));
    }

    pub(crate) fn failed(&self) {
        self.successful.set(0);
    }

    /// Records when the last key of each user ends.
    pub(crate) fn users_expire(&self, keys: &Keyring) {
        self.user_expiry.clear();
        for (user, at) in keys.expiries() {
            self.user_expiry.get_or_create(&UserLabels { user: Some(Arc::clone(user)) }).set(at.as_seconds());
        }
    }

    /// Records when the certificate expires, in seconds since 1970.
    pub(crate) fn certificate_expires(&self, seconds: i64) {
        self.certificate_expiry.set(seconds);
    }

    fn register(&self, registry: &mut Registry) {
        let help = "Whether the last reload succeeded; the start counts as one";
        registry.register("last_reload_successful", help, self.successful.clone());
        let name = "last_reload_success_timestamp";
        registry.register_with_unit(
            name,
            "Time of the last successful reload",
            Unit::Seconds,
            self.last_success.clone(),
        );
        let (name, help) = ("user_expiry_timestamp", "When the last access key of a user ends, if all end");
        registry.register_with_unit(name, help, Unit::Seconds, self.user_expiry.clone());
        if self.certificate_expiry.get() > 0 {
            let (name, help) = ("certificate_expiry_timestamp", "When the certificate of TLS_CERT expires");
            registry.register_with_unit(name, help, Unit::Seconds, self.certificate_expiry.clone());
        }
    }
}

impl Metrics {
    /// Creates all metrics, at 0.
    pub(crate) fn new(dropped_lines: Arc<AtomicU64>, connections: &ConnectionMetrics, reloads: &ReloadMetrics) -> Self {
        let mut registry = Registry::with_prefix("sparekey");
        reloads.register(&mut registry);
        let spending = SpendingMetrics::default();
        spending.register(&mut registry);
        registry.register("connections_open", "Open connections of clients", connections.open.clone());
        let help = "Connections of clients that were closed to keep a bound, by the setting";
        registry.register("connections_closed", help, connections.closed.clone());
        // They begin with 0.
        for bound in [Bound::Connections, Bound::PerAddress, Bound::UnfinishedHeads] {
            drop(connections.closed(bound));
        }
        let requests = Family::default();
        registry.register("requests", "Finished requests, by user and status class", requests.clone());
        let rejections = Family::default();
        registry.register("rejections", "Error responses of the proxy itself, by user and code", rejections.clone());
        let open = Gauge::default();
        registry.register("requests_open", "Open requests, including streams and WebSockets", open.clone());
        let open_by_user = Family::default();
        registry.register("user_requests_open", "Open requests, by user", open_by_user.clone());
        let last_request = Family::default();
        let (name, help) = ("user_last_request_timestamp", "When the last request of a user began");
        registry.register_with_unit(name, help, Unit::Seconds, last_request.clone());
        let received = Counter::default();
        let bytes = || Unit::Bytes;
        registry.register_with_unit("received", "Bytes of request bodies", bytes(), received.clone());
        let dropped_headers = Counter::default();
        let help = "Request headers that were not forwarded and that PASS_HEADERS could pass";
        registry.register("request_headers_dropped", help, dropped_headers.clone());
        let log_lines_dropped = Counter::default();
        let help = "Log lines that were dropped, because standard error was read too slowly";
        registry.register("log_lines_dropped", help, log_lines_dropped.clone());
        let sent = Family::default();
        registry.register_with_unit(
            "sent",
            "Bytes of response bodies, and of WebSockets in both directions",
            bytes(),
            sent.clone(),
        );
        let upstream_head = Histogram::new(HEAD_SECONDS);
        let help = "Time from request headers to response headers";
        registry.register_with_unit("upstream_head", help, Unit::Seconds, upstream_head.clone());
        Self {
            registry,
            requests,
            rejections,
            open,
            open_by_user,
            last_request,
            received,
            dropped_headers,
            log_lines_dropped,
            dropped_lines,
            sent,
            upstream_head,
            spending,
            errors: LastDay::default(),
        }
    }

    /// Returns the content type and all metrics, as `OpenMetrics` for a client that accepts it.
    pub(crate) fn text(&self, headers: &HeaderMap) -> (&'static str, String) {
        let accepts = |value: &HeaderValue| value.to_str().is_ok_and(|value| value.contains("openmetrics-text"));
        let text = self.open_metrics();
        if headers.get_all(ACCEPT).iter().any(accepts) {
            (OPEN_METRICS, text)
        } else {
            (CLASSIC_TEXT, classic_text::from_open_metrics(&text))
        }
    }

    fn open_metrics(&self) -> String {
        let dropped = self.dropped_lines.load(Ordering::Relaxed);
        self.log_lines_dropped.inc_by(dropped.saturating_sub(self.log_lines_dropped.get()));
        let mut text = String::new();
        // Writing to a `String` cannot fail.
        let _ = encode(&mut text, &self.registry);
        text
    }
}

impl Sink for Metrics {
    fn is_enabled(&self) -> bool {
        true
    }

    fn started(&self) {
        self.open.inc();
    }

    fn authenticated(&self, user: &Arc<str>) {
        let labels = UserLabels { user: Some(Arc::clone(user)) };
        self.open_by_user.get_or_create(&labels).inc();
        self.last_request.get_or_create(&labels).set(seconds(SystemTime::now()));
    }

    fn received(&self, bytes: usize) {
        self.received.inc_by(bytes as u64);
    }

    fn dropped_headers(&self, count: usize) {
        self.dropped_headers.inc_by(count as u64);
    }

    fn settled(&self, settlement: &Settlement<'_>) {
        self.spending.settled(settlement);
    }

    fn ledger_called(&self, time: Duration, is_ok: bool) {
        self.spending.ledger_called(time, is_ok);
    }

    fn finished(&self, request: &RequestRecord, _: ResponseEnd) {
        self.open.dec();
        if let Some(user) = &request.user {
            self.open_by_user.get_or_create(&UserLabels { user: Some(Arc::clone(user)) }).dec();
        }
        let user = || request.user.clone();
        let class = request.response.map_or("none", |(status, _)| class(status));
        self.requests.get_or_create(&RequestLabels { user: user(), class }).inc();
        self.sent.get_or_create(&UserLabels { user: user() }).inc_by(request.bytes);
        if let (Some(user), "4xx" | "5xx") = (&request.user, class) {
            self.errors.add(user);
        }
        if let Some(code) = request.rejection {
            self.rejections.get_or_create(&RejectionLabels { user: user(), code }).inc();
        } else if let Some((_, head)) = request.response.filter(|_| request.user.is_some()) {
            self.upstream_head.observe(head.as_secs_f64());
        }
    }
}

impl fmt::Debug for Metrics {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Metrics").finish_non_exhaustive()
    }
}

/// Seconds since 1970.
fn seconds(time: SystemTime) -> i64 {
    let seconds = time.duration_since(UNIX_EPOCH).map_or(0, |duration| duration.as_secs());
    i64::try_from(seconds).unwrap_or(i64::MAX)
}

fn class(status: StatusCode) -> &'static str {
    match status.as_u16() / 100 {
        1 => "1xx",
        2 => "2xx",
        3 => "3xx",
        4 => "4xx",
        _ => "5xx",
    }
}
