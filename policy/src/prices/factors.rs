//! Factors of prices, and the prices of tools.

use super::field::Field;
use crate::{tier::Tier, usd::Usd};

/// Factors of the price of the row `standard`, per mille.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub struct Factors {
    /// The Batch API, for a model without a row of its own.
    pub batch: u32,
    /// Flex processing, likewise.
    pub flex: u32,
    /// Priority processing of a long context, for a model without a row of its own.
    pub priority: u32,
    /// Ultrafast processing, likewise.
    pub ultrafast: u32,
    /// Data residency, for the models that have it.
    pub regional: u32,
}

/// Prices per call of a tool that the upstream runs.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub struct ToolPrices {
    /// A web search, for a model without a price of its own.
    pub web_search: Usd,
    /// A file search.
    pub file_search: Usd,
    /// A container of the code interpreter.
    pub container: Usd,
}

impl Factors {
    /// No factor: the price itself.
    pub(crate) const ONE: u32 = 1_000;

    /// The names in the table, and the fields.
    pub(crate) const FIELDS: [Field<Self, u32>; 5] = [
        ("batch", |factors| &mut factors.batch),
        ("flex", |factors| &mut factors.flex),
        ("priority", |factors| &mut factors.priority),
        ("ultrafast", |factors| &mut factors.ultrafast),
        ("regional", |factors| &mut factors.regional),
    ];

    /// The factor that a missing row of this tier has.
    pub(crate) fn of(&self, tier: Tier) -> u32 {
        match tier {
            Tier::Standard | Tier::Decisions => Self::ONE,
            Tier::Batch => self.batch,
            Tier::Flex => self.flex,
            Tier::Priority => self.priority,
            Tier::Ultrafast => self.ultrafast,
        }
    }
}

impl ToolPrices {
    /// The names in the table, and the fields.
    pub(crate) const FIELDS: [Field<Self, Usd>; 3] = [
        ("web_search", |tools| &mut tools.web_search),
        ("file_search", |tools| &mut tools.file_search),
        ("container", |tools| &mut tools.container),
    ];
}

impl Default for Factors {
    fn default() -> Self {
        Self { batch: Self::ONE, flex: Self::ONE, priority: Self::ONE, ultrafast: Self::ONE, regional: Self::ONE }
    }
}

impl Default for ToolPrices {
    fn default() -> Self {
        Self { web_search: Usd::ZERO, file_search: Usd::ZERO, container: Usd::ZERO }
    }
}
