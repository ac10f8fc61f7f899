//! The headers of a response that do not reach the client. The others pass unchanged: values, duplicates, and the order
//! within a name.

use http::{HeaderMap, HeaderName, header};

use crate::headers::{self, HOP_BY_HOP, ORGANIZATION, PROJECT};

/// Headers about the upstream's site, which would apply to the proxy's, and about the owner's account.
static OF_SITE_AND_ACCOUNT: [HeaderName; 7] = [
    header::SET_COOKIE,
    header::ALT_SVC,
    header::STRICT_TRANSPORT_SECURITY,
    HeaderName::from_static("nel"),
    HeaderName::from_static("report-to"),
    ORGANIZATION,
    PROJECT,
];

/// Returns whether the upstream's headers of this name reach no client, except those that open a WebSocket.
#[must_use]
pub fn is_stripped_from_responses(name: &HeaderName) -> bool {
    HOP_BY_HOP.contains(name) || OF_SITE_AND_ACCOUNT.contains(name) || name.as_str().starts_with("access-control-")
}

/// Removes the headers above, those that `connection` lists, and every header whose value contains one of these secrets.
pub(crate) fn strip<'a>(headers: &mut HeaderMap, secrets: &(impl Iterator<Item = &'a str> + Clone)) {
    headers::strip(headers, |name, value| {
        is_stripped_from_responses(name) || secrets.clone().any(|secret| headers::contains(value, secret))
    });
}
