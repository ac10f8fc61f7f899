//! The record of one request, and the sinks that receive it at the end.

use std::{
    fmt,
    net::IpAddr,
    sync::Arc,
    time::{Duration, Instant},
};

use http::{HeaderMap, HeaderValue, Method, StatusCode};
use sparekey_core::{UserKey, response_facts};

use crate::{charge::Settlement, request_id::RequestId};

/// How a request ended.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub enum ResponseEnd {
    /// The whole response was sent.
    Complete,
    /// The response stopped before its end.
    Cut,
    /// The client left before the response head.
    ClientLeft,
}

impl ResponseEnd {
    /// Returns the text for logs.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Complete => "complete",
            Self::Cut => "cut",
            Self::ClientLeft => "client left",
        }
    }
}

/// Receives the records: the access log, the metrics.
pub trait Sink: fmt::Debug + Send + Sync {
    /// Returns whether the sink needs records at the moment.
    fn is_enabled(&self) -> bool;

    /// Called when a request has started.
    fn started(&self) {}

    /// Called when the access key of a request was accepted.
    fn authenticated(&self, user: &Arc<str>) {
        let _ = user;
    }

    /// Called when bytes of a request body were received.
    fn received(&self, bytes: usize) {
        let _ = bytes;
    }

    /// Called when headers of an admitted request were not forwarded.
    fn dropped_headers(&self, count: usize) {
        let _ = count;
    }

    /// Called when a metered request is charged.
    fn settled(&self, settlement: &Settlement<'_>) {
        let _ = settlement;
    }

    /// Called when a call of the ledger has ended.
    fn ledger_called(&self, time: Duration, is_ok: bool) {
        let _ = (time, is_ok);
    }

    /// Called when a request has ended.
    fn finished(&self, request: &RequestRecord, end: ResponseEnd);
}

/// The sinks of a process.
#[derive(Clone, Debug)]
pub struct Sinks(Arc<[Arc<dyn Sink>]>);

/// Bytes of a method in a record. Clients without a key choose it.
const METHOD_MAX: usize = 20;
/// Characters of a path in a record, as a log escapes them.
const PATH_MAX: usize = 200;
/// The same without a valid key: over HTTP/2, a request of 15 bytes can repeat a long path.
const KEYLESS_PATH_MAX: usize = 100;
/// Characters of a model. OpenAI's names have less than 80, those of fine-tuned models included.
const MODEL_MAX: usize = 100;

/// The recorded facts of a request. No key, no query, no body.
#[derive(Debug)]
pub struct RequestRecord {
    started: Instant,
    /// The id, once a log line needed it.
    pub id: Option<RequestId>,
    /// The method.
    pub method: Method,
    /// The path, as [`sparekey_core::Gate::loggable_path`] returns it.
    pub path: String,
    /// The client's address, if known.
    pub client: Option<IpAddr>,
    /// The user, once the access key was accepted.
    pub user: Option<Arc<str>>,
    /// The start of the digest of the access key.
    pub key: Option<[u8; 4]>,
    /// The model, where the request was read.
    pub model: Option<Box<str>>,
    /// The highest number of output tokens, if it was lowered.
    pub clamped: Option<u32>,
    /// The response's status, and the time from the request head to the response head.
    pub response: Option<(StatusCode, Duration)>,
    /// The upstream's id of the request, as the client gets it.
    pub upstream_id: Option<HeaderValue>,
    /// The code of the proxy's own error response.
    pub rejection: Option<&'static str>,
    /// Whether the upstream says that the owner's account has no quota left.
    pub lacks_quota: bool,
    /// Bytes of the response body, or of both directions of a tunnel.
    pub bytes: u64,
}

/// Writes a [`RequestRecord`] and passes it to the sinks once, at the end. It is empty while no sink is enabled, and
/// then costs nothing.
#[derive(Debug, Default)]
pub struct RequestLog(Option<Box<(RequestRecord, Sinks)>>);

impl Sinks {
    /// Creates the list. Each sink receives every record.
    #[must_use]
    pub fn new(sinks: Vec<Arc<dyn Sink>>) -> Self {
        Self(sinks.into())
    }

    /// Reports bytes of a request body.
    pub fn received(&self, bytes: usize) {
        self.0.iter().for_each(|sink| sink.received(bytes));
    }

    pub(crate) fn dropped_headers(&self, count: usize) {
        if count > 0 {
            self.0.iter().for_each(|sink| sink.dropped_headers(count));
        }
    }

    pub(crate) fn settled(&self, settlement: &Settlement<'_>) {
        self.0.iter().for_each(|sink| sink.settled(settlement));
    }

    pub(crate) fn ledger_called(&self, time: Duration, is_ok: bool) {
        self.0.iter().for_each(|sink| sink.ledger_called(time, is_ok));
    }

    fn are_enabled(&self) -> bool {
        self.0.iter().any(|sink| sink.is_enabled())
    }
}

impl RequestRecord {
    pub(crate) fn new(method: &Method, path: &str, client: Option<IpAddr>) -> Self {
        Self {
            started: Instant::now(),
            id: None,
            method: shortened_method(method),
            path: shortened(path, PATH_MAX),
            client,
            user: None,
            key: None,
            model: None,
            clamped: None,
            response: None,
            upstream_id: None,
            rejection: None,
            lacks_quota: false,
            bytes: 0,
        }
    }

    /// Returns the time since the request head.
    #[must_use]
    pub fn elapsed(&self) -> Duration {
        self.started.elapsed()
    }
}

impl RequestLog {
    /// Starts the record, which is created only if a sink is enabled.
    pub(crate) fn start(sinks: &Sinks, record: impl FnOnce() -> RequestRecord) -> Self {
        if !sinks.are_enabled() {
            return Self(None);
        }
        sinks.0.iter().for_each(|sink| sink.started());
        Self(Some(Box::new((record(), sinks.clone()))))
    }

    /// Records the access key, once it was accepted. The first call counts.
    pub(crate) fn key(&mut self, key: &UserKey) {
        if let Some((record, sinks)) = self.0.as_deref_mut().filter(|open| open.0.user.is_none()) {
            record.user = Some(Arc::clone(key.user()));
            record.key = Some(key.digest_prefix());
            sinks.0.iter().for_each(|sink| sink.authenticated(key.user()));
        }
    }

    pub(crate) fn model(&mut self, model: Option<&str>) {
        if let Some(model) = model {
            self.update(|record| record.model = Some(shortened(model, MODEL_MAX).into()));
        }
    }

    pub(crate) fn clamped(&mut self, clamped: Option<u32>) {
        self.update(|record| record.clamped = clamped);
    }

    pub(crate) fn rejection(&mut self, code: &'static str) {
        self.update(|record| {
            record.rejection = Some(code);
            if record.user.is_none() {
                record.path = shortened(&record.path, KEYLESS_PATH_MAX);
            }
        });
    }

    pub(crate) fn lacks_quota(&mut self) {
        self.update(|record| record.lacks_quota = true);
    }

    /// Returns the id of the request, for a log line that is written before the end.
    pub(crate) fn id(&mut self) -> RequestId {
        match &mut self.0 {
            Some(open) => *open.0.id.get_or_insert_with(RequestId::next),
            None => RequestId::next(),
        }
    }

    /// Records the head of the response, without secrets.
    pub(crate) fn response(&mut self, status: StatusCode, headers: &HeaderMap) {
        self.update(|record| {
            record.response = Some((status, record.elapsed()));
            record.upstream_id = headers.get(response_facts::REQUEST_ID).cloned();
        });
    }

    pub(crate) fn sent(&mut self, bytes: u64) {
        self.update(|record| record.bytes += bytes);
    }

    /// Whether the response has no body because the method is HEAD
    /// ([RFC 9110 §9.3.2](https://www.rfc-editor.org/rfc/rfc9110#section-9.3.2)).
    pub(crate) fn is_head(&self) -> bool {
        self.0.as_ref().is_some_and(|open| open.0.method == Method::HEAD)
    }

    /// Ends the request. The first call counts.
    pub(crate) fn finish(&mut self, end: ResponseEnd) {
        if let Some(finished) = self.0.take() {
            let (record, sinks) = *finished;
            sinks.0.iter().for_each(|sink| sink.finished(&record, end));
        }
    }

    fn update(&mut self, update: impl FnOnce(&mut RequestRecord)) {
        if let Some(open) = &mut self.0 {
            update(&mut open.0);
        }
    }
}

/// hyper drops the response, or the future that waits for it, when the client leaves.
impl Drop for RequestLog {
    fn drop(&mut self) {
        let has_response = self.0.as_ref().is_some_and(|open| open.0.response.is_some());
        self.finish(if has_response { ResponseEnd::Cut } else { ResponseEnd::ClientLeft });
    }
}

/// A method of at most [`METHOD_MAX`] bytes.
fn shortened_method(method: &Method) -> Method {
    let start = method.as_str().as_bytes().get(..METHOD_MAX);
    start.and_then(|start| Method::from_bytes(start).ok()).unwrap_or_else(|| method.clone())
}

/// A path of at most `max` characters.
fn shortened(path: &str, max: usize) -> String {
    // An escape has two characters or more only for quotes and backslashes; a URI has no control characters.
    if path.len() <= max / 2 {
        return path.to_owned();
    }
    let mut length = 0;
    let end = path.char_indices().find(|(_, c)| {
        length += c.escape_debug().count();
        length > max
    });
    end.map_or_else(|| path.to_owned(), |(end, _)| format!("{}…", &path[..end]))
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use super::*;

    #[derive(Debug, Default)]
    struct Ends(Mutex<Vec<(Option<u16>, ResponseEnd)>>);

    impl Sink for Ends {
        fn is_enabled(&self) -> bool {
            true
        }

        fn finished(&self, request: &RequestRecord, end: ResponseEnd) {
            self.0.lock().unwrap().push((request.response.map(|(status, _)| status.as_u16()), end));
        }
    }

    #[test]
    fn paths_are_shortened() {
        for (path, expected) in [
            ("/v1/models".to_owned(), "/v1/models".to_owned()),
            ("x".repeat(200), "x".repeat(200)),
            ("x".repeat(201), "x".repeat(200) + "…"),
            ("\"".repeat(100), "\"".repeat(100)),
            ("\"".repeat(101), "\"".repeat(100) + "…"),
        ] {
            assert_eq!(shortened(&path, PATH_MAX), expected);
        }
    }

    #[test]
    fn methods_are_shortened() {
        let method = |text: &str| shortened_method(&Method::from_bytes(text.as_bytes()).unwrap()).to_string();
        assert_eq!(method("DELETE"), "DELETE");
        assert_eq!(method(&"X".repeat(21)), "X".repeat(20));
    }

    #[test]
    fn each_request_ends_once() {
        let ends = Arc::new(Ends::default());
        let sinks = Sinks::new(vec![Arc::clone(&ends) as Arc<dyn Sink>]);
        let start = || RequestLog::start(&sinks, || RequestRecord::new(&Method::GET, "/", None));

        drop(start());
        let mut log = start();
        log.response(StatusCode::OK, &HeaderMap::new());
        drop(log);
        let mut log = start();
        log.response(StatusCode::OK, &HeaderMap::new());
        log.finish(ResponseEnd::Complete);
        log.finish(ResponseEnd::Cut);
        drop(log);

        let expected =
            [(None, ResponseEnd::ClientLeft), (Some(200), ResponseEnd::Cut), (Some(200), ResponseEnd::Complete)];
        assert_eq!(*ends.0.lock().unwrap(), expected);
    }
}
