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
mod tests {
    use base64ct::{Base64, Encoding as _};
    use sha2::{Digest as _, Sha256};

    use super::*;

    /// With its plots, so that it loads at once over a slow connection too.
    const SIZE_MAX: usize = 60_000;

    #[test]
    fn policy_matches_the_page() {
        let mut markup = HTML.to_owned();
        for name in ["style", "script"] {
            let (start, end) = (format!("<{name}>"), format!("</{name}>"));
            assert_eq!((HTML.matches(&*start).count(), HTML.matches(&format!("<{name}")).count()), (1, 1), "{name}");
            let content = HTML.split_once(&start).unwrap().1.split_once(&end).unwrap().0;
            let directive = format!("; {name}-src 'sha256-{}';", Base64::encode_string(&Sha256::digest(content)));
            assert!(POLICY.contains(&directive), "{directive}");
            markup = markup.replace(content, "");
        }
        for blocked in [" style=", " onclick=", " src=\"http", "<form", "<base", "<iframe", "href=\"http", "@import"] {
            assert!(!markup.contains(blocked), "{blocked}");
        }
        assert!(HTML.len() < SIZE_MAX, "{}", HTML.len());
    }
}
