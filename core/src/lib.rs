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
//! let Ok(Admission::Forward(forward)) = gate.admit(head.into()) else { panic!("Tom has a key") };
//!
//! let (head, _exchange) = forward.into_parts();
//! assert_eq!(head.uri, "https://api.openai.com/v1/models?limit=2");
//! assert_eq!(head.headers["authorization"], "Bearer sk-proj-abcdef");
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod access_key;
mod api_base;
mod config;
mod config_warning;
mod cors;
mod credential;
mod front_page;
mod gate;
mod headers;
mod json;
mod keyring;
mod list;
mod open_routes;
mod path;
mod percent;
mod private_address;
mod rejection;
mod request_head;
mod request_headers;
mod routes;
mod secret;

pub use access_key::{AccessKey, KeyDigest, KeyError};
pub use api_base::{ApiBase, ApiBaseError};
pub use config::{Config, ConfigError, Problem, SETTINGS, Setting, setting};
pub use config_warning::ConfigWarning;
pub use gate::{Admission, Exchange, Forward, Gate};
pub use keyring::{ItemError, Keyring, KeyringError};
pub use open_routes::RoutesError;
pub use private_address::is_private_address;
pub use rejection::{HeadFailure, Rejection, UpstreamFailure};
pub use request_head::RequestHead;
