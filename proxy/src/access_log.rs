//! The access log: one line per request, at its end.
//!
//! A line is written here and not by `tracing`, because there is one per request: 4,800 instructions instead of
//! 10,900. It looks like the other lines of the log.

use std::{
    fmt::{self, Write as _},
    time::Duration,
};

use jiff::Timestamp;
use sparekey_core::json_string;

use crate::{
    log::Format,
    record::{RequestRecord, ResponseEnd, Sink},
    request_id::RequestId,
};

/// The target of the lines, which `LOG` can name.
pub(crate) const TARGET: &str = "sparekey::access";

/// Bytes of a usual line.
const LINE_CAPACITY: usize = 384;
/// Bytes of an upstream's id of a request. OpenAI's have 36.
const UPSTREAM_ID_MAX: usize = 64;

/// Writes a line per request at level `info`.
pub struct AccessLog {
    is_enabled: bool,
    format: Format,
    write: Box<dyn Fn(String) + Send + Sync>,
}

/// A field of a line. It is left out if it has no value.
enum Field<'a> {
    Text(&'a str),
    Number(u64),
}

impl AccessLog {
    pub(crate) fn new(is_enabled: bool, format: Format, write: impl Fn(String) + Send + Sync + 'static) -> Self {
        Self { is_enabled, format, write: Box::new(write) }
    }
}

impl fmt::Debug for AccessLog {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AccessLog").field("is_enabled", &self.is_enabled).finish_non_exhaustive()
    }
}

impl Sink for AccessLog {
    fn is_enabled(&self) -> bool {
        self.is_enabled
    }

    fn finished(&self, request: &RequestRecord, end: ResponseEnd) {
        // Without a valid key, no other line belongs to the request, and the client chooses how many there are.
        let id = request.id.or_else(|| request.user.as_ref().map(|_| RequestId::next())).map(|id| id.to_string());
        let client = request.client.map(|client| client.to_string());
        let key = request.key.map(|key| format!("{:08x}", u32::from_be_bytes(key)));
        let upstream_id = request.upstream_id.as_ref().and_then(|id| id.to_str().ok());
        let upstream_id = upstream_id.map(|id| id.get(..UPSTREAM_ID_MAX).unwrap_or(id));
        let fields = [
            ("request_id", id.as_deref().map(Field::Text)),
            ("user", Some(Field::Text(request.user.as_deref().unwrap_or("-")))),
            ("key", key.as_deref().map(Field::Text)),
            ("method", Some(Field::Text(request.method.as_str()))),
            ("path", Some(Field::Text(&request.path))),
            ("status", Some(Field::Number(request.response.map_or(0, |(status, _)| status.as_u16().into())))),
            ("model", request.model.as_deref().map(Field::Text)),
            ("clamped", request.clamped.map(|tokens| Field::Number(tokens.into()))),
            ("code", request.rejection.map(Field::Text)),
            ("client", client.as_deref().map(Field::Text)),
            ("head_ms", request.response.map(|(_, head)| Field::Number(milliseconds(head)))),
            ("total_ms", Some(Field::Number(milliseconds(request.elapsed())))),
            ("upstream_request_id", upstream_id.map(Field::Text)),
            ("bytes", Some(Field::Number(request.bytes))),
            ("end", Some(Field::Text(end.as_str()))),
        ];
        let fields = fields.into_iter().filter_map(|(name, field)| Some((name, field?)));
        (self.write)(match self.format {
            Format::Text => text(fields),
            Format::Json => json(fields),
        });
    }
}

fn text<'a>(fields: impl Iterator<Item = (&'static str, Field<'a>)>) -> String {
    let mut line = start();
    line.extend(["  INFO ", TARGET, ": request"]);
    for (name, field) in fields {
        line.extend([" ", name, "="]);
        match field {
            // They contain no space and no quote: digits, a token, an address.
            Field::Text(text) if matches!(name, "request_id" | "key" | "method" | "client") => line.push_str(text),
            field => field.push_to(&mut line),
        }
    }
    line.push('\n');
    line
}

fn json<'a>(fields: impl Iterator<Item = (&'static str, Field<'a>)>) -> String {
    let mut line = start();
    line.insert_str(0, r#"{"timestamp":""#);
    line.push_str(r#"","level":"INFO","message":"request""#);
    for (name, field) in fields {
        line.extend([r#",""#, name, r#"":"#]);
        field.push_to(&mut line);
    }
    line.extend([r#","target":""#, TARGET, "\"}\n"]);
    line
}

/// A line with the time.
fn start() -> String {
    let mut line = String::with_capacity(LINE_CAPACITY);
    // Writing to a string cannot fail.
    let _ = write!(line, "{:.6}", Timestamp::now());
    line
}

impl Field<'_> {
    fn push_to(&self, line: &mut String) {
        match self {
            Self::Text(text) => line.push_str(&json_string(text)),
            Self::Number(number) => line.push_str(&number.to_string()),
        }
    }
}

fn milliseconds(duration: Duration) -> u64 {
    duration.as_millis().try_into().unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Mutex};

    use http::{HeaderValue, Method, StatusCode};

    use super::*;

    fn line(format: Format, change: impl FnOnce(&mut RequestRecord)) -> String {
        let line = Arc::new(Mutex::new(String::new()));
        let sink = Arc::clone(&line);
        let log = AccessLog::new(true, format, move |line| *sink.lock().unwrap() = line);
        let mut record = RequestRecord::new(&Method::GET, "/v1/\"x", Some("192.0.2.1".parse().unwrap()));
        change(&mut record);
        let date = || Timestamp::now().to_string()[..10].to_owned();
        let before = date();
        log.finished(&record, ResponseEnd::Complete);
        let line = line.lock().unwrap().clone();
        assert!(line.contains(&before) || line.contains(&date()));
        // The machine may be slow.
        let (start, rest) = line.split_once("total_ms").unwrap();
        let number = rest.trim_start_matches(['"', ':', '=']);
        let rest = number.trim_start_matches(|c: char| c.is_ascii_digit());
        assert!(rest.len() < number.len(), "{line}");
        format!("{start}total_ms{rest}")
    }

    #[test]
    fn text_line() {
        let id = RequestId::next();
        let line = line(Format::Text, |record| record.id = Some(id));
        let (_, rest) = line.split_once("Z  INFO ").unwrap();
        let expected =
            r#"user="-" method=GET path="/v1/\"x" status=0 client=192.0.2.1 total_ms bytes=0 end="complete""#;
        assert_eq!(rest, format!("sparekey::access: request request_id={id} {expected}\n"));
    }

    #[test]
    fn json_line() {
        let id = RequestId::next();
        let line = line(Format::Json, |record| {
            record.id = Some(id);
            record.upstream_id = Some(HeaderValue::from_static("req_1\"2"));
            record.user = Some("Tom".into());
            record.rejection = Some("invalid_path");
            record.response = Some((StatusCode::BAD_REQUEST, Duration::from_millis(3)));
        });
        let (_, rest) = line.split_once(r#""level""#).unwrap();
        let start = r#":"INFO","message":"request","request_id":""#;
        let end = r#"","user":"Tom","method":"GET","path":"/v1/\"x","status":400,"code":"invalid_path","client":"192.0.2.1","head_ms":3,"total_ms,"upstream_request_id":"req_1\"2","bytes":0,"end":"complete","target":"sparekey::access"}"#;
        assert_eq!(rest, format!("{start}{id}{end}\n"));
    }

    #[test]
    fn long_upstream_id_is_cut() {
        let long = "x".repeat(UPSTREAM_ID_MAX + 1);
        let line = line(Format::Text, |record| record.upstream_id = Some(long.parse().unwrap()));
        assert!(line.contains(&format!("upstream_request_id=\"{}\" ", &long[1..])), "{line}");
    }
}
