//! What is counted, for [Prometheus](https://prometheus.io/docs/instrumenting/exposition_formats/) to fetch.

use std::{fmt, sync::Arc};

use http::StatusCode;
use prometheus_client::{
    encoding::{EncodeLabelSet, text::encode},
    metrics::{counter::Counter, family::Family, gauge::Gauge, histogram::Histogram},
    registry::{Registry, Unit},
};

use crate::access_log::Noted;

/// The content type of [`Metrics::text`].
pub const CONTENT_TYPE: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// From a refusal at once to a model that thinks for minutes.
const HEAD_SECONDS: [f64; 12] = [0.01, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 120.0, 600.0];

/// Everything that is counted. No label holds anything that a client made up: users are those of the access keys.
pub struct Metrics {
    registry: Registry,
    requests: Family<Outcome, Counter>,
    rejections: Family<Reason, Counter>,
    open: Gauge,
    received: Counter,
    sent: Family<User, Counter>,
    upstream_head: Histogram,
}

#[derive(Clone, Debug, EncodeLabelSet, Eq, Hash, PartialEq)]
struct Outcome {
    user: Option<Arc<str>>,
    class: &'static str,
}

#[derive(Clone, Debug, EncodeLabelSet, Eq, Hash, PartialEq)]
struct Reason {
    code: &'static str,
}

#[derive(Clone, Debug, EncodeLabelSet, Eq, Hash, PartialEq)]
struct User {
    user: Option<Arc<str>>,
}

impl Metrics {
    /// Begins at nought.
    #[must_use]
    pub fn new() -> Self {
        let mut registry = Registry::with_prefix("sparekey");
        let requests = Family::default();
        registry.register("requests", "Requests that are over, by user and class of status", requests.clone());
        let rejections = Family::default();
        registry.register("rejections", "Requests that were not answered by the upstream, by code", rejections.clone());
        let open = Gauge::default();
        registry.register("requests_open", "Requests being served, streams and tunnels included", open.clone());
        let received = Counter::default();
        let bytes = || Unit::Bytes;
        registry.register_with_unit("received", "Bytes of requests' bodies", bytes(), received.clone());
        let sent = Family::default();
        registry.register_with_unit(
            "sent",
            "Bytes of answers' bodies, and both ways of tunnels",
            bytes(),
            sent.clone(),
        );
        let upstream_head = Histogram::new(HEAD_SECONDS);
        let help = "Time from a request to the head of the upstream's answer";
        registry.register_with_unit("upstream_head", help, Unit::Seconds, upstream_head.clone());
        Self { registry, requests, rejections, open, received, sent, upstream_head }
    }

    /// Everything as text.
    #[must_use]
    pub fn text(&self) -> String {
        let mut text = String::new();
        // A string takes whatever is written to it.
        let _ = encode(&mut text, &self.registry);
        text
    }

    /// More of a request's body came.
    pub fn received(&self, bytes: usize) {
        self.received.inc_by(bytes as u64);
    }

    pub(crate) fn begin(&self) {
        self.open.inc();
    }

    pub(crate) fn end(&self, entry: &Noted) {
        self.open.dec();
        let user = || entry.user.clone();
        let class = entry.answered.map_or("none", |(status, _)| class(status));
        self.requests.get_or_create(&Outcome { user: user(), class }).inc();
        self.sent.get_or_create(&User { user: user() }).inc_by(entry.bytes);
        if !entry.code.is_empty() {
            self.rejections.get_or_create(&Reason { code: entry.code }).inc();
        } else if let Some((_, head)) = entry.answered.filter(|_| entry.user.is_some()) {
            self.upstream_head.observe(head.as_secs_f64());
        }
    }
}

impl Default for Metrics {
    fn default() -> Self {
        Self::new()
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
