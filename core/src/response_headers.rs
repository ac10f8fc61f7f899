//! The headers of a response that do not reach the client. The others pass unchanged: values, duplicates, and the order
//! within a name.

use http::{HeaderMap, HeaderName};

use crate::headers::{self, is_hop_by_hop};

/// Returns whether the upstream's headers of this name reach no client, except those that open a WebSocket.
#[must_use]
pub fn is_stripped_from_responses(name: &HeaderName) -> bool {
    let name = name.as_str();
    let is_of_site = matches!(name, "alt-svc" | "nel" | "report-to" | "set-cookie" | "strict-transport-security")
        || name.starts_with("access-control-");
    let is_of_account = matches!(name, "openai-organization" | "openai-project");
    is_of_site || is_of_account || is_hop_by_hop(name)
}

/// Removes the headers above, those that `connection` lists, and every header whose value contains one of these secrets.
pub(crate) fn strip<'a>(headers: &mut HeaderMap, secrets: &(impl Iterator<Item = &'a str> + Clone)) {
    headers::strip(headers, |name, value| {
        is_stripped_from_responses(name) || secrets.clone().any(|secret| headers::contains(value, secret))
    });
}
