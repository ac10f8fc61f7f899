//! The settings that only the function has.

use std::{env, str::FromStr as _, time::Duration};

use sparekey_core::{ConfigProblem, setting};
use sparekey_ledger::{RETENTION_DAYS_MAX, dynamodb::Table};
use sparekey_proxy::{
    AccessLog,
    log::{self, Format},
};
use sparekey_upstream::{SECONDS, Timeouts, parse_seconds};
use tracing_subscriber::filter::{LevelFilter, Targets};

/// Variables that name a proxy for the way to the upstream. The function does not use them: it runs in AWS's network or in a
/// VPC, whose routes the owner sets.
const PROXIES: [&str; 3] = ["HTTPS_PROXY", "ALL_PROXY", "HTTP_PROXY"];

/// How responses are delivered.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Mode {
    /// As they arrive; the function URL must have the invoke mode `RESPONSE_STREAM`.
    Stream,
    /// In one piece.
    Buffer,
}

/// Where the ledger is, and what follows.
const LEDGER: &str = "LEDGER";
const LEDGER_SCHEME: &str = "dynamodb:";
const RETENTION: &str = "USAGE_RETENTION";

/// Days to keep rows of requests, as for the server.
const RETENTION_DAYS: u32 = 400;

/// The settings that only the function has, validated.
#[derive(Clone, Debug)]
pub(crate) struct Settings {
    pub(crate) mode: Mode,
    pub(crate) timeouts: Timeouts,
    /// `None`: limits that need a store are refused.
    pub(crate) ledger: Option<Table>,
    /// For how long rows of requests are kept.
    pub(crate) retention: Duration,
}

impl Settings {
    /// Reads the settings. Each problem is added to `problems`; then the result must not be used.
    pub(crate) fn read(get: impl Fn(&str) -> Option<String>, problems: &mut Vec<ConfigProblem>) -> Self {
        let read = |name: &str| setting(&get, name);
        let mut problem = |sentence: String| problems.push(ConfigProblem::Adapter(sentence));
        let mode = match read("RESPONSE_MODE").as_deref() {
            None | Some("stream") => Mode::Stream,
            Some("buffer") => Mode::Buffer,
            Some(_) => {
                problem("RESPONSE_MODE must be stream or buffer".to_owned());
                Mode::Stream
            }
        };
        let [response_head, body_idle] = Timeouts::SETTINGS.map(|(name, default)| {
            let text = read(name);
            parse_seconds(text.as_deref().unwrap_or(default)).unwrap_or_else(|| {
                problem(format!("{name} must be {SECONDS}"));
                Duration::ZERO
            })
        });
        let ledger = read(LEDGER).and_then(|text| {
            let table = table(&text, &get);
            table.map_err(|reason| problem(format!("{LEDGER} must be {LEDGER_SCHEME}TABLE: {reason}"))).ok()
        });
        let days = read(RETENTION).map_or(Some(RETENTION_DAYS), |text| text.parse().ok());
        let days = days.filter(|days| (1..=RETENTION_DAYS_MAX).contains(days)).unwrap_or_else(|| {
            problem(format!("{RETENTION} must be a number of days, 1 to {RETENTION_DAYS_MAX}"));
            RETENTION_DAYS
        });
        let retention = Duration::from_secs(u64::from(days) * 24 * 3600);
        Self { mode, timeouts: Timeouts { response_head, body_idle }, ledger, retention }
    }
}

/// Whether the function has a ledger.
pub(crate) fn has_ledger(get: impl Fn(&str) -> Option<String>) -> bool {
    setting(&get, LEDGER).is_some()
}

fn table(text: &str, get: impl Fn(&str) -> Option<String>) -> Result<Table, String> {
    let name = text.strip_prefix(LEDGER_SCHEME).ok_or("this platform has no other ledger")?;
    Table::from_env(name, get).map_err(|error| error.to_string())
}

/// Returns a warning for each variable that the function does not use although programs usually do.
pub(crate) fn unused(get: impl Fn(&str) -> Option<String>) -> impl Iterator<Item = String> {
    let names = PROXIES.into_iter().flat_map(|name| [name.to_owned(), name.to_ascii_lowercase()]);
    let set = names.filter(move |name| get(name).is_some_and(|value| !value.trim().is_empty()));
    set.map(|name| format!("{name} is set, but this function connects to the upstream without a proxy"))
}

/// Starts the log. Each line is a JSON object, which `CloudWatch` can search.
pub(crate) fn start_log() -> AccessLog {
    let level = env::var("LOG").ok().and_then(|text| LevelFilter::from_str(text.trim()).ok());
    log::start(Format::Json, Targets::new().with_default(level.unwrap_or(LevelFilter::INFO)))
}
