//! What a bound is computed from, and why there may be none.

use std::{borrow::Cow, sync::Arc};

use crate::{
    demand::{Demand, HostedTool},
    limits::Limits,
    prices::PriceTable,
};

/// A request whose cost is bounded.
#[derive(Clone, Copy, Debug)]
pub struct BoundRequest<'a> {
    /// What its body shows.
    pub demand: &'a Demand,
    /// Its model.
    pub model: Option<&'a str>,
    /// The limits of its user.
    pub limits: &'a Limits,
    /// The price table.
    pub prices: &'a Arc<PriceTable>,
    /// Whether the upstream is OpenAI or its AI Gateway.
    pub is_openai: bool,
    /// The tokens of the response that `previous_response_id` names, input and output, if they are known and its model is
    /// the same.
    pub hidden_tokens: Option<u64>,
}

/// Why the cost of a request has no bound.
// Exhaustive: the gate has an error response for each.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Unbounded {
    /// The model has no price, or the table lacks the size that bounds it.
    Model,
    /// An option has no bound.
    Option {
        /// `error.param`.
        param: Cow<'static, str>,
        /// A sentence: what to leave out or to send instead.
        advice: &'static str,
    },
    /// The route has no bound.
    Route,
}

impl Unbounded {
    /// An option that has to be left out, or changed.
    pub(super) fn option(param: &'static str, advice: &'static str) -> Self {
        Self::Option { param: Cow::Borrowed(param), advice }
    }

    /// A tool that has no bound, and cannot be removed.
    pub(super) fn forced_tool(tool: &HostedTool) -> Self {
        Self::Option {
            param: Cow::Owned(format!("tools[{}].type", tool.index)),
            advice: "Leave out this tool, and 'tool_choice' for it.",
        }
    }
}
