//! The page at `/usage` for a browser without a key. It asks for the access key and reads [`usage`](crate::usage) with it.

use bytes::Bytes;
use http::{Response, request};

use crate::{
    page::{self, HTML_TYPE, page},
    reply_body::ReplyBody,
    usage,
};

const HTML: &str = include_str!("usage_page.html");

/// The page has one style sheet, one script and one image, and requests its own URL. A test compares the digests with the
/// page's ([CSP](https://www.w3.org/TR/CSP3/#match-element-to-source-list)).
const POLICY: &str = concat!(
    "default-src 'none'; style-src 'sha256-py0qWV+z5LLpC1NkKZjfPYodqL+RajXpZ7jPbJZgxo4='; ",
    "script-src 'sha256-2lECc8BOKvGVQSPeFsVXwL3wpbOykfvetIdTQ5nvCWI='; ",
    "img-src data:; connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
);

/// Whether a request without a key gets the page.
#[cold]
pub(crate) fn is_request(head: &request::Parts) -> bool {
    usage::is_request(head) && page::accepts_html(head)
}

/// The response.
pub(crate) fn reply() -> Response<ReplyBody> {
    page(HTML_TYPE, POLICY, Bytes::from_static(HTML.as_bytes()).into(), HTML.len())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::page::checks;

    #[test]
    fn policy_matches_the_page() {
        checks::assert_policy(HTML, POLICY);
    }
}
