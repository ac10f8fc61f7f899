//! The one decision of an OpenAI access-key proxy: which request heads may pass, and how they are rewritten.
//!
//! **In scope:** the grammar of access keys, the keys that open the door, where a key may be presented, which
//! paths pass, what crosses each way, what browsers need, every answer that is not the upstream's, the settings.
//!
//! **Out of scope:** bodies, connections, time, the environment, logs. They belong to the adapters, which decide
//! nothing: each loads a [`Config`] once, splits a request, asks [`Gate::admit`], sends and streams, and
//! gives the answer's head to [`Gate::answer`].
//!
//! ```
//! use sparekey_core::{Admission, Config, Gate};
//!
//! let settings = |name: &str| match name {
//!     "OPENAI_API_KEY" => Some("sk-proj-the-real-one".to_owned()),
//!     "ACCESS_KEYS" => Some("sk-Tom-wMtF9kkGDu".to_owned()),
//!     _ => None,
//! };
//! let gate = Gate::new(Config::from_lookup(settings)?);
//!
//! let request = http::Request::get("/v1/models?limit=2").header("authorization", "Bearer sk-Tom-wMtF9kkGDu");
//! let (head, ()) = request.body(())?.into_parts();
//! let Ok(Admission::Forward(forward)) = gate.admit(head) else { panic!("Tom has a key") };
//!
//! let (head, _exchange) = forward.into_parts();
//! assert_eq!(head.uri, "https://api.openai.com/v1/models?limit=2");
//! assert_eq!(head.headers["authorization"], "Bearer sk-proj-the-real-one");
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod access_key;
mod api_base;
mod config;
mod cors;
mod credential;
mod front_page;
mod gate;
mod headers;
mod keyring;
mod path;
mod rejection;
mod secret;

pub use access_key::{AccessKey, KeyDigest, KeyError, PREFIX, RANDOM_MAX, RANDOM_MIN, USER_MAX, check_user};
pub use api_base::{ApiBase, ApiBaseError};
pub use config::{Config, ConfigError, Problem, SETTINGS, Setting};
pub use gate::{Admission, Answer, Exchange, Forward, Gate};
pub use keyring::{ItemError, Keyring, KeyringError};
pub use rejection::{Rejection, UpstreamFailure};
