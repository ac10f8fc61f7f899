//! The fields of a body that are read, and the options that are refused.

use sparekey_policy::Endpoint;

use crate::{json::Names, models};

/// The fields of a body that are read.
pub(super) const FIELDS: Names = Names::new(&[
    // Models.
    "model",
    "models",
    "fallbacks",
    "context_window_fallbacks",
    "content_policy_fallbacks",
    "tools",
    "input",
    "svg",
    "session",
    "extra_body",
    "user_config",
    "plugins",
    "preset",
    "data_sources",
    // Text.
    "messages",
    "instructions",
    "prompt",
    "stream",
    "stream_options",
    "service_tier",
    "max_completion_tokens",
    "max_tokens",
    "max_output_tokens",
    "n",
    "best_of",
    "prediction",
    "modalities",
    "prompt_cache_options",
    "prompt_cache_retention",
    "reasoning",
    "background",
    "conversation",
    "previous_response_id",
    "max_tool_calls",
    "tool_choice",
    "web_search_options",
    "search_parameters",
    "context_management",
    "multi_agent",
    // Pictures.
    "size",
    "quality",
    "partial_images",
    "output_format",
    "image",
    "images",
    "mask",
    "frame_count",
    "complexity",
    // Audio.
    "stream_format",
    "url",
    "file",
    "response_format",
]);

// Each that can name a model is read.
const _: () = assert!(FIELDS.contain(&models::FIELDS));

/// Options that are refused whatever their value.
const REFUSED_FIELDS: [(&str, Scope, &str); 13] = [
    ("prompt", Scope::Responses, "Send its text in 'instructions' and 'input'."),
    ("web_search_options", Scope::Text, LEAVE_OUT),
    ("search_parameters", Scope::Text, LEAVE_OUT),
    ("context_management", Scope::Text, LEAVE_OUT),
    ("multi_agent", Scope::Text, LEAVE_OUT),
    ("messages", Scope::Embeddings, TEXTS),
    ("plugins", Scope::All, LEAVE_OUT),
    ("extra_body", Scope::All, "Send its fields in the body itself."),
    ("svg", Scope::Pictures, LEAVE_OUT),
    ("frame_count", Scope::Pictures, LEAVE_OUT),
    ("complexity", Scope::Pictures, LEAVE_OUT),
    ("url", Scope::Audio, "Send the file."),
    // A form's `file[…]` that is no file. `Draft::new` has refused each JSON body.
    ("file", Scope::Audio, "Send the file in 'file' only."),
];

pub(super) const LEAVE_OUT: &str = "Leave it out.";
pub(crate) const ONE_MODEL: &str = "Name one model only, in 'model'.";
pub(super) const TEXTS: &str = "Send texts or tokens in 'input'.";
pub(super) const FORM: &str = "Send the file as multipart/form-data.";
const NO_PICTURE_FORMAT: &str = "Send 'png', 'jpeg' or 'webp'.";

/// Where an option is refused.
#[derive(Clone, Copy, Debug)]
pub(super) enum Scope {
    All,
    /// With `has_output_cap`.
    Text,
    Responses,
    Embeddings,
    Pictures,
    Audio,
}

impl Scope {
    pub(super) fn includes(self, endpoint: Endpoint) -> bool {
        match self {
            Self::All => true,
            Self::Text => endpoint.has_output_cap(),
            Self::Responses => endpoint == Endpoint::Responses,
            Self::Embeddings => endpoint == Endpoint::Embeddings,
            Self::Pictures => matches!(endpoint, Endpoint::ImageGenerations | Endpoint::ImageEdits),
            Self::Audio => matches!(endpoint, Endpoint::Transcriptions | Endpoint::Translations),
        }
    }
}

/// Returns the advice for a field that is refused whatever its value.
pub(crate) fn advice(endpoint: Endpoint, field: &str) -> Option<&'static str> {
    let is_it = |(name, scope, _): &&(&str, Scope, &str)| *name == field && scope.includes(endpoint);
    REFUSED_FIELDS.iter().find(is_it).map(|(_, _, advice)| *advice)
}

/// Returns the advice for a format of pictures.
pub(crate) fn picture_format_advice(format: &[u8]) -> Option<&'static str> {
    Some(NO_PICTURE_FORMAT).filter(|_| ![&b"png"[..], b"jpeg", b"webp"].contains(&format))
}
