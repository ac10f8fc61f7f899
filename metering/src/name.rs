//! The names of models.

use crate::error::BodyError;

/// Bytes. The longest names are paths of local models.
const MAX_LENGTH: usize = 512;

/// Returns a model's name, compared and shown as it was sent: printable ASCII, not empty, without segments `.` and `..`, because
/// some upstreams make a path of it. `None` for anything else: no model's name has other characters, and readers differ in what
/// they make of them.
pub(crate) fn parse(name: &[u8]) -> Option<Box<str>> {
    let is_name = (1..=MAX_LENGTH).contains(&name.len()) && name.iter().all(|byte| matches!(byte, b' '..=b'~'));
    let has_dots = || name.split(|byte| *byte == b'/').any(|segment| matches!(segment, b"." | b".."));
    std::str::from_utf8(name).ok().filter(|_| is_name && !has_dots()).map(Into::into)
}

/// Returns the name in the content of a JSON string. Its only escape is `\/`, which PHP writes for each `/`.
pub(crate) fn parse_json(content: &[u8]) -> Option<Box<str>> {
    if !content.contains(&b'\\') {
        return parse(content);
    }
    if content.len() > 2 * MAX_LENGTH {
        return None;
    }
    let mut name = Vec::new();
    let mut parts = content.split(|byte| *byte == b'\\');
    name.extend_from_slice(parts.next()?);
    for part in parts {
        name.extend_from_slice(part.starts_with(b"/").then_some(part)?);
    }
    parse(&name)
}

/// Returns the name in a percent-encoded part of a URL. Names with empty segments, or with characters that have a meaning in
/// URLs, are refused: an upstream that decodes twice, or merges slashes, would read another name.
///
/// # Errors
///
/// [`BodyError::UrlModel`].
pub(crate) fn parse_url(encoded: &str) -> Result<Box<str>, BodyError> {
    let decoded = crate::percent::decode(encoded.as_bytes()).ok_or(BodyError::UrlModel)?;
    let is_plain = !decoded.iter().any(|byte| b"%;?#&\\".contains(byte))
        && decoded.split(|byte| *byte == b'/').all(|segment| !segment.is_empty());
    parse(&decoded).filter(|_| is_plain).ok_or(BodyError::UrlModel)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names() {
        for name in ["gpt-5", "ft:gpt-4o:org::id", "a..b/...", "org/model (Q4).gguf", "a".repeat(512).as_str()] {
            assert_eq!(parse(name.as_bytes()).as_deref(), Some(name));
        }
        for name in ["", "a\n", "a\0", "é", "\u{7f}", "a".repeat(513).as_str(), "..", "a/../b", "./a"] {
            assert_eq!(parse(name.as_bytes()), None, "{name:?}");
        }
    }

    #[test]
    fn json_escapes() {
        for (content, name) in [
            (r"openai\/gpt-5", Some("openai/gpt-5")),
            (r"\/\/", Some("//")),
            (r"gpt\u002d5", None),
            (r"gpt\\5", None),
            (r"a\\/b", None),
            (r#"a\""#, None),
            (r"a\n", None),
        ] {
            assert_eq!(parse_json(content.as_bytes()).as_deref(), name, "{content}");
        }
        assert_eq!(parse_json(r"\/".repeat(1 << 20).as_bytes()), None);
    }

    #[test]
    fn url_escapes() {
        for (encoded, name) in [
            ("gpt-5", Some("gpt-5")),
            ("ft%3Agpt-4o%3aorg", Some("ft:gpt-4o:org")),
            ("org%2Fmodel", Some("org/model")),
            ("gpt%252d5", None),
            ("gpt%", None),
            ("gpt%2", None),
            ("gpt%zz", None),
            ("gpt%+5", None),
            ("cheap;model=dear", None),
            ("cheap%26model=dear", None),
            ("a%00", None),
            ("%c3%a9", None),
            ("/a", None),
            ("a%2F/b", None),
            ("a/", None),
            ("", None),
        ] {
            assert_eq!(parse_url(encoded).ok().as_deref(), name, "{encoded}");
        }
    }
}
