//! The changes of a request's body.

/// What is changed in the body of a request before it is sent. Every other byte stays.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct BodyEdits {
    pub(crate) output_cap: Option<OutputCap>,
    pub(crate) max_tool_calls: Option<u32>,
    /// In ascending order.
    pub(crate) removed_indexes: Vec<u32>,
    pub(crate) removed_types: Vec<Box<str>>,
    pub(crate) sets_default_tier: bool,
    pub(crate) hides_usage: bool,
}

/// A cap on the output of one choice.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct OutputCap {
    /// The tokens. A cap of the body that is larger is lowered to it.
    pub tokens: u32,
    /// The field that is put in where the body has no cap.
    pub field: &'static str,
    /// Whether it is below what the client asked for or could get.
    pub(crate) is_lowered: bool,
}

impl BodyEdits {
    /// Whether the body stays as it is.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    /// Returns the cap on the output of one choice, if it was lowered below what the client asked for or could get.
    #[must_use]
    pub fn clamped(&self) -> Option<u32> {
        self.output_cap.filter(|cap| cap.is_lowered).map(|cap| cap.tokens)
    }

    /// Returns the types of the tools that are removed: ASCII letters, digits, and `_ - .`.
    #[must_use]
    pub fn removed_tools(&self) -> &[Box<str>] {
        &self.removed_types
    }

    /// Whether `stream_options.include_usage` is set for a client that did not ask for it. The usage is removed from the
    /// response.
    #[must_use]
    pub fn hides_usage(&self) -> bool {
        self.hides_usage
    }

    /// Returns the cap to write.
    #[must_use]
    pub fn output_cap(&self) -> Option<OutputCap> {
        self.output_cap
    }

    /// Returns the value of `max_tool_calls` to write.
    #[must_use]
    pub fn max_tool_calls(&self) -> Option<u32> {
        self.max_tool_calls
    }

    /// Returns the positions in `tools` of the tools to remove, in ascending order.
    #[must_use]
    pub fn removed_indexes(&self) -> &[u32] {
        &self.removed_indexes
    }

    /// Whether `service_tier` is set to `default`.
    #[must_use]
    pub fn sets_default_tier(&self) -> bool {
        self.sets_default_tier
    }
}
