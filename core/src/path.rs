//! Which paths may pass, and how they join the API base.
//!
//! A path is judged by what it means once every percent-escape is decoded, again and again until
//! nothing changes, and it passes in exactly the bytes in which it came.

use std::borrow::Cow;

use crate::rejection::Cause;

/// First components that administer the owner's account.
const ADMINISTRATION: [&[u8]; 2] = [b"organization", b"projects"];

/// Judges the path of a request and takes leading `/v1` segments off: what is left is joined to the API base.
///
/// # Errors
/// [`Cause::InvalidPath`] or [`Cause::Administration`].
pub(crate) fn below_base(path: &str) -> Result<&str, Cause> {
    if !path.starts_with('/') {
        return Err(Cause::InvalidPath);
    }
    let rest = strip_version(path);
    let meaning = decoded(path.as_bytes());
    if !is_plain(&meaning) {
        return Err(Cause::InvalidPath);
    }
    // Versions count no more here than empty components do: an upstream may see either with other eyes.
    let first = components(&meaning).find(|c| !c.is_empty() && !c.eq_ignore_ascii_case(b"v1"));
    if first.is_some_and(|first| ADMINISTRATION.iter().any(|name| first.eq_ignore_ascii_case(name))) {
        return Err(Cause::Administration);
    }
    Ok(rest)
}

/// Takes whole leading segments `v1` off, so that `/v1/v1` never reaches the upstream.
pub(crate) fn strip_version(mut path: &str) -> &str {
    while let Some(rest) = path.strip_prefix("/v1").filter(|rest| rest.is_empty() || rest.starts_with('/')) {
        path = rest;
    }
    path
}

/// Whether a decoded path stays where it is, however it is read: no component `.` or `..`, no control
/// character, no backslash.
pub(crate) fn is_plain(decoded: &[u8]) -> bool {
    let odd = |b: &u8| b.is_ascii_control() || *b == b'\\';
    !decoded.iter().any(odd) && !components(decoded).any(|c| c == b"." || c == b"..")
}

/// Splits at `/`; a `;parameter` is cut off.
fn components(path: &[u8]) -> impl Iterator<Item = &[u8]> {
    path.split(|b| *b == b'/').map(|c| c.split(|b| *b == b';').next().unwrap_or_default())
}

/// Decodes percent-escapes until none is left, those included that decoding makes. Linear in time: an
/// escape is undone as soon as its last digit is there.
pub(crate) fn decoded(path: &[u8]) -> Cow<'_, [u8]> {
    if !path.contains(&b'%') {
        return Cow::Borrowed(path);
    }
    let mut out = Vec::with_capacity(path.len());
    for &byte in path {
        out.push(byte);
        while let [.., b'%', high, low] = *out {
            let (Some(high), Some(low)) = (hex(high), hex(low)) else { break };
            out.truncate(out.len().saturating_sub(3));
            out.push(high << 4 | low);
        }
    }
    Cow::Owned(out)
}

fn hex(digit: u8) -> Option<u8> {
    char::from(digit).to_digit(16).and_then(|value| u8::try_from(value).ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn passes(path: &str, rest: &str) {
        assert_eq!(below_base(path), Ok(rest), "{path}");
    }

    #[track_caller]
    fn refused(cause: Cause, paths: &[&str]) {
        for path in paths {
            assert_eq!(below_base(path), Err(cause), "{path}");
        }
    }

    #[test]
    fn whole_leading_versions_come_off() {
        passes("/v1/models", "/models");
        passes("/models", "/models");
        passes("/v1", "");
        passes("/v1/", "/");
        passes("/v1/v1/models", "/models");
        passes("/v1beta/models", "/v1beta/models");
        passes("/V1/models", "/V1/models");
        passes("//v1/models", "//v1/models");
        passes("/models/v1", "/models/v1");
    }

    #[test]
    fn odd_bytes_pass_as_they_are() {
        for path in ["/a%2Fb", "/%7Euser", "/a//b", "/a%zz", "/%", "/a%2", "/...", "/.x", "/x..", "/a;b=..", "/é"] {
            passes(path, path);
        }
    }

    #[test]
    fn nothing_climbs() {
        refused(
            Cause::InvalidPath,
            &[
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
            ],
        );
    }

    #[test]
    fn administration_is_closed_in_every_spelling() {
        refused(
            Cause::Administration,
            &[
                "/organization",
                "/v1/organization/users",
                "/projects/x",
                "//organization",
                "/v1//organization",
                "/%6frganization",
                "/%256frganization",
                "/v1/%2forganization",
                "/ORGANIZATION",
                "/Projects",
                "/organization;x=y",
                "/v1%2forganization",
                "/%76%31/organization",
                "//v1/organization",
            ],
        );
        passes("/organizations", "/organizations");
        passes("/models/organization", "/models/organization");
    }
}
