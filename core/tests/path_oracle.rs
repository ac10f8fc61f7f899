//! The path rule, written a second time in the slowest and plainest way, must judge every path as the gate does.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test may panic")]

use http::{Request, Uri, uri::PathAndQuery};
use proptest::{collection::vec, prelude::*, sample::select};
use sparekey_core::{Admission, Config, Gate};

const TOM: &str = "sk-Tom-abcdefgh12345678";

/// The target sent upstream, or the status of the refusal.
type Verdict = Result<String, u16>;

fn judged_by_the_gate(target: &PathAndQuery) -> Verdict {
    let settings = |name: &str| match name {
        "OPENAI_API_KEY" => Some("sk-proj-RealRealRealReal".to_owned()),
        "ACCESS_KEYS" => Some(TOM.to_owned()),
        _ => None,
    };
    let gate = Gate::new(Config::from_lookup(settings).unwrap());
    let request = Request::post(Uri::from(target.clone())).header("api-key", TOM).body(()).unwrap();
    match gate.admit(request.into_parts().0) {
        Ok(Admission::Forward(forward)) => Ok(forward.into_parts().0.uri.path_and_query().unwrap().to_string()),
        Ok(Admission::Reply(_)) => panic!("nothing is answered here: {target}"),
        Err(rejection) => Err(rejection.to_response().status().as_u16()),
    }
}

fn judged_by_the_oracle(target: &PathAndQuery) -> Verdict {
    let mut meaning = target.path().as_bytes().to_vec();
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
    let mut path = target.path().to_owned();
    while path == "/v1" || path.starts_with("/v1/") {
        path = path.replacen("/v1", "", 1);
    }
    let query = target.query().map_or_else(String::new, |query| format!("?{query}"));
    Ok(format!("/v1{path}{query}"))
}

/// The bytes with their first percent-escape decoded, if there is one.
fn one_escape_less(bytes: &[u8]) -> Option<Vec<u8>> {
    let is_escape = |w: &[u8]| matches!(w, [b'%', high, low] if high.is_ascii_hexdigit() && low.is_ascii_hexdigit());
    let at = bytes.windows(3).position(is_escape)?;
    let (before, rest) = bytes.split_at(at);
    let (escape, after) = rest.split_at(3);
    let digits = std::str::from_utf8(escape).unwrap().trim_start_matches('%');
    Some([before, &[u8::from_str_radix(digits, 16).unwrap()], after].concat())
}

fn targets() -> impl Strategy<Value = String> {
    let piece = select(vec![
        "/",
        "//",
        "/v1",
        "/V1",
        "v1",
        ".",
        "..",
        "/../",
        "%",
        "2",
        "5",
        "25",
        "2e",
        "%2e",
        "%2E",
        "%252e",
        "%2%65",
        "%5%63",
        "%2f",
        "%5c",
        "\\",
        ";",
        "%3b",
        "%00",
        "%7f",
        "%c3",
        "é",
        "organization",
        "Projects",
        "%6frganization",
        "s",
        "models",
        "?",
        "~",
    ]);
    let any = prop_oneof![6 => piece.prop_map(str::to_owned), 1 => "[!-~]"];
    vec(any, 0..9).prop_map(|pieces| format!("/{}", pieces.concat()))
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 10_000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn the_gate_judges_paths_as_the_oracle_does(target in targets()) {
        let Ok(target) = target.parse::<PathAndQuery>() else { return Ok(()) };
        prop_assert_eq!(judged_by_the_gate(&target), judged_by_the_oracle(&target), "{}", target);
    }
}
