//! The log: its format and its filter.

use std::io::{self, Write as _};

use tracing::Level;
use tracing_subscriber::{
    Layer as _,
    filter::{Targets, filter_fn},
    fmt::{self, MakeWriter},
    layer::SubscriberExt as _,
    util::SubscriberInitExt as _,
};

pub use crate::log_queue::LogQueue;
use crate::{AccessLog, access_log};

/// The start of the targets of all crates of the project.
const TARGET_PREFIX: &str = "sparekey";

/// How a line is written.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub enum Format {
    /// For people to read.
    Text,
    /// One JSON object per line.
    Json,
}

impl Format {
    /// Parses `text` or `json`.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        match text {
            "text" => Some(Self::Text),
            "json" => Some(Self::Json),
            _ => None,
        }
    }
}

/// Starts the log on standard error, written at once: for a platform that may stop the process after a response.
#[must_use]
pub fn start(format: Format, targets: Targets) -> AccessLog {
    let access_log = AccessLog::new(logs_access(&targets), format, |line| {
        // If standard error is closed, there is no place to report it.
        let _ = io::stderr().write_all(line.as_bytes());
    });
    init(format, targets, io::stderr);
    access_log
}

/// Starts the log on standard error, written by a thread.
#[must_use]
pub fn start_queued(format: Format, targets: Targets) -> (AccessLog, LogQueue) {
    let queue = LogQueue::start();
    let writer = queue.writer();
    let access_log = AccessLog::new(logs_access(&targets), format, move |line| writer.send(line.into()));
    init(format, targets, queue.writer());
    (access_log, queue)
}

fn logs_access(targets: &Targets) -> bool {
    targets.would_enable(access_log::TARGET, &Level::INFO)
}

fn init(format: Format, targets: Targets, writer: impl for<'a> MakeWriter<'a> + Send + Sync + 'static) {
    // Libraries log request heads, keys included, so their lines are dropped whatever the filter is.
    let filter = filter_fn(move |metadata| {
        metadata.target().starts_with(TARGET_PREFIX) && targets.would_enable(metadata.target(), metadata.level())
    });
    let registry = tracing_subscriber::registry();
    match format {
        Format::Text => registry.with(fmt::layer().with_ansi(false).with_writer(writer).with_filter(filter)).init(),
        Format::Json => {
            let layer = fmt::layer().json().flatten_event(true).with_writer(writer);
            registry.with(layer.with_filter(filter)).init();
        }
    }
}
