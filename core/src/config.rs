//! Reads the settings: a validated [`Config`], or all problems at once.

use std::sync::Arc;

use http::{HeaderName, HeaderValue, header};
use sparekey_policy::PriceTable;

use crate::{
    api_base::ApiBase,
    config_problem::{ConfigError, ConfigProblem},
    config_warning::{self, ConfigWarning},
    cors::AllowedOrigins,
    keyring::{ADMIN_KEY, Keyring},
    keyring_error::KeyringError,
    open_routes::OpenRoutes,
    request_headers::{self, PassHeaders},
    secret::Secret,
    users::{self, NoUsers, ReadUsers},
};

/// A setting that all adapters have.
#[derive(Clone, Copy, Debug)]
pub struct Setting {
    /// The name, as in the environment.
    pub name: &'static str,
    /// Whether the value must not be printed.
    pub is_secret: bool,
    /// Its purpose, in one line.
    pub help: &'static str,
}

/// Every setting that [`Config::from_lookup`] reads.
pub const SETTINGS: [Setting; 11] = [
    Setting {
        name: "OPENAI_API_KEY",
        is_secret: true,
        help: "The API key, sent to the upstream in place of the access keys",
    },
    Setting {
        name: "ACCESS_KEYS",
        is_secret: true,
        help: "The access keys of all users, separated by commas or newlines: sk-{user}-{random} as keygen makes \
               them, or sha256:{user}:{digest}",
    },
    Setting {
        name: "USERS",
        is_secret: true,
        help: "Limits of users, and keys: a users file in TOML (for the Worker: as `sparekey users compile` writes it)",
    },
    Setting {
        name: "API_BASE",
        is_secret: false,
        help: "The upstream's base URL: OpenAI, an AI Gateway, or a compatible service [default: https://api.openai.com/v1]",
    },
    Setting {
        name: "API_KEY_HEADER",
        is_secret: false,
        help: "Header that has the API key in requests to the upstream: api-key for Azure's classic endpoint [default: \
               authorization, with Bearer]",
    },
    Setting { name: "AI_GATEWAY_TOKEN", is_secret: true, help: "The token of an authenticated Cloudflare AI Gateway" },
    Setting { name: "OPENAI_ORGANIZATION", is_secret: false, help: "Sent upstream as openai-organization" },
    Setting { name: "OPENAI_PROJECT", is_secret: false, help: "Sent upstream as openai-project" },
    Setting {
        name: "ALLOWED_ORIGINS",
        is_secret: false,
        help: "Origins whose pages may read responses, separated by commas [default: *]",
    },
    Setting {
        name: "ROUTES",
        is_secret: false,
        help: "Open routes, separated by commas: families (inference, data, compatible, ephemeral), all, or paths such \
               as /v1/custom/* [default: inference,data,compatible]",
    },
    Setting {
        name: "PASS_HEADERS",
        is_secret: false,
        help: "Request headers to pass besides those of OpenAI's clients: names or prefix-*, separated by commas",
    },
];

/// Validated settings.
#[derive(Debug)]
pub struct Config {
    pub(crate) keys: Keyring,
    pub(crate) api_base: ApiBase,
    pub(crate) api_key: Option<Secret>,
    pub(crate) api_key_header: HeaderName,
    pub(crate) gateway_token: Option<Secret>,
    pub(crate) organization: Option<HeaderValue>,
    pub(crate) project: Option<HeaderValue>,
    pub(crate) origins: AllowedOrigins,
    pub(crate) routes: OpenRoutes,
    pub(crate) pass_headers: PassHeaders,
    /// `None` on a platform that meters no user.
    pub(crate) prices: Option<Arc<PriceTable>>,
    /// `USERS` has no valid value, so that any key may have limits. `keys` is empty.
    pub(crate) has_unknown_users: bool,
    warnings: Vec<ConfigWarning>,
}

impl Config {
    /// Reads the settings of [`SETTINGS`]. `get` returns a value by name, as [`setting`] reads it. `USERS` is refused.
    ///
    /// # Errors
    /// [`ConfigError`] with all problems; no message contains a value.
    pub fn from_lookup(get: impl Fn(&str) -> Option<String>) -> Result<Self, ConfigError> {
        Self::with_users(get, &NoUsers)
    }

    /// Reads the settings of [`SETTINGS`], and the users with `reader`.
    ///
    /// # Errors
    /// [`ConfigError`] with all problems; no message contains a value.
    pub fn with_users(get: impl Fn(&str) -> Option<String>, reader: &dyn ReadUsers) -> Result<Self, ConfigError> {
        Self::read(&get, Some(reader))
    }

    /// Reads the settings of [`SETTINGS`] without `USERS`, which has no valid value, on a platform that reads it again
    /// later. Until then each request with a key is refused: limits reach the keys of `ACCESS_KEYS` by name, and the
    /// names are unknown.
    ///
    /// # Errors
    /// [`ConfigError`] with all problems of other settings; no message contains a value.
    pub fn with_unknown_users(get: impl Fn(&str) -> Option<String>) -> Result<Self, ConfigError> {
        Self::read(&|name| if name == "USERS" { None } else { get(name) }, None)
    }

    /// `reader` is `None` if the users are unknown. Not generic: compiled once, and used by any caller.
    fn read(get: &dyn Fn(&str) -> Option<String>, reader: Option<&dyn ReadUsers>) -> Result<Self, ConfigError> {
        let mut problems = Vec::new();
        let text = |name: &str| setting(get, name);
        let mut visible_ascii = |name: &'static str| {
            let secret = Secret::parse(&text(name)?);
            if secret.is_none() {
                problems.push(ConfigProblem::NotAHeader { name });
            }
            secret
        };
        let api_key = visible_ascii("OPENAI_API_KEY");
        let gateway_token = visible_ascii("AI_GATEWAY_TOKEN");
        let mut account = |name| visible_ascii(name).and_then(|value| HeaderValue::from_str(value.expose()).ok());
        let organization = account("OPENAI_ORGANIZATION");
        let project = account("OPENAI_PROJECT");

        if text("OPENAI_API_KEY").is_none() && text("AI_GATEWAY_TOKEN").is_none() {
            problems.push(ConfigProblem::NoApiKey);
        }
        // A users file may begin with a quoted key.
        let others = SETTINGS.iter().map(|setting| setting.name).filter(|name| *name != "USERS");
        let quoted = others.filter(|name| text(name).is_some_and(|value| value.starts_with(['"', '\''])));
        problems.extend(quoted.map(|name| ConfigProblem::Quoted { name }));
        if text("OPENAI_API_KEY").is_some_and(|key| key.starts_with(ADMIN_KEY)) {
            problems.push(ConfigProblem::AdminKey);
        }
        let owner_keys: Vec<String> = ["OPENAI_API_KEY", "AI_GATEWAY_TOKEN"].into_iter().filter_map(text).collect();
        let owner_keys: Vec<&str> = owner_keys.iter().map(String::as_str).collect();
        let users = text("USERS");
        if users.is_none() && reader.is_some() && get("USERS").is_some() {
            // The file or the store lost its content: users without limits would not be noticed.
            problems.push(ConfigProblem::Users("is blank: list users, or remove the setting".to_owned()));
        }
        let mut keys = Keyring::parse(&text("ACCESS_KEYS").unwrap_or_default(), &owner_keys).unwrap_or_else(|causes| {
            let may_be_empty = users.is_some() || reader.is_none();
            let causes = causes.into_iter().filter(|cause| !may_be_empty || *cause != KeyringError::Empty);
            problems.extend(causes.map(ConfigProblem::AccessKeys));
            Keyring::default()
        });
        let are_keys_valid = !problems.iter().any(|problem| matches!(problem, ConfigProblem::AccessKeys(_)));
        let has_users = users.is_some();
        if let (Some(users), Some(reader)) = (users, reader) {
            let found = users::add(&users, reader, &owner_keys, &mut keys, are_keys_valid);
            problems.extend(found.into_iter().map(ConfigProblem::Users));
        }
        let api_base = text("API_BASE").map_or_else(|| Ok(ApiBase::default()), |text| ApiBase::parse(&text));
        let api_base = api_base.unwrap_or_else(|cause| {
            problems.push(ConfigProblem::ApiBase(cause));
            ApiBase::default()
        });
        if gateway_token.is_some() && api_base.is_openai() && !problems.iter().any(ConfigProblem::is_api_base) {
            problems.push(ConfigProblem::TokenWithoutGateway);
        }
        let origins = AllowedOrigins::parse(&text("ALLOWED_ORIGINS").unwrap_or_default()).unwrap_or_else(|position| {
            problems.push(ConfigProblem::AllowedOrigins { position });
            AllowedOrigins::default()
        });
        let is_openai = api_base.is_openai_or_gateway();
        let routes = OpenRoutes::parse(text("ROUTES").as_deref(), is_openai).unwrap_or_else(|errors| {
            problems.extend(errors.into_iter().map(ConfigProblem::Routes));
            OpenRoutes::default()
        });
        let api_key_header =
            text("API_KEY_HEADER").map_or(Some(header::AUTHORIZATION), |name| request_headers::parse_key_header(&name));
        let api_key_header = api_key_header.unwrap_or_else(|| {
            problems.push(ConfigProblem::ApiKeyHeader);
            header::AUTHORIZATION
        });
        let pass_headers = PassHeaders::parse(&text("PASS_HEADERS").unwrap_or_default(), &api_key_header);
        let pass_headers = pass_headers.unwrap_or_else(|positions| {
            problems.extend(positions.into_iter().map(|position| ConfigProblem::PassHeaders { position }));
            PassHeaders::default()
        });
        if !problems.is_empty() {
            return Err(ConfigError { problems });
        }
        let access_keys = text("ACCESS_KEYS").unwrap_or_default();
        let warnings = config_warning::find(&api_base, &access_keys, has_users, &keys);
        let has_unknown_users = reader.is_none();
        Ok(Self {
            keys: if has_unknown_users { Keyring::default() } else { keys },
            api_base,
            api_key,
            api_key_header,
            gateway_token,
            organization,
            project,
            origins,
            routes,
            pass_headers,
            prices: None,
            has_unknown_users,
            warnings,
        })
    }

    /// Sets the prices of metered requests. Data residency has a factor, if the upstream is such a host of OpenAI.
    #[must_use]
    pub fn with_prices(self, prices: PriceTable) -> Self {
        let is_regional = self.api_base.has_data_residency();
        Self { prices: Some(Arc::new(prices.with_data_residency(is_regional))), ..self }
    }

    /// Returns the settings that are probably mistakes. The owner should see them at the start.
    #[must_use]
    pub fn warnings(&self) -> &[ConfigWarning] {
        &self.warnings
    }

    /// Returns the access keys of all users.
    #[must_use]
    pub fn keys(&self) -> &Keyring {
        &self.keys
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

impl From<Vec<ConfigProblem>> for ConfigError {
    fn from(problems: Vec<ConfigProblem>) -> Self {
        Self { problems }
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
                "ACCESS_KEYS item 2 is the API key itself; give users keys made with `sparekey keygen NAME`",
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
                "ACCESS_KEYS contains no key; make one with `sparekey keygen NAME`",
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
            ("OPENAI_PROJECT", "'proj_a'", "OPENAI_PROJECT is in quotes, which would be a part of it; remove them"),
            ("ACCESS_KEYS", "'sk-Tom-abcdefgh'", "ACCESS_KEYS is in quotes, which would be a part of it; remove them"),
            (
                "OPENAI_API_KEY",
                "sk-admin-abc",
                "OPENAI_API_KEY is an admin key, which no model accepts; set a key of a project",
            ),
            (
                "ACCESS_KEYS",
                "sk-svcacct-abcdefgh",
                "ACCESS_KEYS item 1 is an API key of OpenAI; give users keys made with `sparekey keygen NAME`",
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

    #[test]
    fn users_may_be_unknown() {
        let read = |settings: &[(&str, &str)]| {
            let get = |name: &str| settings.iter().find(|(n, _)| *n == name).map(|(_, v)| (*v).to_owned());
            Config::with_unknown_users(get).map_err(|error| error.to_string())
        };
        let config =
            read(&[("OPENAI_API_KEY", "sk-real"), ("ACCESS_KEYS", "sk-Tom-abcdefgh"), ("USERS", "'")]).unwrap();
        assert_eq!(config.keys().count(), (0, 0));
        assert!(read(&[("OPENAI_API_KEY", "sk-real"), ("USERS", "{")]).is_ok(), "the keys may be there");
        assert!(read(&[("OPENAI_API_KEY", "sk-real"), ("ACCESS_KEYS", "sk-Tom")]).is_err());
    }
}
