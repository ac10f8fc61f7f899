//! Settings that are invalid.

use crate::{api_base::ApiBaseError, keyring_error::KeyringError, open_routes::RoutesError};

/// All problems of the settings; its `Display` prints one per line.
#[derive(Clone, Debug, thiserror::Error)]
#[error("{}", self.problems.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n"))]
pub struct ConfigError {
    pub(crate) problems: Vec<ConfigProblem>,
}

/// One problem of the settings.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum ConfigProblem {
    /// Neither an API key nor a gateway token.
    #[error("OPENAI_API_KEY and AI_GATEWAY_TOKEN are not set; set the API key")]
    NoApiKey,
    /// A value that the secret store does not return.
    #[error("{name} is set, but its secret store returns no value")]
    Unreadable {
        /// The setting.
        name: &'static str,
    },
    /// A value that is not a header value.
    #[error("{name} must consist of visible ASCII characters, without spaces")]
    NotAHeader {
        /// The setting.
        name: &'static str,
    },
    /// A value in quotes, as some tools pass them on.
    #[error("{name} is in quotes, which would be a part of it; remove them")]
    Quoted {
        /// The setting.
        name: &'static str,
    },
    /// A key that can only administer the account.
    #[error("OPENAI_API_KEY is an admin key, which no model accepts; set a key of a project")]
    AdminKey,
    /// See [`KeyringError`].
    #[error("ACCESS_KEYS {0}")]
    AccessKeys(KeyringError),
    /// A problem of the users file, as a sentence.
    #[error("USERS {0}")]
    Users(String),
    /// See [`ApiBaseError`].
    #[error("API_BASE {0}")]
    ApiBase(ApiBaseError),
    /// A name that is not a header's, or the name of one with another use.
    #[error("API_KEY_HEADER must be the name of a header that has no other use, such as api-key")]
    ApiKeyHeader,
    /// The token would be sent to OpenAI, which does not use it.
    #[error("AI_GATEWAY_TOKEN is set, but API_BASE is OpenAI; set API_BASE to the gateway's URL")]
    TokenWithoutGateway,
    /// An item that is not an origin.
    #[error("ALLOWED_ORIGINS item {position} is not an origin such as https://chat.example.com")]
    AllowedOrigins {
        /// The item's position, counted from 1.
        position: usize,
    },
    /// See [`RoutesError`].
    #[error("ROUTES {0}")]
    Routes(RoutesError),
    /// An item that is not a header name or prefix, or names a header that never passes.
    #[error(
        "PASS_HEADERS item {position} is not a header name or prefix-*, or it names a header that never passes: keys, \
         cookies, connection headers, Host, X-Forwarded-*, CF-*, organization or project"
    )]
    PassHeaders {
        /// The item's position, counted from 1.
        position: usize,
    },
    /// A problem that only one adapter can have, as a sentence.
    #[error("{0}")]
    Adapter(String),
}

impl ConfigError {
    /// Creates the error of an adapter that cannot read a setting that exists: it must not count as not set.
    #[must_use]
    pub fn unreadable(name: &'static str) -> Self {
        Self { problems: vec![ConfigProblem::Unreadable { name }] }
    }

    /// Returns the problems. Each is a sentence that begins with the setting's name.
    #[must_use]
    pub fn problems(&self) -> &[ConfigProblem] {
        &self.problems
    }
}

impl ConfigProblem {
    pub(crate) fn is_api_base(&self) -> bool {
        matches!(self, Self::ApiBase(_))
    }
}
