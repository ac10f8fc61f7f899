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

/// The fields that a platform enforces. A user with another one is refused, because a limit is never ignored.
#[derive(Clone, Copy, Debug)]
// Exhaustive: a platform fills each field.
pub struct Enforced<'a> {
    /// The fields.
    pub fields: &'a [UserField],
    /// What gives the platform the ledger that the other fields need: a part of a sentence, such as "set LEDGER".
    pub remedy: &'a str,
}

impl Enforced<'_> {
    /// All fields.
    pub const ALL: Self = Self { fields: &UserField::ALL, remedy: "" };

    /// Checks a field.
    ///
    /// # Errors
    /// Why it is refused: the end of a sentence that begins with its name.
    pub fn check(&self, field: UserField) -> Result<(), String> {
        if self.fields.contains(&field) {
            return Ok(());
        }
        let remedy = self.remedy;
        Err(format!("is not enforced without a ledger: {remedy}, or remove it, because a limit is never ignored"))
    }
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
