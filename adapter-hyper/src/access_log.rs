//! One line a request, written when it is over. No key, no query, no body.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use http::{Method, StatusCode};

use crate::metrics::Metrics;

const TARGET: &str = "sparekey::access";

/// What is known of a request; dropping it writes the line, and counts it. Nothing where nobody would read that.
#[derive(Debug)]
pub struct Entry(Option<Box<Noted>>);

/// What the line and the counts are made of.
#[derive(Debug)]
pub(crate) struct Noted {
    began: Instant,
    method: Method,
    path: String,
    pub(crate) user: Option<Arc<str>>,
    /// The answer's status and when its head was there; `None` where the client left before.
    pub(crate) answered: Option<(StatusCode, Duration)>,
    /// Why the answer is not the upstream's.
    pub(crate) code: &'static str,
    /// Bytes of the answer's body that were sent, or of both ways in a tunnel.
    pub(crate) bytes: u64,
    /// Whether the answer was sent to its end.
    complete: bool,
    metrics: Option<Arc<Metrics>>,
}

impl Entry {
    /// Begins with what the head says; the path as [`sparekey_core::Gate::loggable_path`] shows it.
    #[must_use]
    pub fn begin<'a>(method: &Method, path: impl FnOnce() -> &'a str, metrics: Option<&Arc<Metrics>>) -> Self {
        if metrics.is_none() && !tracing::enabled!(target: TARGET, tracing::Level::INFO) {
            return Self(None);
        }
        if let Some(metrics) = metrics {
            metrics.begin();
        }
        Self(Some(Box::new(Noted {
            began: Instant::now(),
            method: method.clone(),
            path: path().to_owned(),
            user: None,
            answered: None,
            code: "",
            bytes: 0,
            complete: false,
            metrics: metrics.cloned(),
        })))
    }

    /// Whose key it is.
    pub fn user(&mut self, user: &Arc<str>) {
        self.note(|noted| noted.user = Some(user.clone()));
    }

    /// Why the answer is not the upstream's.
    pub fn rejected(&mut self, code: &'static str) {
        self.note(|noted| noted.code = code);
    }

    /// The answer's head is there.
    pub fn answered(&mut self, status: StatusCode) {
        self.note(|noted| noted.answered = Some((status, noted.began.elapsed())));
    }

    /// More of the body was sent.
    pub fn sent(&mut self, bytes: u64) {
        self.note(|noted| noted.bytes += bytes);
    }

    /// All of the answer was sent.
    pub fn complete(&mut self) {
        self.note(|noted| noted.complete = true);
    }

    fn note(&mut self, note: impl FnOnce(&mut Noted)) {
        if let Some(noted) = &mut self.0 {
            note(noted);
        }
    }
}

impl Drop for Noted {
    fn drop(&mut self) {
        let end = match (self.answered, self.complete) {
            (None, _) => "client left",
            (Some(_), false) => "cut",
            (Some(_), true) => "complete",
        };
        tracing::info!(
            target: TARGET,
            user = self.user.as_deref().unwrap_or("-"),
            method = %self.method,
            path = self.path,
            status = self.answered.map_or(0, |(status, _)| status.as_u16()),
            code = (!self.code.is_empty()).then_some(self.code),
            head_ms = self.answered.map(|(_, head)| milliseconds(head)),
            total_ms = milliseconds(self.began.elapsed()),
            bytes = self.bytes,
            end,
            "request"
        );
        if let Some(metrics) = &self.metrics {
            metrics.end(self);
        }
    }
}

fn milliseconds(duration: Duration) -> u64 {
    duration.as_millis().try_into().unwrap_or(u64::MAX)
}
