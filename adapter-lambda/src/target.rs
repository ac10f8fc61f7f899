//! Path and query as an event tells them -> a request target.
//!
//! Function URLs, REST APIs and load balancers tell the path as the client sent it, HTTP APIs tell it decoded. One
//! rule serves both: what can't stand in a path is escaped, and what can stays as it is, escapes too.

use std::fmt::Write as _;

use http::{
    Uri,
    uri::{InvalidUri, PathAndQuery},
};

/// The request target.
///
/// # Errors
/// Where it is longer than any URI may be.
pub(crate) fn uri(path: &str, query: &str) -> Result<Uri, InvalidUri> {
    let stands = |c: char| c.is_ascii_graphic() && !"\"#<>".contains(c);
    let path = if path.is_empty() { "/" } else { path };
    let mut text = escaped(path, |c| stands(c) && c != '?');
    if !query.is_empty() {
        text = format!("{text}?{}", escaped(query, stands));
    }
    text.parse::<PathAndQuery>().map(Uri::from)
}

/// Joins names and values that the event tells decoded.
pub(crate) fn encoded_query(pairs: impl Iterator<Item = (String, String)>) -> String {
    join(pairs.map(|(name, value)| (encoded(&name), encoded(&value))))
}

/// Joins names and values that the event tells as they were sent; a value that is empty may have been none.
pub(crate) fn join(pairs: impl Iterator<Item = (String, String)>) -> String {
    let pair = |(name, value): (String, String)| if value.is_empty() { name } else { format!("{name}={value}") };
    pairs.map(pair).collect::<Vec<_>>().join("&")
}

/// The stage's name off the front of a path.
pub(crate) fn without_stage<'a>(path: &'a str, stage: &str) -> &'a str {
    let below = path.strip_prefix('/').and_then(|path| path.strip_prefix(stage));
    below.filter(|below| below.is_empty() || below.starts_with('/')).unwrap_or(path)
}

/// As a name or a value of a query ([RFC 3986 §2](https://www.rfc-editor.org/rfc/rfc3986#section-2)).
pub(crate) fn encoded(text: &str) -> String {
    escaped(text, |c| c.is_ascii_alphanumeric() || "-._~".contains(c))
}

fn escaped(text: &str, stays: impl Fn(char) -> bool) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        if stays(c) {
            out.push(c);
        } else {
            for byte in c.encode_utf8(&mut [0; 4]).bytes() {
                let _ = write!(out, "%{byte:02X}");
            }
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn becomes(path: &str, query: &str, target: &str) {
        assert_eq!(uri(path, query).unwrap().to_string(), target);
    }

    #[test]
    fn what_was_sent_stays() {
        becomes("/v1/files/a%2Fb%", "a=%00&&b=?{c}", "/v1/files/a%2Fb%?a=%00&&b=?{c}");
        becomes("//evil.example/x", "", "//evil.example/x");
        becomes("", "", "/");
    }

    #[test]
    fn what_was_decoded_is_escaped() {
        becomes("/v1/files/a b?c#d\u{e9}\n", "e f", "/v1/files/a%20b%3Fc%23d%C3%A9%0A?e%20f");
    }

    #[test]
    fn a_stage_is_a_whole_segment() {
        for (path, rest) in [("/prod/v1/x", "/v1/x"), ("/prod", ""), ("/production/x", "/production/x"), ("/x", "/x")] {
            assert_eq!(without_stage(path, "prod"), rest);
        }
    }

    #[test]
    fn a_query_is_put_together_again() {
        let pairs = || {
            [("include[]", "a b"), ("include[]", "c"), ("d", "")].map(|(n, v)| (n.to_owned(), v.to_owned())).into_iter()
        };
        assert_eq!(encoded_query(pairs()), "include%5B%5D=a%20b&include%5B%5D=c&d");
        assert_eq!(join(pairs()), "include[]=a b&include[]=c&d");
    }
}
