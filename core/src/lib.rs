//! The gate of an OpenAI access-key proxy: which requests are forwarded, and how their heads are rewritten.
//!
//! **In scope:** the grammar of access keys, the list of access keys, where a request may contain its key, which paths
//! are forwarded, which headers pass in each direction, CORS, every response that is not the upstream's, the settings.
//!
//! **Out of scope:** bodies, connections, time, the environment, logs. They belong to the adapters, which decide
//! nothing: an adapter loads a [`Config`] once, calls [`Gate::admit`] with a request's head, sends and streams, and
//! calls [`Exchange::admit_response`] with the response's head.
//!
//! ```
//! use std::sync::Arc;
//!
//! use sparekey_core::{Admission, Config, Gate};
//!
//! let settings = |name: &str| match name {
//!     "OPENAI_API_KEY" => Some("sk-proj-abcdef".to_owned()),
//!     "ACCESS_KEYS" => Some("sk-Tom-wMtF9kkGDu".to_owned()),
//!     _ => None,
//! };
//! let gate = Arc::new(Gate::new(Config::from_lookup(settings)?));
//!
//! let request = http::Request::get("/v1/models?limit=2").header("host", "proxy.example");
//! let request = request.header("authorization", "Bearer sk-Tom-wMtF9kkGDu");
//! let (head, ()) = request.body(())?.into_parts();
//! let Ok(Admission::Forward(forward)) = gate.admit(head.into(), |_| None, Default::default) else { panic!("Tom has a key") };
//!
//! let (head, _exchange) = forward.into_parts();
//! assert_eq!(head.uri, "https://api.openai.com/v1/models?limit=2");
//! assert_eq!(head.headers["authorization"], "Bearer sk-proj-abcdef");
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod access_key;
mod admission;
mod api_base;
mod budget_headers;
mod client_info;
mod config;
mod config_problem;
mod config_warning;
mod cors;
mod credential;
pub mod error_code;
mod error_spec;
mod exchange;
mod failure;
mod forward;
mod front_page;
mod gate;
mod grant;
mod headers;
mod json;
mod key_search;
mod keyring;
mod keyring_error;
mod limit_rejection;
mod limited;
mod list;
mod mask;
mod open_routes;
pub mod owner_quota;
mod page;
mod path;
mod percent;
mod places;
mod private_address;
mod probe;
mod quote;
mod rate_headers;
pub mod rehearsal;
mod rejection;
mod reply_body;
mod request_head;
mod request_headers;
pub mod response_facts;
mod response_headers;
mod retry_count;
mod routes;
mod secret;
mod spending_rejection;
mod usage;
mod usage_page;
mod usage_request;
mod user_key;
mod users;

pub use access_key::{AccessKey, KeyDigest, KeyError};
pub use admission::Admission;
pub use api_base::{ApiBase, ApiBaseError};
pub use client_info::ClientInfo;
pub use config::{Config, SETTINGS, Setting, setting};
pub use config_problem::{ConfigError, ConfigProblem};
pub use config_warning::ConfigWarning;
pub use exchange::Exchange;
pub use failure::{HeadFailure, UpstreamFailure};
pub use forward::Forward;
pub use gate::Gate;
pub use json::{array as json_array, object as json_object, string_literal as json_string};
pub use keyring::Keyring;
pub use keyring_error::{ItemError, KeyringError};
pub use limited::{Limited, ModelCheck};
pub use list::{Position, items as list_items};
pub use open_routes::RoutesError;
pub use places::Places;
pub use private_address::is_private_address;
pub use probe::Probe;
pub use quote::{Funded, Quote};
pub use rejection::Rejection;
pub use reply_body::ReplyBody;
pub use request_head::RequestHead;
pub use response_headers::is_stripped_from_responses;
pub use retry_count::retry_count;
pub use usage::{USAGE_DAYS, USAGE_PER_MINUTE, UsageDay, UsageReports, UsageSums};
pub use usage_request::UsageRequest;
pub use user_key::UserKey;
pub use users::{CompiledUsers, ReadUsers, UserChecks, read_env_key};
