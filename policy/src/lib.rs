//! Users and limits of an OpenAI access-key proxy: who may do what, how often, and for how much.
//!
//! **In scope:** the users file and its compiled form, calendar periods in time zones, the state of a user, and
//! [`step`], the one decision on each request; the price table, the cost of a response, and the upper bound of a request's cost.
//!
//! **Out of scope:** clocks, storage, HTTP, the grammar of access keys, the table of routes. A caller passes the time
//! and the checks that it owns, and stores the [`State`] with a compare-and-swap.
//!
//! ```
//! use std::sync::Arc;
//!
//! use sparekey_policy::{Command, HoldId, Limits, Outcome, Period, ProcessId, Reserve, State, Timestamp, Usd, Zone, step};
//!
//! let mut limits = Limits::none(Arc::new(Zone::utc()));
//! limits.budgets.set(Period::Month, Usd::parse("5").unwrap());
//!
//! let mut state = State::default();
//! let now = Timestamp::from_seconds(1_795_000_000);
//! let cent = Usd::parse("0.01").unwrap();
//! let reserve = Reserve {
//!     id: HoldId(7),
//!     want: cent,
//!     floor: cent,
//!     least: cent,
//!     tokens: 900,
//!     until: now.plus(Timestamp::HOUR),
//!     process: ProcessId(1),
//! };
//! let outcome = step(&limits, &mut state, now, &Command::Reserve(reserve));
//! assert!(matches!(outcome, Outcome::Granted { amount, .. } if amount == cent));
//!
//! let settle = Command::Settle { id: HoldId(7), amount: Usd::parse("0.002").unwrap(), tokens: 700 };
//! step(&limits, &mut state, now, &settle);
//! let Outcome::Report(report) = step(&limits, &mut state, now, &Command::Report) else { unreachable!() };
//! assert_eq!(report.periods[2].period.to_string(), "2026-11");
//! assert_eq!(report.periods[2].left().unwrap().to_string(), "4.998");
//! ```

mod body_edits;
mod body_failure;
mod bound;
mod civil;
mod command;
mod compiled;
mod decimal;
mod demand;
mod endpoint;
mod facts;
#[cfg(feature = "users-file")]
mod iana;
mod json;
mod json_parser;
mod limits;
mod model_pattern;
mod network;
mod period;
mod prices;
#[cfg(feature = "users-file")]
mod prices_file;
mod rate;
mod repeated_failures;
mod state;
mod step;
mod tier;
mod timestamp;
mod token_bucket;
#[cfg(feature = "users-file")]
mod toml_file;
mod usage;
mod usd;
mod user_field;
mod users;
#[cfg(feature = "users-edit")]
mod users_edit;
#[cfg(feature = "users-file")]
mod users_file;
mod zone;

pub use body_edits::{BodyEdits, OutputCap};
pub use body_failure::BodyFailure;
pub use bound::{Bound, BoundRequest, Unbounded};
pub use command::{Command, Denial, DeniedBy, Outcome, PeriodReport, Rates, Report, Reserve};
pub use compiled::CompiledError;
pub use decimal::{Scaled, scaled};
pub use demand::{
    AudioFile, CacheTime, Demand, Extras, HostedKind, HostedTool, Pictures, RefusedOption, ServiceTier, Stream,
    ToolChoice, Tools,
};
pub use endpoint::Endpoint;
pub use facts::{Facts, ModelSource, NamedModel, RefusedModel};
pub use limits::{Budgets, Limits, METERED_CONCURRENCY_MAX};
pub use model_pattern::ModelPattern;
pub use network::Network;
pub use period::{CalendarPeriod, Period};
pub use prices::{
    CompiledPricesError, Factors, ModelMode, ModelPrices, PriceTable, RowName, TokenKind, TokenPrices, ToolPrices,
    is_snapshot_of,
};
#[cfg(feature = "users-file")]
pub use prices_file::PricesFileError;
pub use rate::Rate;
pub use repeated_failures::RepeatedFailures;
pub use state::{Hold, HoldId, ProcessId, State, encoding::StateError};
pub use step::step;
pub use tier::Tier;
pub use timestamp::Timestamp;
#[cfg(feature = "users-file")]
pub use toml_file::Problem;
pub use usage::{Tokens, ToolCalls, Usage};
pub use usd::Usd;
pub use user_field::{Enforced, UserField};
pub use users::{KeySource, ListedKey, User, Users};
#[cfg(feature = "users-edit")]
pub use users_edit::{EditError, Moment, NewValue, UsersDocument};
#[cfg(feature = "users-file")]
pub use users_file::{Checks, UsersFileError};
pub use zone::{Zone, ZoneError};
