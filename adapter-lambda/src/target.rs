//! Path and query of an event -> request target.
//!
//! Function URLs, REST APIs and load balancers send the path as received, HTTP APIs send it decoded. One rule covers
//! both: characters that [RFC 3986 §3.3](https://www.rfc-editor.org/rfc/rfc3986#section-3.3) excludes are escaped, all
//! others, `%` included, are kept.

use std::fmt::Write as _;

use http::{
    Uri,
    uri::{InvalidUri, PathAndQuery},
};

/// Returns the request target in origin form.
///
/// # Errors
/// If it is longer than a [`Uri`] may be.
pub fn uri(path: &str, query: &str) -> Result<Uri, InvalidUri> {
    let is_allowed = |c: char| c.is_ascii_graphic() && !"\"#<>".contains(c);
    let path = if path.is_empty() { "/" } else { path };
    let mut text = escape(path, |c| is_allowed(c) && c != '?');
    if !query.is_empty() {
        text = format!("{text}?{}", escape(query, is_allowed));
    }
    text.parse::<PathAndQuery>().map(Uri::from)
}

/// Joins decoded names and values to a query.
pub fn encoded_query(pairs: impl Iterator<Item = (String, String)>) -> String {
    join(pairs.map(|(name, value)| (encode(&name), encode(&value))))
}

/// Joins names and values to a query. An empty value is written without `=`, because events have one form for `a` and
/// `a=`.
pub fn join(pairs: impl Iterator<Item = (String, String)>) -> String {
    let pair = |(name, value): (String, String)| match (name.as_str(), value.as_str()) {
        (name, "") if !name.is_empty() => name.to_owned(),
        (name, value) => format!("{name}={value}"),
    };
    pairs.map(pair).collect::<Vec<_>>().join("&")
}

/// Removes the stage from the start of a path.
#[must_use]
pub fn without_stage<'a>(path: &'a str, stage: &str) -> &'a str {
    let rest = path.strip_prefix('/').and_then(|path| path.strip_prefix(stage));
    rest.filter(|rest| rest.is_empty() || rest.starts_with('/')).unwrap_or(path)
}

/// Escapes a name or value of a query: all but
/// [unreserved characters](https://www.rfc-editor.org/rfc/rfc3986#section-2.3).
#[must_use]
pub fn encode(text: &str) -> String {
    escape(text, |c| c.is_ascii_alphanumeric() || "-._~".contains(c))
}

fn escape(text: &str, is_kept: impl Fn(char) -> bool) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        if is_kept(c) {
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
    fn assert_uri(path: &str, query: &str, expected: &str) {
        assert_eq!(uri(path, query).unwrap().to_string(), expected);
    }

    #[test]
    fn allowed_characters_are_kept() {
        assert_uri("/v1/files/a%2Fb%", "a=%00&&b=?{c}", "/v1/files/a%2Fb%?a=%00&&b=?{c}");
        assert_uri("//evil.example/x", "", "//evil.example/x");
        assert_uri("", "", "/");
    }

    #[test]
    fn other_characters_are_escaped() {
        assert_uri("/v1/files/a b?c#d\u{e9}\n", "e f", "/v1/files/a%20b%3Fc%23d%C3%A9%0A?e%20f");
    }

    #[test]
    fn stage_is_a_whole_segment() {
        for (path, rest) in [("/prod/v1/x", "/v1/x"), ("/prod", ""), ("/production/x", "/production/x"), ("/x", "/x")] {
            assert_eq!(without_stage(path, "prod"), rest);
        }
    }

    #[test]
    fn query_is_joined() {
        let pairs = || {
            [("include[]", "a b"), ("include[]", "c"), ("d", "")].map(|(n, v)| (n.to_owned(), v.to_owned())).into_iter()
        };
        assert_eq!(encoded_query(pairs()), "include%5B%5D=a%20b&include%5B%5D=c&d");
        assert_eq!(join(pairs()), "include[]=a b&include[]=c&d");
        assert_eq!(join([(String::new(), String::new())].into_iter()), "=");
    }
}
