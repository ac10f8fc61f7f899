//! Headers of a response to a metered user: what is left, and what was changed in the request.

use http::{HeaderMap, HeaderName, HeaderValue};
use sparekey_policy::{BodyEdits, Usd};

/// What is left of the tightest budget, less the highest cost of all open requests, in US dollars.
const BUDGET_LEFT: HeaderName = HeaderName::from_static("x-sparekey-budget-left-usd");
/// The highest number of output tokens of the request, because no more fit into the budget or the limit.
const CLAMPED: HeaderName = HeaderName::from_static("x-sparekey-clamped");
/// The types of the tools that were removed from the request, because they have no highest cost or do not fit.
const REMOVED_TOOLS: HeaderName = HeaderName::from_static("x-sparekey-removed-tools");

/// The headers of one response.
#[derive(Clone, Debug, Default)]
pub(crate) struct BudgetHeaders {
    left: Option<Usd>,
    clamped: Option<u32>,
    removed_tools: Option<HeaderValue>,
}

impl BudgetHeaders {
    pub(crate) fn new(edits: &BodyEdits, left: Option<Usd>) -> Self {
        let removed = edits.removed_tools();
        let removed_tools = (!removed.is_empty()).then(|| HeaderValue::try_from(removed.join(", ")).ok()).flatten();
        Self { left, clamped: edits.clamped(), removed_tools }
    }

    /// Sets them in place of the upstream's: that may be a proxy like this one.
    pub(crate) fn set(&self, headers: &mut HeaderMap) {
        let left = self.left.and_then(|left| HeaderValue::try_from(left.to_string()).ok());
        let clamped = self.clamped.map(HeaderValue::from);
        for (name, value) in [(BUDGET_LEFT, left), (CLAMPED, clamped), (REMOVED_TOOLS, self.removed_tools.clone())] {
            match value {
                Some(value) => headers.insert(name, value),
                None => headers.remove(name),
            };
        }
    }
}
