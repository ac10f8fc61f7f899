//! The owner's page. It reads [`overview`](super::overview) and `/metrics`, and has all its code in one file.

/// The page.
pub(super) const HTML: &str = include_str!("page.html");

/// The page has one style sheet and one script, and requests its own origin. A test compares the digests
/// ([CSP](https://www.w3.org/TR/CSP3/#match-element-to-source-list)).
pub(super) const POLICY: &str = concat!(
    "default-src 'none'; style-src 'sha256-L4n2JwQi1bgV2FTMuPIqtBXRJDmuBGtgTkSGBghD7no='; ",
    "script-src 'sha256-He+DRSZ9Z6tAjK9zm3vB/rdVb/bEMp9VmOkYMQcQNKM='; ",
    "img-src data:; connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
);

#[cfg(test)]
#[path = "../../../core/src/page/checks.rs"]
mod checks;

#[cfg(test)]
mod tests {
    use super::*;

    /// With its plots, so that it loads at once over a slow connection too.
    const SIZE_MAX: usize = 60_000;

    #[test]
    fn policy_matches_the_page() {
        checks::assert_policy(HTML, POLICY);
        assert!(HTML.len() < SIZE_MAX, "{}", HTML.len());
    }
}
