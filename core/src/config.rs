//! Reads the settings: a validated [`Config`], or all problems at once.

use http::HeaderValue;

use crate::{
    api_base::{ApiBase, ApiBaseError},
    config_warning::{self, ConfigWarning},
    cors::AllowedOrigins,
    keyring::{ADMIN_KEY, Keyring, KeyringError},
    open_routes::{OpenRoutes, RoutesError},
    request_headers::PassHeaders,
    secret::Secret,
};

/// A setting that all adapters have.
#[derive(Clone, Copy, Debug)]
pub struct Setting {
    /// The name, as in the environment.
    pub name: &'static str,
    /// Whether the value must not be printed.
    pub secret: bool,
    /// Its purpose, in one line.
    pub help: &'static str,
}

/// Every setting that [`Config::from_lookup`] reads.
pub const SETTINGS: [Setting; 9] = [
    Setting {
        name: "OPENAI_API_KEY",
        secret: true,
        help: "The API key, sent to the upstream in place of the access keys",
    },
    Setting {
        name: "ACCESS_KEYS",
        secret: true,
        help: "The access keys of all users, separated by commas or newlines: sk-{user}-{random} as keygen makes \
               them, or sha256:{user}:{digest}",
    },
    Setting {
        name: "API_BASE",
        secret: false,
        help: "The upstream's base URL: OpenAI, an AI Gateway, or a compatible service [default: https://api.openai.com/v1]",
    },
    Setting { name: "AI_GATEWAY_TOKEN", secret: true, help: "The token of an authenticated Cloudflare AI Gateway" },
    Setting { name: "OPENAI_ORGANIZATION", secret: false, help: "Sent upstream as openai-organization" },
    Setting { name: "OPENAI_PROJECT", secret: false, help: "Sent upstream as openai-project" },
    Setting {
        name: "ALLOWED_ORIGINS",
        secret: false,
        help: "Origins whose pages may read responses, separated by commas [default: *]",
    },
    Setting {
        name: "ROUTES",
        secret: false,
        help: "Open routes, separated by commas: families (inference, data, compatible, ephemeral), all, or paths such \
               as /v1/custom/* [default: inference,data,compatible]",
    },
    Setting {
        name: "PASS_HEADERS",
        secret: false,
        help: "Request headers to pass besides those of OpenAI's clients: names or prefix-*, separated by commas",
    },
];

/// Validated settings.
#[derive(Debug)]
pub struct Config {
    pub(crate) keys: Keyring,
    pub(crate) api_base: ApiBase,
    pub(crate) api_key: Option<Secret>,
    pub(crate) gateway_token: Option<Secret>,
    pub(crate) organization: Option<HeaderValue>,
    pub(crate) project: Option<HeaderValue>,
    pub(crate) origins: AllowedOrigins,
    pub(crate) routes: OpenRoutes,
    pub(crate) pass_headers: PassHeaders,
    warnings: Vec<ConfigWarning>,
}

/// All problems of the settings; its `Display` prints one per line.
#[derive(Clone, Debug, thiserror::Error)]
#[error("{}", self.problems.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n"))]
pub struct ConfigError {
    problems: Vec<Problem>,
}

/// One problem of the settings.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum Problem {
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
    /// A secret in quotes, as some tools pass them on.
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
    /// See [`ApiBaseError`].
    #[error("API_BASE {0}")]
    ApiBase(ApiBaseError),
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

impl Config {
    /// Reads the settings of [`SETTINGS`]. `get` returns a value by name, as [`setting`] reads it.
    ///
    /// # Errors
    /// [`ConfigError`] with all problems; no message contains a value.
    pub fn from_lookup(get: impl Fn(&str) -> Option<String>) -> Result<Self, ConfigError> {
        let mut problems = Vec::new();
        let text = |name: &str| setting(&get, name);
        let mut visible_ascii = |name: &'static str| {
            let secret = Secret::parse(&text(name)?);
            if secret.is_none() {
                problems.push(Problem::NotAHeader { name });
            }
            secret
        };
        let api_key = visible_ascii("OPENAI_API_KEY");
        let gateway_token = visible_ascii("AI_GATEWAY_TOKEN");
        let mut account = |name| visible_ascii(name).and_then(|value| HeaderValue::from_str(value.expose()).ok());
        let organization = account("OPENAI_ORGANIZATION");
        let project = account("OPENAI_PROJECT");

        if text("OPENAI_API_KEY").is_none() && text("AI_GATEWAY_TOKEN").is_none() {
            problems.push(Problem::NoApiKey);
        }
        let secrets = SETTINGS.iter().filter(|setting| setting.secret).map(|setting| setting.name);
        let quoted = secrets.filter(|name| text(name).is_some_and(|value| value.starts_with(['"', '\''])));
        problems.extend(quoted.map(|name| Problem::Quoted { name }));
        if text("OPENAI_API_KEY").is_some_and(|key| key.starts_with(ADMIN_KEY)) {
            problems.push(Problem::AdminKey);
        }
        let owner_keys: Vec<String> = ["OPENAI_API_KEY", "AI_GATEWAY_TOKEN"].into_iter().filter_map(text).collect();
        let owner_keys: Vec<&str> = owner_keys.iter().map(String::as_str).collect();
        let keys = Keyring::parse(&text("ACCESS_KEYS").unwrap_or_default(), &owner_keys).unwrap_or_else(|causes| {
            problems.extend(causes.into_iter().map(Problem::AccessKeys));
            Keyring::default()
        });
        let api_base = text("API_BASE").map_or_else(|| Ok(ApiBase::default()), |text| ApiBase::parse(&text));
        let api_base = api_base.unwrap_or_else(|cause| {
            problems.push(Problem::ApiBase(cause));
            ApiBase::default()
        });
        if gateway_token.is_some() && api_base.is_openai() && !problems.iter().any(Problem::is_api_base) {
            problems.push(Problem::TokenWithoutGateway);
        }
        let origins = AllowedOrigins::parse(&text("ALLOWED_ORIGINS").unwrap_or_default()).unwrap_or_else(|position| {
            problems.push(Problem::AllowedOrigins { position });
            AllowedOrigins::default()
        });
        let is_openai = api_base.is_openai() || api_base.is_ai_gateway();
        let routes = OpenRoutes::parse(text("ROUTES").as_deref(), is_openai).unwrap_or_else(|errors| {
            problems.extend(errors.into_iter().map(Problem::Routes));
            OpenRoutes::default()
        });
        let pass_headers = PassHeaders::parse(&text("PASS_HEADERS").unwrap_or_default()).unwrap_or_else(|positions| {
            problems.extend(positions.into_iter().map(|position| Problem::PassHeaders { position }));
            PassHeaders::default()
        });
        if !problems.is_empty() {
            return Err(ConfigError { problems });
        }
        let warnings = config_warning::find(&api_base, &text("ACCESS_KEYS").unwrap_or_default());
        Ok(Self {
            keys,
            api_base,
            api_key,
            gateway_token,
            organization,
            project,
            origins,
            routes,
            pass_headers,
            warnings,
        })
    }

    /// Returns the settings that are probably mistakes. The owner should see them at the start.
    #[must_use]
    pub fn warnings(&self) -> &[ConfigWarning] {
        &self.warnings
    }

    /// Returns the base URL of the upstream.
    #[must_use]
    pub fn api_base(&self) -> &ApiBase {
        &self.api_base
    }
}

/// Returns the value of a setting, trimmed. A blank value counts as not set.
pub fn setting(get: impl Fn(&str) -> Option<String>, name: &str) -> Option<String> {
    get(name).map(|value| value.trim().to_owned()).filter(|value| !value.is_empty())
}

impl From<Vec<Problem>> for ConfigError {
    fn from(problems: Vec<Problem>) -> Self {
        Self { problems }
    }
}

impl ConfigError {
    /// Creates the error of an adapter that cannot read a setting that exists: it must not count as not set.
    #[must_use]
    pub fn unreadable(name: &'static str) -> Self {
        Self { problems: vec![Problem::Unreadable { name }] }
    }

    /// Returns the problems. Each is a sentence that begins with the setting's name.
    #[must_use]
    pub fn problems(&self) -> &[Problem] {
        &self.problems
    }
}

impl Problem {
    fn is_api_base(&self) -> bool {
        matches!(self, Self::ApiBase(_))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn problems(settings: &[(&str, &str)]) -> Vec<String> {
        let get = |name: &str| settings.iter().find(|(n, _)| *n == name).map(|(_, v)| (*v).to_owned());
        Config::from_lookup(get).map_or_else(|e| e.problems().iter().map(ToString::to_string).collect(), |_| vec![])
    }

    #[test]
    fn minimal_settings() {
        assert!(problems(&[("OPENAI_API_KEY", " sk-real\n"), ("ACCESS_KEYS", "sk-Tom-abcdefgh")]).is_empty());
        let gateway = "https://gateway.ai.cloudflare.com/v1/a/g/openai";
        assert!(
            problems(&[("AI_GATEWAY_TOKEN", "t"), ("ACCESS_KEYS", "sk-Tom-abcdefgh"), ("API_BASE", gateway)])
                .is_empty()
        );
    }

    #[test]
    fn all_problems_at_once_and_no_secret() {
        let found = problems(&[
            ("OPENAI_API_KEY", "sk-re al"),
            ("AI_GATEWAY_TOKEN", "gateway-secret"),
            ("ACCESS_KEYS", "sk-Tom-abc,gateway-secret"),
            ("API_BASE", "https://user:pass@host/"),
            ("OPENAI_PROJECT", "proj\u{e9}"),
            ("ALLOWED_ORIGINS", "https://a.com,b"),
        ]);
        assert_eq!(
            found,
            [
                "OPENAI_API_KEY must consist of visible ASCII characters, without spaces",
                "OPENAI_PROJECT must consist of visible ASCII characters, without spaces",
                "ACCESS_KEYS item 1: the random part has 8 to 128 characters, this one 3",
                "ACCESS_KEYS item 2 is the API key itself; give users keys made with `keygen NAME`",
                "API_BASE must not contain a user or password (the part before @); the key belongs in OPENAI_API_KEY",
                "ALLOWED_ORIGINS item 2 is not an origin such as https://chat.example.com",
            ]
        );
    }

    #[test]
    fn nothing_set() {
        assert_eq!(
            problems(&[("ACCESS_KEYS", " , ")]),
            [
                "OPENAI_API_KEY and AI_GATEWAY_TOKEN are not set; set the API key",
                "ACCESS_KEYS contains no key; make one with `keygen NAME`",
            ]
        );
        assert_eq!(
            problems(&[("AI_GATEWAY_TOKEN", "t"), ("ACCESS_KEYS", "sk-Tom-abcdefgh")]),
            ["AI_GATEWAY_TOKEN is set, but API_BASE is OpenAI; set API_BASE to the gateway's URL"]
        );
    }

    #[test]
    fn mistakes_of_owners() {
        for (name, value, problem) in [
            (
                "OPENAI_API_KEY",
                "\"sk-proj-abc\"",
                "OPENAI_API_KEY is in quotes, which would be a part of it; remove them",
            ),
            ("ACCESS_KEYS", "'sk-Tom-abcdefgh'", "ACCESS_KEYS is in quotes, which would be a part of it; remove them"),
            (
                "OPENAI_API_KEY",
                "sk-admin-abc",
                "OPENAI_API_KEY is an admin key, which no model accepts; set a key of a project",
            ),
            (
                "ACCESS_KEYS",
                "sk-svcacct-abcdefgh",
                "ACCESS_KEYS item 1 is an API key of OpenAI; give users keys made with `keygen NAME`",
            ),
            (
                "API_BASE",
                "http://api.openai.com/v1",
                "API_BASE would send the API key unencrypted; begin it with https://",
            ),
            (
                "API_BASE",
                "https://api.openai.com/v1/chat/completions",
                "API_BASE ends with an endpoint, which clients append; remove it",
            ),
        ] {
            let valid = [("OPENAI_API_KEY", "sk-real"), ("ACCESS_KEYS", "sk-Tom-abcdefgh")];
            let others = valid.into_iter().filter(|(other, _)| *other != name);
            let found = problems(&others.chain([(name, value)]).collect::<Vec<_>>());
            assert!(found.contains(&problem.to_owned()), "{name}: {found:?}");
        }
    }
}
