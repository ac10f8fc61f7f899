//! A second implementation of the path rule, slow and simple, to compare the gate with.

/// First segments of administration routes.
const ADMINISTRATION: [&str; 13] = [
    "agents",
    "dashboard",
    "login",
    "me",
    "organization",
    "organizations",
    "permissions",
    "projects",
    "safety",
    "usage",
    "vaults",
    "webhook_endpoints",
    "webhook_event_types",
];

/// Returns the path and query that the gate appends to the API base, or the status of its rejection.
pub(crate) fn relative_path(path: &str, query: Option<&str>) -> Result<String, u16> {
    if !path.starts_with('/') || !path.is_ascii() || query.is_some_and(|query| !query.is_ascii()) {
        return Err(400);
    }
    let mut decoded = path.as_bytes().to_vec();
    while let Some(next) = decode_first_escape(&decoded) {
        decoded = next;
    }
    if decoded.iter().any(|&byte| byte < 0x20 || byte == 0x7f || byte == b'\\') {
        return Err(400);
    }
    let decoded = String::from_utf8_lossy(&decoded).to_ascii_lowercase();
    let segments: Vec<&str> = decoded.split('/').map(|s| s.split_once(';').map_or(s, |(name, _)| name)).collect();
    if segments.contains(&".") || segments.contains(&"..") {
        return Err(400);
    }
    let first = segments.into_iter().find(|s| !["", "v1", "openai"].contains(s));
    if first.is_some_and(|first| ADMINISTRATION.contains(&first)) {
        return Err(403);
    }
    let relative = without_version(path);
    if is_permissions(&relative) {
        return Err(403);
    }
    Ok(relative + &query.map_or_else(String::new, |query| format!("?{query}")))
}

/// Removes `v1` segments at the start, and the empty segments beside them.
fn without_version(path: &str) -> String {
    let mut segments: Vec<&str> = path.split('/').skip(1).collect();
    let mut had_version = false;
    while let Some(version) = segments.iter().position(|s| !s.is_empty()).filter(|at| segments[*at] == "v1") {
        segments.drain(..=version);
        had_version = true;
        // A trailing slash is an empty last segment.
        while segments.len() > 1 && segments[0].is_empty() {
            segments.remove(0);
        }
    }
    let slash = if had_version && segments.is_empty() { "" } else { "/" };
    format!("{slash}{}", segments.join("/"))
}

/// The one administration route that is not known by its first segment, also behind the prefixes of Azure.
fn is_permissions(path: &str) -> bool {
    let mut segments: Vec<&str> = path.strip_suffix('/').unwrap_or(path).split('/').skip(1).collect();
    if segments.first() == Some(&"openai") {
        segments.remove(0);
        if segments.first() == Some(&"v1") && segments.len() > 1 {
            segments.remove(0);
        }
        if segments.first() == Some(&"deployments") && segments.len() > 2 {
            segments.drain(..2);
        }
    }
    let is_exact =
        matches!(*segments, ["fine_tuning", "checkpoints", checkpoint, "permissions"] if !checkpoint.is_empty());
    let is_below = matches!(*segments, ["fine_tuning", "checkpoints", checkpoint, "permissions", below, ..]
        if !checkpoint.is_empty() && !below.is_empty());
    is_exact || is_below
}

/// Decodes the first percent-escape ([RFC 3986 §2.1](https://www.rfc-editor.org/rfc/rfc3986#section-2.1)); `None` without
/// one.
fn decode_first_escape(bytes: &[u8]) -> Option<Vec<u8>> {
    let is_escape = |w: &[u8]| matches!(w, [b'%', high, low] if high.is_ascii_hexdigit() && low.is_ascii_hexdigit());
    let at = bytes.windows(3).position(is_escape)?;
    let digits = std::str::from_utf8(&bytes[at + 1..at + 3]).expect("digits are ASCII");
    let byte = u8::from_str_radix(digits, 16).expect("digits are hexadecimal");
    Some([&bytes[..at], &[byte], &bytes[at + 3..]].concat())
}
