//! What a metered request cost.

use std::sync::Arc;

use sparekey_ledger::End;
use sparekey_policy::{Usage, Usd};

/// What a metered request cost, for metrics.
#[derive(Debug)]
pub struct Settlement<'a> {
    /// The user.
    pub user: &'a Arc<str>,
    /// The model, by its name in the price table.
    pub model: &'a str,
    /// The cost.
    pub cost: Usd,
    /// What was used.
    pub usage: Usage,
    /// How the request ended.
    pub end: End,
    /// Whether the cost is an estimate.
    pub is_estimated: bool,
    /// Whether the cost is above the amount that was reserved.
    pub is_over: bool,
    /// Whether the usage has no price.
    pub is_unpriced: bool,
}
