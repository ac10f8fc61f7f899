//! Compares our reading of each event with that of [`lambda_http`](https://docs.rs/lambda_http).
//!
//! Every event of a test and every case behind every event source is read twice. A difference must be in [`TABLE`],
//! and each row of the table must occur. `docs/decisions/lambda-runtime.md` has the same table.

use std::{
    cell::Cell,
    collections::BTreeSet,
    panic::{self, AssertUnwindSafe},
    sync::Once,
};

use bytes::Bytes;
use http::{Request, header};
use lambda_http::RequestExt as _;
use libtest_mimic::Trial;
use serde_json::Value;

use super::EventSource;
use crate::{
    case::{self, Case},
    case_files,
    raw_connection::Head,
};

/// The version that [`TABLE`] was taken with.
const VERSION: &str = "1.3.2";

/// A difference between the readings.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub(super) enum Difference {
    AuthorityForm,
    Cookies,
    DecodedPath,
    HostInUri,
    InvalidQuery,
    NormalizedPath,
    NullParameters,
    RebuiltQuery,
    RepeatedHeader,
    SplitPath,
    Stage,
}

struct Row {
    difference: Difference,
    /// Event sources.
    sources: &'static str,
    lambda_http: &'static str,
    /// Our reading and its reason.
    ours: &'static str,
}

const TABLE: &[Row] = &[
    Row {
        difference: Difference::NormalizedPath,
        sources: "all",
        lambda_http: "`uri()` resolves `..` and turns `\\` into `/`; `raw_http_path()` does not",
        ours: "the path as received, because the gate rejects such paths",
    },
    Row {
        difference: Difference::Stage,
        sources: "HTTP API, REST API",
        lambda_http: "the stage is in the path",
        ours: "without the stage, because routes do not contain it",
    },
    Row {
        difference: Difference::DecodedPath,
        sources: "all",
        lambda_http: "`raw_http_path()` has characters that a URI excludes",
        ours: "they are escaped, because the path becomes a request target",
    },
    Row {
        difference: Difference::SplitPath,
        sources: "HTTP API",
        lambda_http: "a decoded `?` begins the query",
        ours: "it is escaped, because the client sent `%3F`",
    },
    Row {
        difference: Difference::RebuiltQuery,
        sources: "REST API, load balancer",
        lambda_http: "random order, escapes changed, `a=` for `a`",
        ours: "the event's order; a load balancer's escapes are kept, because it sends the query as received",
    },
    Row {
        difference: Difference::InvalidQuery,
        sources: "Function URL, HTTP API",
        lambda_http: "panics if the query has characters that a URI excludes",
        ours: "they are escaped, because the client must get a response",
    },
    Row {
        difference: Difference::HostInUri,
        sources: "Function URL, HTTP API, load balancer",
        lambda_http: "builds `uri()` from `Host` and `X-Forwarded-Proto`; panics or takes the path from them if they are \
                      invalid",
        ours: "origin form, because clients choose both headers",
    },
    Row {
        difference: Difference::RepeatedHeader,
        sources: "REST API",
        lambda_http: "the last of repeated headers",
        ours: "all of them, because the gate rejects a request with two keys",
    },
    Row {
        difference: Difference::Cookies,
        sources: "Function URL, HTTP API",
        lambda_http: "`cookies` becomes a `Cookie` header",
        ours: "not read, because the gate forwards no cookies",
    },
    Row {
        difference: Difference::NullParameters,
        sources: "load balancer",
        lambda_http: "rejects `null` as query parameters",
        ours: "no query, as in a REST API's event",
    },
    Row {
        difference: Difference::AuthorityForm,
        sources: "Function URL, load balancer",
        lambda_http: "accepts a path that does not begin with `/`",
        ours: "an error, because it is not origin form",
    },
];

/// Events that no request of the suite becomes.
const EVENTS: &[&str] = &[
    r#"{"rawPath":"/v1/models","rawQueryString":"","cookies":["a=1","b=2"],"headers":{"host":"x"},
        "requestContext":{"http":{"method":"GET","path":"/v1/models"}}}"#,
    r#"{"rawPath":"/v1/models","rawQueryString":"a=b c<","headers":{"host":"x"},
        "requestContext":{"http":{"method":"GET","path":"/v1/models"}}}"#,
    r#"{"rawPath":"/","headers":{"x-a":"é"},"requestContext":{"http":{"method":"GET"}}}"#,
    r#"{"path":"/v1/models","httpMethod":"GET","headers":{},"queryStringParameters":{"a":"b%26c%3Dd"},
        "requestContext":{"elb":{}}}"#,
    r#"{"path":"/v1/models","httpMethod":"GET","headers":null,"queryStringParameters":null,"body":null,
        "requestContext":{"elb":{}}}"#,
    r#"{"path":"/v1/models","httpMethod":"POST","multiValueHeaders":null,"multiValueQueryStringParameters":null,
        "headers":null,"queryStringParameters":null,"body":"eA==","isBase64Encoded":true,
        "requestContext":{"stage":"prod","httpMethod":"POST"}}"#,
    r#"{"path":"/v1/models","httpMethod":"POST","body":"?","isBase64Encoded":true,"requestContext":{"elb":{}}}"#,
    r#"{"path":"/v1/models","httpMethod":"G T","requestContext":{"elb":{}}}"#,
    r#"{"requestContext":{"elb":{}}}"#,
];

/// Reads an event with both readers.
///
/// # Errors
/// A difference that is not in [`TABLE`].
pub(super) fn compare(event: &str) -> Result<BTreeSet<Difference>, String> {
    let ours = sparekey_lambda::event::read(event.as_bytes()).and_then(|(request, _)| {
        let (head, body) = request.into_parts();
        Ok(Request::from_parts(head, body.decode()?))
    });
    let json: Value = serde_json::from_str(event).unwrap_or_default();
    let result = match (&ours, read(event)) {
        (Ok(ours), Ok(theirs)) => compare_requests(&json, ours, &theirs),
        (Err(_), Err(_)) => Ok(BTreeSet::new()),
        (Ok(_), Err(error)) => difference_of_error(&json).map(|difference| [difference].into()).ok_or(error),
        (Err(_), Ok(_)) if !path(&json).starts_with('/') => Ok([Difference::AuthorityForm].into()),
        (Err(error), Ok(_)) => Err(error.to_string()),
    };
    result.map_err(|error| format!("lambda_http reads this event differently: {error}\n{event}"))
}

/// `lambda_http`'s reading; a panic is an error.
fn read(event: &str) -> Result<lambda_http::Request, String> {
    thread_local!(static QUIET: Cell<bool> = const { Cell::new(false) });
    static HOOK: Once = Once::new();
    HOOK.call_once(|| {
        let default = panic::take_hook();
        panic::set_hook(Box::new(move |info| {
            if !QUIET.get() {
                default(info);
            }
        }));
    });
    QUIET.set(true);
    let result = panic::catch_unwind(AssertUnwindSafe(|| lambda_http::request::from_str(event)));
    QUIET.set(false);
    result.map_err(|_| "it panics".to_owned())?.map_err(|error| error.to_string())
}

/// Why `lambda_http` fails where we read a request.
fn difference_of_error(event: &Value) -> Option<Difference> {
    let header = |name: &str| event["headers"][name].as_str().unwrap_or_default();
    let is_host = |c: char| c.is_ascii_alphanumeric() || "-._~:[]%".contains(c);
    let is_query = |c: char| c.is_ascii_graphic() && !"\"<>#".contains(c);
    if !header("host").chars().all(is_host) || header("x-forwarded-proto").contains(',') {
        Some(Difference::HostInUri)
    } else if !event["rawQueryString"].as_str().unwrap_or_default().chars().all(is_query) {
        Some(Difference::InvalidQuery)
    } else if event.get("queryStringParameters").is_some_and(Value::is_null) {
        Some(Difference::NullParameters)
    } else {
        None
    }
}

fn compare_requests(
    event: &Value,
    ours: &Request<Bytes>,
    theirs: &lambda_http::Request,
) -> Result<BTreeSet<Difference>, String> {
    let mut differences = BTreeSet::new();
    if ours.method() != theirs.method() {
        return Err(format!("method {} for {}", theirs.method(), ours.method()));
    }
    let body: &[u8] = theirs.body();
    if ours.body() != body {
        return Err(format!("body \"{}\" for \"{}\"", body.escape_ascii(), ours.body().escape_ascii()));
    }
    compare_paths(event, ours, theirs, &mut differences)?;
    compare_queries(event, ours, theirs, &mut differences)?;
    compare_headers(event, ours, theirs, &mut differences)?;
    Ok(differences)
}

fn compare_paths(
    event: &Value,
    ours: &Request<Bytes>,
    theirs: &lambda_http::Request,
    differences: &mut BTreeSet<Difference>,
) -> Result<(), String> {
    let (ours, raw, uri) = (ours.uri().path(), theirs.raw_http_path(), theirs.uri().path());
    let stage = format!("/{}", event["requestContext"]["stage"].as_str().unwrap_or("$default"));
    let without_stage = raw.strip_prefix(&*stage).filter(|rest| rest.is_empty() || rest.starts_with('/'));
    if without_stage.is_some() || uri.starts_with(&*stage) {
        differences.insert(Difference::Stage);
    }
    let expected = match without_stage.unwrap_or(raw) {
        "" => "/",
        path => path,
    };
    if ours != expected {
        differences.insert(Difference::DecodedPath);
        if !is_escaped(ours, expected) {
            return Err(format!("path {expected} for {ours}"));
        }
    }
    // `raw_http_path()` is compared above. `uri()` may differ from it by the WHATWG rules only.
    let relative = uri.strip_prefix(&*stage).unwrap_or(uri);
    if relative != ours && without_stage.is_none_or(|_| uri != raw) {
        let host = event["headers"]["host"].as_str().unwrap_or_default();
        differences.insert(match () {
            () if host.contains('/') => Difference::HostInUri,
            () if raw.contains(['?', '#']) => Difference::SplitPath,
            () => Difference::NormalizedPath,
        });
    }
    Ok(())
}

/// Whether `escaped` is `text` with the characters percent-encoded that a path excludes.
fn is_escaped(mut escaped: &str, text: &str) -> bool {
    for byte in text.bytes() {
        let is_kept = byte.is_ascii_graphic() && !b"?#\"<>".contains(&byte);
        let expected = if is_kept { char::from(byte).to_string() } else { format!("%{byte:02X}") };
        let Some(rest) = escaped.strip_prefix(&*expected) else { return false };
        escaped = rest;
    }
    escaped.is_empty()
}

fn compare_queries(
    event: &Value,
    ours: &Request<Bytes>,
    theirs: &lambda_http::Request,
    differences: &mut BTreeSet<Difference>,
) -> Result<(), String> {
    let (ours, theirs) = (ours.uri().query().unwrap_or_default(), theirs.uri().query().unwrap_or_default());
    if ours == theirs {
        return Ok(());
    }
    differences.insert(match () {
        () if differences.contains(&Difference::SplitPath) => Difference::SplitPath,
        () if differences.contains(&Difference::HostInUri) => Difference::HostInUri,
        () if event["rawPath"].is_null() && decoded_pairs(ours) == decoded_pairs(theirs) => Difference::RebuiltQuery,
        () => return Err(format!("query {theirs} for {ours}")),
    });
    Ok(())
}

/// The pairs of a query without its order and escapes.
fn decoded_pairs(query: &str) -> Vec<(String, String)> {
    let mut pairs = super::event::pairs(query, true);
    pairs.sort();
    pairs
}

fn compare_headers(
    event: &Value,
    ours: &Request<Bytes>,
    theirs: &lambda_http::Request,
    differences: &mut BTreeSet<Difference>,
) -> Result<(), String> {
    let (ours, theirs) = (ours.headers(), theirs.headers());
    for name in ours.keys().chain(theirs.keys()) {
        let values = |headers: &http::HeaderMap| headers.get_all(name).iter().cloned().collect::<Vec<_>>();
        let (our_values, their_values) = (values(ours), values(theirs));
        if our_values == their_values {
            continue;
        }
        differences.insert(match () {
            () if our_values.last() == their_values.last() && their_values.len() == 1 => Difference::RepeatedHeader,
            () if name == header::COOKIE && !event["cookies"].is_null() => Difference::Cookies,
            () => return Err(format!("header {name} {their_values:?} for {our_values:?}")),
        });
    }
    Ok(())
}

fn path(event: &Value) -> &str {
    event["rawPath"].as_str().or(event["path"].as_str()).unwrap_or("/")
}

/// The comparison of all cases, and checks of the table.
pub(super) fn trials() -> Vec<Trial> {
    let trial = |name: &str, run: fn()| {
        Trial::test(format!("lambda::oracle::{name}"), move || {
            run();
            Ok(())
        })
    };
    vec![trial("all_cases_agree_with_lambda_http", agree), trial("table_is_in_the_decision_record", is_recorded)]
}

fn agree() {
    let sources = [
        EventSource::FunctionUrl,
        EventSource::HttpApi,
        EventSource::RestApi,
        EventSource::Balancer,
        EventSource::PlainBalancer,
    ];
    let cases: Vec<_> = case_files::load().iter().map(|template| template.at("127.0.0.1:1")).collect();
    let of_cases = sources
        .iter()
        .flat_map(|source| cases.iter().map(|case| source.event(&head(case), &case::bytes(&case.request.body))));
    let (mut seen, mut unlisted, mut count) = (BTreeSet::new(), Vec::new(), 0);
    for event in of_cases.chain(EVENTS.iter().map(|event| (*event).to_owned())) {
        count += 1;
        match compare(&event) {
            Ok(differences) => seen.extend(differences),
            Err(error) => unlisted.push(error),
        }
    }
    println!("lambda: {count} events are read by lambda_http {VERSION} too");
    assert!(unlisted.is_empty(), "{} events: {}", unlisted.len(), unlisted[..unlisted.len().min(10)].join("\n"));
    let listed: BTreeSet<_> = TABLE.iter().map(|row| row.difference).collect();
    assert_eq!(seen, listed, "differences that occur, and those in the table");
}

fn head(case: &Case) -> Head {
    let fields = case.request.fields();
    let line = [case.request.method.as_bytes(), b" ", &case::bytes(&case.request.target), b" HTTP/1.1"].concat();
    let raw = [&*line, b"\r\n\r\n"].concat();
    let headers = fields.into_iter().map(|(name, value)| (name.to_owned(), value)).collect();
    Head { raw, line: String::from_utf8_lossy(&line).into_owned(), headers }
}

fn is_recorded() {
    let record = include_str!("../../../docs/decisions/lambda-runtime.md");
    for Row { sources, lambda_http, ours, .. } in TABLE {
        let row = format!("| {sources} | {lambda_http} | {ours} |");
        assert!(record.contains(&row), "missing in the record: {row}");
    }
    assert_eq!(record.matches("\n| ").count(), TABLE.len() + 1, "rows in the record, the heading included");
    assert!(record.contains(&format!("lambda_http {VERSION}")));
    let lock = include_str!("../../../Cargo.lock");
    assert!(lock.contains(&format!("name = \"lambda_http\"\nversion = \"{VERSION}\"")), "look at the table again");
}
