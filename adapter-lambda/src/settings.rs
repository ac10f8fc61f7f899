//! The function's own settings.

use std::{env, str::FromStr as _, time::Duration};

use sparekey::{
    log::{self, Format},
    upstream::Patience,
};
use sparekey_core::Problem;
use tracing_subscriber::filter::{LevelFilter, Targets};

/// How answers leave.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Mode {
    /// Piece by piece, as they come; the front must be set to streaming.
    Stream,
    /// In one piece.
    Buffer,
}

/// The function's own settings, validated.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Settings {
    pub(crate) mode: Mode,
    pub(crate) patience: Patience,
}

impl Settings {
    /// Reads the settings; every problem is added to `problems`, and a default stands in.
    pub(crate) fn read(get: impl Fn(&str) -> Option<String>, problems: &mut Vec<Problem>) -> Self {
        let text = |name: &str| get(name).map(|value| value.trim().to_owned()).filter(|value| !value.is_empty());
        let mut problem = |sentence: &str| problems.push(Problem::Adapter(sentence.to_owned()));
        let mode = match text("RESPONSE_MODE").as_deref() {
            None | Some("stream") => Mode::Stream,
            Some("buffer") => Mode::Buffer,
            Some(_) => {
                problem("RESPONSE_MODE must be stream or buffer");
                Mode::Stream
            }
        };
        let mut seconds = |name: &str| match text(name).map(|text| text.parse().map(Duration::try_from_secs_f64)) {
            None => DEFAULT_PATIENCE,
            Some(Ok(Ok(time))) if !time.is_zero() => time.min(LONGEST_PATIENCE),
            Some(_) => {
                problem(&format!("{name} must be a number of seconds above 0, such as 30 or 0.5"));
                DEFAULT_PATIENCE
            }
        };
        let patience = Patience { head: seconds("UPSTREAM_TIMEOUT"), silence: seconds("UPSTREAM_IDLE_TIMEOUT") };
        Self { mode, patience }
    }
}

const DEFAULT_PATIENCE: Duration = Duration::from_secs(600);
/// No invocation is as long.
const LONGEST_PATIENCE: Duration = Duration::from_secs(3600);

/// Starts the log; each line is an object, as `CloudWatch` can search it.
pub(crate) fn start_log() {
    let level = env::var("LOG").ok().and_then(|text| LevelFilter::from_str(text.trim()).ok());
    log::start(Format::Json, Targets::new().with_default(level.unwrap_or(LevelFilter::INFO)));
}
