//! A second implementation of the path rule, slow and simple, to compare the gate with.

/// Returns the path and query that the gate appends to the API base, or the status of its rejection.
pub(crate) fn relative_path(path: &str, query: Option<&str>) -> Result<String, u16> {
    if !path.starts_with('/') {
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
    let first = segments.into_iter().find(|s| !["", "v1"].contains(s));
    if first == Some("organization") || first == Some("projects") {
        return Err(403);
    }
    let mut relative = path.to_owned();
    while relative == "/v1" || relative.starts_with("/v1/") {
        relative = relative.replacen("/v1", "", 1);
    }
    Ok(relative + &query.map_or_else(String::new, |query| format!("?{query}")))
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
