//! Metrics in the [OpenMetrics format](https://prometheus.io/docs/specs/om/open_metrics_spec/), for Prometheus.

use std::{
    fmt,
    ops::Deref,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};

use http::StatusCode;
use prometheus_client::{
    encoding::{EncodeLabelSet, text::encode},
    metrics::{counter::Counter, family::Family, gauge::Gauge, histogram::Histogram},
    registry::{Registry, Unit},
};
use sparekey_proxy::{End, RequestRecord, Sink};

/// The content type of [`Metrics::text`].
pub(crate) const CONTENT_TYPE: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// Upper bounds of the buckets, in seconds: from an immediate rejection to a model that reasons for minutes.
const HEAD_SECONDS: [f64; 12] = [0.01, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 120.0, 600.0];

/// All metrics. No label contains text of a client: users are those of the access keys.
pub(crate) struct Metrics {
    registry: Registry,
    requests: Family<RequestLabels, Counter>,
    rejections: Family<RejectionLabels, Counter>,
    open: Gauge,
    received: Counter,
    dropped_headers: Counter,
    log_lines_dropped: Counter,
    /// The value that `log_lines_dropped` follows.
    dropped_lines: Arc<AtomicU64>,
    sent: Family<UserLabels, Counter>,
    upstream_head: Histogram,
}

#[derive(Clone, Debug, EncodeLabelSet, Eq, Hash, PartialEq)]
struct RequestLabels {
    user: Option<Arc<str>>,
    class: &'static str,
}

#[derive(Clone, Debug, EncodeLabelSet, Eq, Hash, PartialEq)]
struct RejectionLabels {
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

impl Metrics {
    /// Creates all metrics, at 0.
    pub(crate) fn new(dropped_lines: Arc<AtomicU64>, connections: &ConnectionMetrics) -> Self {
        let mut registry = Registry::with_prefix("sparekey");
        registry.register("connections_open", "Open connections of clients", connections.open.clone());
        let help = "Connections of clients that were closed to keep a bound, by the setting";
        registry.register("connections_closed", help, connections.closed.clone());
        let requests = Family::default();
        registry.register("requests", "Finished requests, by user and status class", requests.clone());
        let rejections = Family::default();
        registry.register("rejections", "Error responses of the proxy itself, by code", rejections.clone());
        let open = Gauge::default();
        registry.register("requests_open", "Open requests, including streams and WebSockets", open.clone());
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
            received,
            dropped_headers,
            log_lines_dropped,
            dropped_lines,
            sent,
            upstream_head,
        }
    }

    /// Returns all metrics as text.
    pub(crate) fn text(&self) -> String {
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

    fn received(&self, bytes: usize) {
        self.received.inc_by(bytes as u64);
    }

    fn dropped_headers(&self, count: usize) {
        self.dropped_headers.inc_by(count as u64);
    }

    fn finished(&self, request: &RequestRecord, _: End) {
        self.open.dec();
        let user = || request.user.clone();
        let class = request.response.map_or("none", |(status, _)| class(status));
        self.requests.get_or_create(&RequestLabels { user: user(), class }).inc();
        self.sent.get_or_create(&UserLabels { user: user() }).inc_by(request.bytes);
        if let Some(code) = request.rejection {
            self.rejections.get_or_create(&RejectionLabels { code }).inc();
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

fn class(status: StatusCode) -> &'static str {
    match status.as_u16() / 100 {
        1 => "1xx",
        2 => "2xx",
        3 => "3xx",
        4 => "4xx",
        _ => "5xx",
    }
}
