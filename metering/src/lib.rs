//! The parts of an OpenAI request and its response that limits need: the models of a request, and the usage of a
//! response.
//!
//! **In scope:** JSON and `multipart/form-data` bodies, the query and the path; the memory that bodies may take; usage in JSON
//! and event streams.
//!
//! **Out of scope:** connections, time, logs; which route names its model where, and which models a user may use. The
//! caller collects the body of a request and decides; the body of a response passes in pieces and is not kept.
//!
//! A body passes to the upstream unchanged, so a limit holds only if the upstream finds the same models in it. A body that
//! another reader may read in another way is refused: a field that stands twice, an escaped key, a key in another case.
//! Objects that name no model, such as messages and schemas, are the client's: they are only checked to be JSON.
//!
//! ```
//! use sparekey_metering::{BodyForm, Target, read_facts};
//! use sparekey_policy::ModelSource;
//!
//! let form = BodyForm::from_headers([&b"application/json"[..]], [])?;
//! let target = Target { source: ModelSource::Body, path: "/responses", query: None };
//! let facts = read_facts(target, &form, br#"{"model": "gpt-5", "input": "Hello"}"#)?;
//!
//! assert_eq!(facts.model.as_deref(), Some("gpt-5"));
//! assert_eq!(facts.refused_model(|name| name.starts_with("gpt-5")), None);
//! # Ok::<(), sparekey_metering::BodyError>(())
//! ```
//!
//! A response:
//!
//! ```
//! use sparekey_metering::{ResponseForm, UsageScanner};
//!
//! let mut scanner = UsageScanner::new(ResponseForm::EventStream);
//! scanner.push(b"data: {\"model\":\"gpt-5\",\"choices\":[],\"usage\":{\"prompt_to");
//! scanner.push(b"kens\":12,\"completion_tokens\":3}}\n\ndata: [DONE]\n\n");
//! let response = scanner.finish().unwrap();
//!
//! assert_eq!(response.identity.model.as_deref(), Some("gpt-5"));
//! assert_eq!(response.usage.tokens.output, 3);
//! ```

mod body_memory;
mod content_type;
mod demand;
mod error;
mod json;
mod metered;
mod model_list;
mod models;
mod multipart;
mod name;
mod param;
mod parameters;
mod path;
mod percent;
mod query;
mod request;
mod splices;
mod usage;

pub use body_memory::{BODY_TIMEOUT, BodyMemory, BodyMemoryError, BodyPermit, BodySizes};
pub use content_type::{BodyForm, Boundary};
pub use error::{BodyError, BodyErrorKind};
pub use metered::{MeteredBody, read_metered};
pub use model_list::{MODEL_LIST_MAX, filter_models};
pub use request::{Target, check_head, read_facts, read_request};
pub use splices::Splice;
pub use usage::{
    ModelTokens, PictureTool, ResponseForm, ResponseIdentity, ResponseUsage, StreamEnd, UsageEventFilter, UsageScanner,
};
