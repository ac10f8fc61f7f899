//! What a page and its policy must have in common. The server tests its own page with this file too.

use base64ct::{Base64, Encoding as _};
use sha2::{Digest as _, Sha256};

/// Markup that the policy blocks, or that sends a request to another origin.
const BLOCKED: [&str; 10] = [
    " style=",
    " onclick=",
    " src=\"http",
    " src=\"/",
    " action=",
    "<base",
    "<iframe",
    "href=\"http",
    "href=\"/",
    "@import",
];

/// Compares the digests of the policy with the page's style sheet and script, and looks for markup that it blocks.
pub(crate) fn assert_policy(html: &'static str, policy: &str) {
    let mut markup = html.to_owned();
    for name in ["style", "script"] {
        let content = content(html, name);
        let digest = Base64::encode_string(&Sha256::digest(content));
        let directive = format!("; {name}-src 'sha256-{digest}';");
        assert!(policy.contains(&directive), "{directive}");
        markup = markup.replace(content, "");
    }
    for blocked in BLOCKED {
        assert!(!markup.contains(blocked), "{blocked}");
    }
}

/// Returns the content of the only element of this name.
pub(crate) fn content(html: &'static str, name: &str) -> &'static str {
    let (start, end) = (format!("<{name}>"), format!("</{name}>"));
    assert_eq!((html.matches(&*start).count(), html.matches(&format!("<{name}")).count()), (1, 1), "{name}");
    html.split_once(&start).unwrap().1.split_once(&end).unwrap().0
}
