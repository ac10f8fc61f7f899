//! Where log lines go and how they look.

use std::io;

use tracing_subscriber::{
    Layer as _,
    filter::{Targets, filter_fn},
    fmt,
    layer::SubscriberExt as _,
    util::SubscriberInitExt as _,
};

/// What stands at the front of every target of ours.
const OURS: &str = "sparekey";

/// How a line is written.
#[derive(Clone, Copy, Debug)]
pub enum Format {
    /// For people.
    Text,
    /// One JSON object a line.
    Json,
}

impl Format {
    /// Reads `text` or `json`.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        match text {
            "text" => Some(Self::Text),
            "json" => Some(Self::Json),
            _ => None,
        }
    }
}

/// Writes to standard error from here on.
pub fn start(format: Format, targets: Targets) {
    // Libraries below log heads as they pass, keys included: their lines have no way out, whatever the filter says.
    let filter = move || {
        let targets = targets.clone();
        filter_fn(move |metadata| {
            metadata.target().starts_with(OURS) && targets.would_enable(metadata.target(), metadata.level())
        })
    };
    let registry = tracing_subscriber::registry();
    match format {
        Format::Text => {
            registry.with(fmt::layer().with_ansi(false).with_writer(io::stderr).with_filter(filter())).init();
        }
        Format::Json => {
            let layer = fmt::layer().json().flatten_event(true).with_writer(io::stderr);
            registry.with(layer.with_filter(filter())).init();
        }
    }
}
