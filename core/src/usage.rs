//! `GET /usage`: a user's own limits, their remaining amounts, and what was spent.
//!
//! ```json
//! {"object":"usage","user":"Tom","expires":1798761600,"timezone":"Europe/Berlin",
//!  "budgets":[{"per":"month","usd":"5.00","spent_usd":"1.25","held_usd":"0.10","left_usd":"3.65","resets_at":1796079600}],
//!  "limits":{"requests_per_minute":{"limit":60,"remaining":58,"reset_seconds":1.500},
//!            "tokens_per_minute":{"limit":200000,"remaining":200000,"reset_seconds":0.000},
//!            "concurrent_requests":{"limit":8,"open":1},"max_output_tokens":8192},
//!  "models":["gpt-5*"],"routes":["inference"],"networks":[],
//!  "days":[{"day":"2026-11-26","usd":"0.25","requests":3,"input_tokens":5120,"output_tokens":900}],
//!  "by_model":[{"model":"gpt-5","usd":"0.25","requests":3,"input_tokens":5120,"output_tokens":900}]}
//! ```
//!
//! Amounts are decimal numbers of US dollars. `expires` and `resets_at` are Unix times, or null; days are those of the time zone.
//! A limit that is not set is absent, and an empty list is no limit.

use std::{collections::BTreeMap, num::NonZeroU32};

use bytes::Bytes;
use http::{HeaderValue, Method, Response, header, request};
use sparekey_policy::{CalendarPeriod, PeriodReport, Rate, Rates, Report, Usd};

use crate::{cors::Cors, grant::Grant, json, path, rate_headers, user_key::UserKey};

/// Days that it shows, today included.
pub const USAGE_DAYS: i32 = 30;

/// A user reads it at most so often, with a burst of the same number: a page that refreshes each second passes.
pub const USAGE_PER_MINUTE: NonZeroU32 = NonZeroU32::new(600).unwrap();

/// What a user used of a model on a day.
#[derive(Clone, Debug)]
pub struct UsageDay {
    /// The day.
    pub day: CalendarPeriod,
    /// The model; empty for usage of no model.
    pub model: Box<str>,
    /// The sums.
    pub sums: UsageSums,
}

/// Sums of requests.
#[derive(Clone, Copy, Debug, Default)]
pub struct UsageSums {
    /// The cost.
    pub usd: Usd,
    /// The number of requests.
    pub requests: i64,
    /// Input tokens.
    pub input_tokens: i64,
    /// Output tokens.
    pub output_tokens: i64,
}

/// The use of a user's limits.
#[derive(Clone, Copy, Debug, Default)]
pub struct UsageReports<'a> {
    /// Of the state in memory; `None` without one.
    pub place: Option<&'a Report>,
    /// Of the state in the ledger; `None` without one.
    pub ledger: Option<&'a Report>,
    /// The last days, of the ledger.
    pub days: &'a [UsageDay],
}

impl<'a> UsageReports<'a> {
    /// The report of the state that counts requests.
    fn of_requests(&self) -> Option<&'a Report> {
        self.place.or(self.ledger)
    }
}

/// Whether a request asks for it.
pub(crate) fn is_request(head: &request::Parts) -> bool {
    let path = head.uri.path();
    // Nearly all requests end differently.
    (path.ends_with("/usage") || path.ends_with("/usage/")) && is_usage(&head.method, path)
}

#[cold]
fn is_usage(method: &Method, path: &str) -> bool {
    let path = path.strip_suffix('/').unwrap_or(path);
    [Method::GET, Method::HEAD].contains(method)
        && path::relative_path(path, path.as_bytes()).is_ok_and(|relative| relative == "/usage")
}

/// The parts of the response that have a state.
#[derive(Default)]
struct Sections {
    budgets: String,
    limits: String,
    days: String,
    models: String,
    rates: Option<Rates>,
}

/// The response without a state, as for a user without limits, for whom `grant` is `None`.
pub(crate) fn reply(key: &UserKey, grant: Option<&Grant>, cors: &Cors) -> Response<Bytes> {
    write(key, grant, Sections::default(), cors)
}

/// The response.
pub(crate) fn reply_with(key: &UserKey, grant: &Grant, reports: &UsageReports<'_>, cors: &Cors) -> Response<Bytes> {
    let periods = reports.ledger.map(|report| report.periods).into_iter().flatten();
    let sections = Sections {
        budgets: json::list(periods.filter_map(|period| budget(&period))),
        limits: limits(grant, reports),
        days: by_day(reports.days),
        models: by_model(reports.days),
        rates: (reports.place.is_some() || reports.ledger.is_some()).then(|| rates(reports)),
    };
    write(key, Some(grant), sections, cors)
}

fn write(key: &UserKey, grant: Option<&Grant>, sections: Sections, cors: &Cors) -> Response<Bytes> {
    let expires = grant.and_then(|grant| grant.expires(&key.digest));
    let user = grant.map(Grant::user);
    let models = user.and_then(|user| user.models.as_ref()).into_iter().flatten().map(ToString::to_string);
    let routes = user.and_then(|user| user.routes.clone()).into_iter().flatten();
    let networks = user.and_then(|user| user.networks.as_ref()).into_iter().flatten().map(ToString::to_string);
    let array = |items: String| format!("[{items}]");
    let body = json::object(&[
        ("object", json::string_literal("usage")),
        ("user", json::string_literal(key.user())),
        ("expires", unix_time(expires)),
        ("timezone", json::string_literal(user.map_or("UTC", |user| user.limits.zone.name()))),
        ("budgets", array(sections.budgets)),
        ("limits", format!("{{{}}}", sections.limits)),
        ("models", array(strings(models))),
        ("routes", array(strings(routes))),
        ("networks", array(strings(networks))),
        ("days", array(sections.days)),
        ("by_model", array(sections.models)),
    ]) + "\n";
    let length = body.len();
    let mut response = Response::new(Bytes::from(body));
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    headers.insert(header::CONTENT_LENGTH, HeaderValue::from(length));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    if let Some(rates) = &sections.rates {
        rate_headers::set(headers, rates);
    }
    cors.apply(headers);
    response
}

fn rates(reports: &UsageReports<'_>) -> Rates {
    let requests = reports.of_requests().and_then(|report| report.rates.requests);
    Rates { requests, tokens: reports.ledger.and_then(|report| report.rates.tokens) }
}

/// The members of the object.
fn limits(grant: &Grant, reports: &UsageReports<'_>) -> String {
    let Rates { requests, tokens } = rates(reports);
    // Two processes share a ledger during an upgrade, and each counts its own requests.
    let open = [reports.place, reports.ledger].into_iter().flatten().map(|report| report.open).max();
    let concurrency = reports.of_requests().and_then(|report| report.concurrency).zip(open);
    let limits = [
        ("requests_per_minute", requests.map(rate)),
        ("tokens_per_minute", tokens.map(rate)),
        ("concurrent_requests", concurrency.map(|(limit, open)| format!(r#"{{"limit":{limit},"open":{open}}}"#))),
        ("max_output_tokens", grant.user().limits.max_output_tokens.map(|limit| limit.to_string())),
    ];
    let limits: Vec<_> = limits.into_iter().filter_map(|(name, limit)| Some((name, limit?))).collect();
    json::members(&limits)
}

fn rate(rate: Rate) -> String {
    let Rate { limit, remaining, reset } = rate;
    let (seconds, millis) = (reset.as_secs(), reset.subsec_millis());
    format!(r#"{{"limit":{limit},"remaining":{remaining},"reset_seconds":{seconds}.{millis:03}}}"#)
}

/// `None` for a period without a budget.
fn budget(report: &PeriodReport) -> Option<String> {
    let left = report.left()?.max(Usd::ZERO);
    Some(json::object(&[
        ("per", json::string_literal(report.period.period().name())),
        ("usd", amount(report.budget?)),
        ("spent_usd", amount(report.spent)),
        ("held_usd", amount(report.held)),
        ("left_usd", amount(left)),
        ("resets_at", unix_time(report.ends)),
    ]))
}

fn by_day(days: &[UsageDay]) -> String {
    let mut sums = BTreeMap::<i32, (CalendarPeriod, UsageSums)>::new();
    for day in days {
        let (_, sum) = sums.entry(day.day.number()).or_insert((day.day, UsageSums::default()));
        *sum = sum.plus(day.sums);
    }
    json::list(sums.into_values().map(|(day, sums)| sums.item("day", &day.to_string())))
}

fn by_model(days: &[UsageDay]) -> String {
    let mut sums = BTreeMap::<&str, UsageSums>::new();
    for day in days {
        let sum = sums.entry(&day.model).or_default();
        *sum = sum.plus(day.sums);
    }
    json::list(sums.into_iter().map(|(model, sums)| sums.item("model", model)))
}

impl UsageSums {
    fn plus(self, other: Self) -> Self {
        Self {
            usd: self.usd.plus(other.usd),
            requests: self.requests.saturating_add(other.requests),
            input_tokens: self.input_tokens.saturating_add(other.input_tokens),
            output_tokens: self.output_tokens.saturating_add(other.output_tokens),
        }
    }

    fn item(self, name: &'static str, value: &str) -> String {
        json::object(&[
            (name, json::string_literal(value)),
            ("usd", amount(self.usd)),
            ("requests", self.requests.to_string()),
            ("input_tokens", self.input_tokens.to_string()),
            ("output_tokens", self.output_tokens.to_string()),
        ])
    }
}

fn amount(usd: Usd) -> String {
    json::string_literal(&usd.to_string())
}

fn unix_time(at: Option<sparekey_policy::Timestamp>) -> String {
    at.map_or_else(|| "null".to_owned(), |at| at.as_seconds().to_string())
}

fn strings(texts: impl Iterator<Item = String>) -> String {
    json::list(texts.map(|text| json::string_literal(&text)))
}
