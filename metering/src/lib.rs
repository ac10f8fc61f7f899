//! The parts of an OpenAI request and its response that limits need: the models of a request, what it can use at most, and the
//! usage of a response.
//!
//! **In scope:** JSON and `multipart/form-data` bodies, the query and the path; the memory that bodies may take; changes of a
//! JSON body; usage in JSON and event streams.
//!
//! **Out of scope:** connections, time, logs; which route names its model where, and which models a user may use. The
//! caller collects the body of a request and decides; the body of a response passes in pieces and is not kept.
//!
//! A body passes to the upstream unchanged, so a limit holds only if the upstream finds the same models in it. A body that
//! another reader may read in another way is refused: a field that stands twice, an escaped key, a key in another case.
//! Objects that are not read, such as schemas, are the client's: they are only checked to be JSON.
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
//! A request of a metered user. `demand.rs` lists the fields that are read and the options that are refused, and
//! [`sparekey_policy::Bound`] computes the cost:
//!
//! ```
//! use std::sync::Arc;
//!
//! use sparekey_metering::{Target, read_metered};
//! use sparekey_policy::{Bound, BoundRequest, Endpoint, Limits, ModelSource, Period, PriceTable, Usd, Zone};
//! # let prices = r#"{"version":"1","date":0,"long_context_above":272000,
//! #     "factors":{"batch":500,"flex":500,"priority":2000,"ultrafast":6000,"regional":1100},
//! #     "tools":{"web_search":10000000000,"file_search":2500000000,"container":30000000000},
//! #     "models":{"gpt-5":{"mode":"chat","max_input":272000,"max_output":128000,
//! #     "rows":{"standard":{"input":1250000,"output":10000000}}}}}"#;
//! # let prices = Arc::new(PriceTable::from_json(prices).unwrap());
//!
//! let target = Target { source: ModelSource::Body, path: "/responses", query: None };
//! let content_type = [&b"application/json"[..]];
//! let body = br#"{"model": "gpt-5", "input": "Hello"}"#;
//! let metered = read_metered(Endpoint::Responses, target, content_type, [], body).unwrap();
//!
//! let mut limits = Limits::none(Arc::new(Zone::utc()));
//! limits.budgets.set(Period::Month, Usd::parse("5").unwrap());
//! let (demand, model) = (&metered.demand, metered.facts.model.as_deref());
//! let request =
//!     BoundRequest { demand, model, limits: &limits, prices: &prices, is_openai: true, hidden_tokens: None };
//! let bound = Bound::new(request).unwrap();
//! assert_eq!(bound.want().to_string(), "1.280045");
//!
//! // A cent pays for 995 tokens of output.
//! let edits = bound.edits(Usd::parse("0.01").unwrap());
//! let splices = metered.splices(&edits);
//! assert_eq!(splices[0].range, 1..1);
//! assert_eq!(&*splices[0].text, br#""max_output_tokens":995,"service_tier":"default","#);
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

mod audio;
mod body_memory;
mod content_type;
mod demand;
mod digits;
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

pub use body_memory::{BODY_TIMEOUT, BodyMemory, BodyPermit, BodySizes};
pub use content_type::{BodyForm, Boundary};
pub use error::BodyError;
pub use metered::{MeteredBody, read_metered};
pub use model_list::{MODEL_LIST_MAX, filter_models};
pub use request::{Target, check_head, read_facts, read_request};
pub use splices::{BodyPart, Splice};
pub use usage::{
    ModelTokens, PictureTool, ResponseForm, ResponseIdentity, ResponseUsage, StreamEnd, UsageEventFilter, UsageScanner,
};
