//! The responses that are for people: their headers, and what their policy allows.

use http::{HeaderValue, Response, header, request};

use crate::reply_body::ReplyBody;

pub(crate) const HTML_TYPE: &str = "text/html; charset=utf-8";

/// Whether the client is a browser that opens a page.
pub(crate) fn accepts_html(head: &request::Parts) -> bool {
    let accept = head.headers.get_all(header::ACCEPT).iter();
    accept.filter_map(|value| value.to_str().ok()).any(|list| list.contains("text/html"))
}

/// Returns the response with a body of this length.
pub(crate) fn page(
    content_type: &'static str,
    policy: &'static str,
    body: ReplyBody,
    length: usize,
) -> Response<ReplyBody> {
    let mut response = Response::new(body);
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(content_type));
    headers.insert(header::CONTENT_LENGTH, HeaderValue::from(length));
    // The front page contains the `host` of one request; another page has the URL of a JSON response.
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers.insert(header::CONTENT_SECURITY_POLICY, HeaderValue::from_static(policy));
    headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    response
}

/// What a page and its policy must have in common.
#[cfg(test)]
pub(crate) mod checks {
    use base64ct::{Base64, Encoding as _};
    use sha2::{Digest as _, Sha256};

    use crate::reply_body::BASE_URL;

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
            // The base URL would change the digest.
            assert!(!content.contains(BASE_URL), "{name}");
            let digest = Base64::encode_string(&Sha256::digest(content));
            let directive = format!("; {name}-src 'sha256-{digest}';");
            assert!(policy.contains(&directive), "{directive}");
            markup = markup.replace(content, "");
        }
        for blocked in BLOCKED {
            assert!(!markup.contains(blocked), "{blocked}");
        }
    }

    /// The only element of this name.
    fn content(html: &'static str, name: &str) -> &'static str {
        let (start, end) = (format!("<{name}>"), format!("</{name}>"));
        assert_eq!((html.matches(&*start).count(), html.matches(&format!("<{name}")).count()), (1, 1), "{name}");
        html.split_once(&start).unwrap().1.split_once(&end).unwrap().0
    }
}
