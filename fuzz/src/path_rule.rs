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

/// Returns the path and query that the gate appends to the API base, or the status of its rejection. `secret` must not occur, and
/// neither must `access_key`, as a whole.
pub(crate) fn relative_path(path: &str, query: Option<&str>, secret: &str, access_key: &str) -> Result<String, u16> {
    if !path.starts_with('/') || !path.is_ascii() || query.is_some_and(|query| !query.is_ascii()) {
        return Err(400);
    }
    let decoded = decode(path.as_bytes());
    let decoded_query = query.map(|query| decode(query.as_bytes())).unwrap_or_default();
    if [&decoded, &decoded_query].into_iter().any(|text| contains_key(text, secret, access_key)) {
        return Err(400);
    }
    if decoded.iter().any(|&byte| byte < 0x20 || byte == 0x7f || byte == b'\\') {
        return Err(400);
    }
    let decoded = String::from_utf8_lossy(&decoded).to_ascii_lowercase();
    let name = |segment: &'_ str| segment.split(';').next().unwrap_or_default().len();
    let names = || decoded.split('/').map(|segment| &segment[..name(segment)]);
    if names().any(|name| name == "." || name == "..") {
        return Err(400);
    }
    // A server may remove parameters, or not.
    let whole: Vec<&str> = decoded.split('/').filter(|segment| !segment.is_empty()).collect();
    let stripped: Vec<&str> = names().filter(|name| !name.is_empty()).collect();
    if is_administration(&whole) || is_administration(&stripped) {
        return Err(403);
    }
    Ok(without_version(path) + &query.map_or_else(String::new, |query| format!("?{query}")))
}

fn contains_key(text: &[u8], secret: &str, access_key: &str) -> bool {
    // A longer key is another one.
    let is_whole = |at: usize| !text.get(at + access_key.len()).is_some_and(u8::is_ascii_alphanumeric);
    let mut access_keys = positions(text, access_key).filter(|at| is_whole(*at));
    positions(text, secret).next().is_some() || access_keys.next().is_some()
}

fn positions(text: &[u8], key: &str) -> impl Iterator<Item = usize> {
    text.windows(key.len()).enumerate().filter(move |(_, window)| *window == key.as_bytes()).map(|(at, _)| at)
}

/// Whether these lower-case segments may be read as an administration route.
fn is_administration(segments: &[&str]) -> bool {
    let mut segments = segments.to_vec();
    loop {
        match *segments {
            ["v1" | "openai", ..] => segments.drain(..1),
            ["deployments", _, ..] => segments.drain(..2),
            ["fine_tuning", "checkpoints", _, "permissions", ..] => return true,
            [first, ..] => return ADMINISTRATION.contains(&first),
            [] => return false,
        };
    }
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

/// Decodes all escapes, also those that decoding brings about.
fn decode(text: &[u8]) -> Vec<u8> {
    let mut decoded = text.to_vec();
    while let Some(next) = decode_first_escape(&decoded) {
        decoded = next;
    }
    decoded
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
