//! The path rule, written a second time in the slowest and plainest way.

use http::{Request, Uri, uri::PathAndQuery};
use sparekey_core::Admission;

use crate::gate::{GATES, TOM};

/// A target is judged by the gate as it is here.
pub(crate) fn path(input: &[u8]) {
    let Ok(target) = PathAndQuery::try_from(input) else { return };
    let uri = Uri::from(target);
    let wanted = judged(uri.path(), uri.query());
    let request = Request::post(uri).header("api-key", TOM).body(()).expect("its parts are good");
    let (gate, owner) = &GATES[0];
    let got = match gate.admit(request.into_parts().0) {
        Ok(Admission::Forward(forward)) => Ok(forward.into_parts().0.uri.to_string()),
        Ok(Admission::Reply(reply)) => panic!("nothing is answered here: {reply:?}"),
        Err(rejection) => Err(rejection.to_response().status().as_u16()),
    };
    assert_eq!(got, wanted.map(|below| format!("{}{below}", owner.base)), "{}", input.escape_ascii());
}

/// What is put behind the API base, path and query, or the status of the refusal.
pub(crate) fn judged(path: &str, query: Option<&str>) -> Result<String, u16> {
    if !path.starts_with('/') {
        return Err(400);
    }
    let mut meaning = path.as_bytes().to_vec();
    while let Some(simpler) = one_escape_less(&meaning) {
        meaning = simpler;
    }
    if meaning.iter().any(|&byte| byte < 0x20 || byte == 0x7f || byte == b'\\') {
        return Err(400);
    }
    let meaning = String::from_utf8_lossy(&meaning).to_ascii_lowercase();
    let components: Vec<&str> = meaning.split('/').map(|c| c.split_once(';').map_or(c, |(name, _)| name)).collect();
    if components.contains(&".") || components.contains(&"..") {
        return Err(400);
    }
    let first = components.into_iter().find(|c| !["", "v1"].contains(c));
    if first == Some("organization") || first == Some("projects") {
        return Err(403);
    }
    let mut below = path.to_owned();
    while below == "/v1" || below.starts_with("/v1/") {
        below = below.replacen("/v1", "", 1);
    }
    Ok(below + &query.map_or_else(String::new, |query| format!("?{query}")))
}

/// The bytes with their first percent-escape decoded, if there is one.
fn one_escape_less(bytes: &[u8]) -> Option<Vec<u8>> {
    let is_escape = |w: &[u8]| matches!(w, [b'%', high, low] if high.is_ascii_hexdigit() && low.is_ascii_hexdigit());
    let at = bytes.windows(3).position(is_escape)?;
    let digits = std::str::from_utf8(&bytes[at + 1..at + 3]).expect("digits are ASCII");
    let byte = u8::from_str_radix(digits, 16).expect("they are hexadecimal");
    Some([&bytes[..at], &[byte], &bytes[at + 3..]].concat())
}
