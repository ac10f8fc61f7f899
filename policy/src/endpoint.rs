//! The endpoints whose requests have an upper bound of their cost.

/// An endpoint of a metered request.
// Exhaustive: a reader of bodies and the arithmetic of the bound decide on each.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Endpoint {
    /// `POST /chat/completions`.
    ChatCompletions,
    /// `POST /completions`.
    Completions,
    /// `POST /responses`.
    Responses,
    /// `POST /embeddings`.
    Embeddings,
    /// `POST /images/generations`.
    ImageGenerations,
    /// `POST /images/edits`.
    ImageEdits,
    /// `POST /audio/speech`.
    Speech,
    /// `POST /audio/transcriptions`.
    Transcriptions,
    /// `POST /audio/translations`.
    Translations,
}

impl Endpoint {
    /// Returns its path below the API base.
    #[must_use]
    pub const fn path(self) -> &'static str {
        match self {
            Self::ChatCompletions => "/chat/completions",
            Self::Completions => "/completions",
            Self::Responses => "/responses",
            Self::Embeddings => "/embeddings",
            Self::ImageGenerations => "/images/generations",
            Self::ImageEdits => "/images/edits",
            Self::Speech => "/audio/speech",
            Self::Transcriptions => "/audio/transcriptions",
            Self::Translations => "/audio/translations",
        }
    }

    /// Whether a field of the request limits the tokens of its output.
    #[must_use]
    pub const fn has_output_cap(self) -> bool {
        matches!(self, Self::ChatCompletions | Self::Completions | Self::Responses)
    }

    /// Whether a stream reports its usage only if the request asks for it: `stream_options.include_usage`.
    pub(crate) const fn must_ask_usage(self) -> bool {
        matches!(self, Self::ChatCompletions | Self::Completions)
    }

    /// Whether the body has `service_tier`, and a project can have a default for it.
    pub(crate) const fn has_tiers(self) -> bool {
        matches!(self, Self::ChatCompletions | Self::Responses)
    }
}
