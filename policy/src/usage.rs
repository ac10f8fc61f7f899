//! What a request used.

/// Tokens by kind. The counts of a kind are a part of `input` or `output`, as in OpenAI's responses.
// Exhaustive: a reader of responses fills each field.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Tokens {
    /// All tokens of the input: cached, written to the cache, audio and images too.
    pub input: u64,
    /// Input that was read from the cache.
    pub cached: u64,
    /// Input that was written to the cache.
    pub cache_write: u64,
    /// Of these, input that stays for 12 hours.
    pub cache_write_12h: u64,
    /// Input that is audio.
    pub input_audio: u64,
    /// Of these, audio that was read from the cache.
    pub cached_audio: u64,
    /// Input that is images.
    pub input_image: u64,
    /// Of these, images that were read from the cache.
    pub cached_image: u64,
    /// All tokens of the output: reasoning, rejected predictions, audio and images too.
    pub output: u64,
    /// Output that is reasoning. It has the price of other output.
    pub reasoning: u64,
    /// Output that is audio.
    pub output_audio: u64,
    /// Output that is images.
    pub output_image: u64,
}

/// Calls of the tools that the upstream runs and bills per call.
// Exhaustive, as `Tokens`.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct ToolCalls {
    /// Web searches.
    pub web_search: u64,
    /// File searches.
    pub file_search: u64,
    /// Containers of the code interpreter.
    pub containers: u64,
}

/// What a request used of one model, and of tools.
// Exhaustive, as `Tokens`.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Usage {
    /// Tokens.
    pub tokens: Tokens,
    /// Calls of tools.
    pub tools: ToolCalls,
    /// Audio that is billed by its duration, in milliseconds.
    pub audio_milliseconds: u64,
    /// Characters that are billed: the text of a speech.
    pub characters: u64,
}

impl Tokens {
    /// Returns input and output together. It saturates.
    #[must_use]
    pub const fn total(&self) -> u64 {
        self.input.saturating_add(self.output)
    }
}

impl From<Tokens> for Usage {
    fn from(tokens: Tokens) -> Self {
        Self { tokens, ..Self::default() }
    }
}
