//! Headers of a response to a metered user: what is left, and what was changed in the request.

use http::{HeaderMap, HeaderName, HeaderValue};
use sparekey_policy::{BodyEdits, Usd};

/// What is left of the tightest budget, less the highest cost of all open requests, in US dollars.
const BUDGET_LEFT: HeaderName = HeaderName::from_static("x-sparekey-budget-left-usd");
/// The highest number of output tokens of the request, because no more fit into the budget or the limit.
const CLAMPED: HeaderName = HeaderName::from_static("x-sparekey-clamped");
/// The types of the tools that were removed from the request, because they have no highest cost or do not fit.
const REMOVED_TOOLS: HeaderName = HeaderName::from_static("x-sparekey-removed-tools");

/// Characters of their list: a front end may drop a response with a large head. The types are ASCII.
const TOOLS_MAX: usize = 256;

/// The headers of one response. Those without a value are removed.
#[derive(Clone, Debug)]
pub(crate) struct BudgetHeaders([(HeaderName, Option<HeaderValue>); 3]);

impl BudgetHeaders {
    pub(crate) fn new(edits: &BodyEdits, left: Option<Usd>) -> Self {
        let mut removed: Vec<&str> = edits.removed_tools().iter().map(AsRef::as_ref).collect();
        removed.dedup();
        let mut removed = removed.join(", ");
        removed.truncate(TOOLS_MAX);
        let removed = (!removed.is_empty()).then(|| HeaderValue::try_from(removed).ok()).flatten();
        let left = left.and_then(|left| HeaderValue::try_from(left.to_string()).ok());
        Self([(BUDGET_LEFT, left), (CLAMPED, edits.clamped().map(HeaderValue::from)), (REMOVED_TOOLS, removed)])
    }

    /// Sets them in place of the upstream's: that may be a proxy like this one.
    pub(crate) fn set(&self, headers: &mut HeaderMap) {
        for (name, value) in &self.0 {
            match value {
                Some(value) => headers.insert(name, value.clone()),
                None => headers.remove(name),
            };
        }
    }
}
