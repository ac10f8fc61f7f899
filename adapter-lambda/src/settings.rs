//! The settings that only the function has.

use std::{env, str::FromStr as _};

use sparekey_core::{Problem, setting};
use sparekey_proxy::log::{self, Format};
use sparekey_upstream::{SECONDS, Timeouts, parse_seconds};
use tracing_subscriber::filter::{LevelFilter, Targets};

/// How responses are delivered.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Mode {
    /// As they arrive; the function URL must have the invoke mode `RESPONSE_STREAM`.
    Stream,
    /// In one piece.
    Buffer,
}

/// The settings that only the function has, validated.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Settings {
    pub(crate) mode: Mode,
    pub(crate) timeouts: Timeouts,
}

impl Settings {
    /// Reads the settings. Each problem is added to `problems`, and the default is used in its place.
    pub(crate) fn read(get: impl Fn(&str) -> Option<String>, problems: &mut Vec<Problem>) -> Self {
        let read = |name: &str| setting(&get, name);
        let mut problem = |sentence: String| problems.push(Problem::Adapter(sentence));
        let mode = match read("RESPONSE_MODE").as_deref() {
            None | Some("stream") => Mode::Stream,
            Some("buffer") => Mode::Buffer,
            Some(_) => {
                problem("RESPONSE_MODE must be stream or buffer".to_owned());
                Mode::Stream
            }
        };
        let [response_head, body_idle] = Timeouts::SETTINGS.map(|name| {
            read(name).map_or(Some(Timeouts::DEFAULT), |text| parse_seconds(&text)).unwrap_or_else(|| {
                problem(format!("{name} must be {SECONDS}"));
                Timeouts::DEFAULT
            })
        });
        Self { mode, timeouts: Timeouts { response_head, body_idle } }
    }
}

/// Starts the log. Each line is a JSON object, which `CloudWatch` can search.
pub(crate) fn start_log() {
    let level = env::var("LOG").ok().and_then(|text| LevelFilter::from_str(text.trim()).ok());
    log::start(Format::Json, Targets::new().with_default(level.unwrap_or(LevelFilter::INFO)));
}
