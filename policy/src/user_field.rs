//! The fields of a user: one table for the users file and for the platforms that cannot enforce all of them.

/// A field of a user in the users file.
// Exhaustive: a platform lists the fields that it enforces.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum UserField {
    /// `keys`.
    Keys,
    /// `expires`.
    Expires,
    /// `disabled`.
    Disabled,
    /// `networks`.
    Networks,
    /// `routes`.
    Routes,
    /// `models`.
    Models,
    /// `requests_per_minute`.
    RequestsPerMinute,
    /// `concurrent_requests`.
    ConcurrentRequests,
    /// `budgets`.
    Budgets,
    /// `tokens_per_minute`.
    TokensPerMinute,
    /// `max_output_tokens`.
    MaxOutputTokens,
    /// `metered`.
    Metered,
    /// `openai_api_key`.
    OpenAiApiKey,
    /// `openai_project`.
    OpenAiProject,
}

impl UserField {
    /// All fields, in the order of the documentation.
    pub const ALL: [Self; 14] = [
        Self::Keys,
        Self::Expires,
        Self::Disabled,
        Self::Networks,
        Self::Routes,
        Self::Models,
        Self::RequestsPerMinute,
        Self::ConcurrentRequests,
        Self::Budgets,
        Self::TokensPerMinute,
        Self::MaxOutputTokens,
        Self::Metered,
        Self::OpenAiApiKey,
        Self::OpenAiProject,
    ];

    /// The fields that need no memory of earlier requests: what a platform without a store can enforce.
    pub const STATELESS: [Self; 8] = [
        Self::Keys,
        Self::Expires,
        Self::Disabled,
        Self::Networks,
        Self::Routes,
        Self::Models,
        Self::OpenAiApiKey,
        Self::OpenAiProject,
    ];

    /// The fields that need no usage of earlier requests, and no store for it.
    pub const UNMETERED: [Self; 10] = [
        Self::Keys,
        Self::Expires,
        Self::Disabled,
        Self::Networks,
        Self::Routes,
        Self::Models,
        Self::RequestsPerMinute,
        Self::ConcurrentRequests,
        Self::OpenAiApiKey,
        Self::OpenAiProject,
    ];

    /// Returns the name in the users file.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Keys => "keys",
            Self::Expires => "expires",
            Self::Disabled => "disabled",
            Self::Networks => "networks",
            Self::Routes => "routes",
            Self::Models => "models",
            Self::RequestsPerMinute => "requests_per_minute",
            Self::ConcurrentRequests => "concurrent_requests",
            Self::Budgets => "budgets",
            Self::TokensPerMinute => "tokens_per_minute",
            Self::MaxOutputTokens => "max_output_tokens",
            Self::Metered => "metered",
            Self::OpenAiApiKey => "openai_api_key",
            Self::OpenAiProject => "openai_project",
        }
    }

    /// Whether the field may stand in `[limits]`, as the default of all users of the file.
    #[must_use]
    pub fn is_limit(self) -> bool {
        !matches!(self, Self::Keys | Self::Disabled | Self::OpenAiApiKey | Self::OpenAiProject)
    }
}
