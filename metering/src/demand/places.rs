//! Where the values of a body stand that can be edited.

use std::ops::Range;

use sparekey_policy::Endpoint;

/// Where the values stand that can be edited.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub(crate) struct Places {
    /// The first byte behind the body's first bracket, and whether a member follows. `None`: a body that is not edited.
    pub(crate) root: Option<Members>,
    /// The fields of [`EDITED`].
    pub(crate) fields: [Option<Place>; EDITED.len()],
    /// The members of `stream_options`, if it is an object.
    pub(crate) stream_options: Option<Members>,
    pub(crate) include_usage: Option<Range<usize>>,
    /// The items of `tools`.
    pub(crate) tools: Vec<Range<usize>>,
}

/// The beginning of an object.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) struct Members {
    pub(crate) start: usize,
    pub(crate) is_empty: bool,
}

/// A value.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct Place {
    pub(crate) range: Range<usize>,
    /// `None`: `null`, or not a number.
    pub(crate) number: Option<u64>,
}

/// The fields whose values can be replaced.
pub(crate) const EDITED: [&str; 6] =
    ["max_completion_tokens", "max_tokens", "max_output_tokens", "service_tier", "max_tool_calls", "stream_options"];

/// The fields that limit the output of one choice.
pub(crate) fn cap_fields(endpoint: Endpoint) -> &'static [&'static str] {
    match endpoint {
        Endpoint::ChatCompletions => &["max_completion_tokens", "max_tokens"],
        Endpoint::Completions => &["max_tokens"],
        Endpoint::Responses => &["max_output_tokens"],
        Endpoint::Embeddings
        | Endpoint::ImageGenerations
        | Endpoint::ImageEdits
        | Endpoint::Speech
        | Endpoint::Transcriptions
        | Endpoint::Translations => &[],
    }
}
