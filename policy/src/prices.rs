//! The price table: what a response costs.
//!
//! **In scope:** the prices of models and tools, how the name in a response finds its row, and the cost of a [`Usage`].
//!
//! **Out of scope:** what a request may cost, which depends on its body; files and clocks.
//!
//! The table ships as `prices.toml` and is read by programs with a TOML parser. Others read its compact form:
//! [`PriceTable::to_json`].

mod compiled;
pub(crate) mod cost;
mod factors;
mod field;
mod model;
mod name;
mod row;

pub use compiled::CompiledPricesError;
pub use factors::{Factors, ToolPrices};
#[cfg(feature = "users-file")]
pub(crate) use field::Field;
pub use model::{ModelMode, ModelPrices};
pub use name::is_snapshot_of;
pub use row::{RowName, TokenKind, TokenPrices};

use std::collections::BTreeMap;

use crate::timestamp::Timestamp;

/// Prices of models and tools.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct PriceTable {
    pub(crate) version: String,
    pub(crate) date: Timestamp,
    pub(crate) long_context_above: u64,
    pub(crate) factors: Factors,
    pub(crate) tools: ToolPrices,
    pub(crate) is_regional: bool,
    pub(crate) models: BTreeMap<String, ModelPrices>,
}

impl PriceTable {
    /// Returns the version: that of the shipped table, and a checksum of the owner's prices behind `+`.
    #[must_use]
    pub fn version(&self) -> &str {
        &self.version
    }

    /// Returns the day on which the shipped prices were read, at 00:00 UTC. A caller compares it with its clock, and warns
    /// about a table that is old.
    #[must_use]
    pub fn date(&self) -> Timestamp {
        self.date
    }

    /// Returns the most input tokens of a request without the prices of a long context, cached tokens included.
    #[must_use]
    pub fn long_context_above(&self) -> u64 {
        self.long_context_above
    }

    /// Returns the prices of tools.
    #[must_use]
    pub fn tools(&self) -> &ToolPrices {
        &self.tools
    }

    /// Applies the factor of data residency, for an upstream such as `eu.api.openai.com`.
    #[must_use]
    pub fn with_data_residency(mut self, is_regional: bool) -> Self {
        self.is_regional = is_regional;
        self
    }

    /// Returns the models, sorted by name.
    pub fn models(&self) -> impl Iterator<Item = (&str, &ModelPrices)> {
        self.models.iter().map(|(name, model)| (name.as_str(), model))
    }
}
