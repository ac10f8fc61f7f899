//! Which request paths may be forwarded, and what remains of them below the API base.
//!
//! The rules apply to the path with all percent-escapes decoded, repeatedly, because an upstream or a gateway may
//! decode it too. The forwarded path keeps its original bytes.

/// The path could resolve to another one: it has a `.` or `..` segment, a backslash, a control character or a byte above
/// 0x7F, or does not begin with a slash.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) struct AmbiguousPath;

/// Checks a path and returns what follows its leading `/v1` segments. `decoded` is the path as
/// [`percent::decode_fully`](crate::percent::decode_fully) returns it.
///
/// # Errors
/// [`AmbiguousPath`].
pub(crate) fn relative_path<'a>(path: &'a str, decoded: &[u8]) -> Result<&'a str, AmbiguousPath> {
    // A URI consists of ASCII characters (RFC 3986 §2).
    let is_valid = path.starts_with('/') && path.is_ascii() && is_unambiguous(decoded);
    if is_valid { Ok(strip_version(path)) } else { Err(AmbiguousPath) }
}

/// Removes leading `v1` segments, and empty segments beside them, so that the upstream never receives `/v1/v1` or `//v1`.
fn strip_version(path: &str) -> &str {
    let mut relative = path;
    loop {
        let rest = relative.trim_start_matches('/');
        let Some(rest) = rest.strip_prefix("v1").filter(|rest| rest.is_empty() || rest.starts_with('/')) else { break };
        // One slash stays: it begins the relative path.
        let slashes = rest.bytes().take_while(|byte| *byte == b'/').count();
        relative = rest.get(slashes.saturating_sub(1)..).unwrap_or_default();
    }
    relative
}

/// Whether a decoded path resolves to itself: no `.` or `..` segment
/// ([RFC 3986 §5.2.4](https://www.rfc-editor.org/rfc/rfc3986#section-5.2.4)), no control character, no backslash (which
/// the [URL Standard](https://url.spec.whatwg.org/#path-state) reads as a slash).
pub(crate) fn is_unambiguous(decoded: &[u8]) -> bool {
    let is_unsafe_byte = |byte: &u8| byte.is_ascii_control() || *byte == b'\\';
    // Most paths have no dot.
    let has_dots = || decoded.contains(&b'.') && segments(decoded).any(|segment| segment == b"." || segment == b"..");
    !decoded.iter().any(is_unsafe_byte) && !has_dots()
}

/// The segments of a path, each without its `;parameters`
/// ([RFC 3986 §3.3](https://www.rfc-editor.org/rfc/rfc3986#section-3.3)), because some servers remove them first.
fn segments(path: &[u8]) -> impl Iterator<Item = &[u8]> {
    path.split(|byte| *byte == b'/').map(|segment| segment.split(|byte| *byte == b';').next().unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::percent;

    fn check(path: &str) -> Result<&str, AmbiguousPath> {
        relative_path(path, percent::decode_fully(path.as_bytes()).as_deref().unwrap_or(path.as_bytes()))
    }

    #[track_caller]
    fn passes(path: &str, rest: &str) {
        assert_eq!(check(path), Ok(rest), "{path}");
    }

    #[track_caller]
    fn is_rejected(paths: &[&str]) {
        for path in paths {
            assert_eq!(check(path), Err(AmbiguousPath), "{path}");
        }
    }

    #[test]
    fn leading_versions_are_removed() {
        passes("/v1/models", "/models");
        passes("/models", "/models");
        passes("/v1", "");
        passes("/v1/", "/");
        passes("/v1/v1/models", "/models");
        passes("/v1beta/models", "/v1beta/models");
        passes("/V1/models", "/V1/models");
        passes("//v1/models", "/models");
        passes("/v1//models", "/models");
        passes("//v1//v1//models//x/", "/models//x/");
        passes("//v1//", "/");
        passes("//models", "//models");
        passes("/models/v1", "/models/v1");
    }

    #[test]
    fn other_bytes_are_unchanged() {
        for path in ["/a%2Fb", "/%7Euser", "/a//b", "/a%zz", "/%", "/a%2", "/...", "/.x", "/x..", "/a;b=.."] {
            passes(path, path);
        }
    }

    #[test]
    fn traversal_is_rejected() {
        is_rejected(&[
            "",
            "*",
            "models",
            "/.",
            "/..",
            "/../x",
            "/x/..",
            "/v1/../x",
            "/%2e%2e/x",
            "/.%2E/x",
            "/%252e%252e/x",
            "/%25252e./x",
            "/%2%65./x",
            "/x%2f..%2fy",
            "/..;/x",
            "/..;a=b/x",
            "/.;x",
            "/..%3bx",
            "/x\\y",
            "/%5c..%5cx",
            "/%255c",
            "/a%00",
            "/a%0a",
            "/a%7f",
            "/a%2500",
            "/é",
        ]);
    }
}
