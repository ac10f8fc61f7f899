//! The whole gate: a request's head in, and what it promises of the head that comes out.

use std::sync::LazyLock;

use http::{
    HeaderName, HeaderValue, Method, Request, Response, Uri, header::AUTHORIZATION, request, uri::PathAndQuery,
};
use sparekey_core::{Admission, Answer, Config, Gate};

const REAL: &str = "sk-proj-RealRealRealReal";
const TOM: &str = "sk-Tom-abcdefgh12345678";
const BASE: &str = "/v1/acct/gw/openai";

static GATE: LazyLock<Gate> = LazyLock::new(|| {
    let settings = |name: &str| match name {
        "OPENAI_API_KEY" => Some(REAL.to_owned()),
        "ACCESS_KEYS" => Some(TOM.to_owned()),
        "API_BASE" => Some(format!("https://gateway.example{BASE}")),
        _ => None,
    };
    Gate::new(Config::from_lookup(settings).expect("these settings are good"))
});

/// A target, for Tom.
pub(crate) fn path(input: &[u8]) {
    let Ok(target) = PathAndQuery::try_from(input) else { return };
    let request = Request::post(Uri::from(target)).header(AUTHORIZATION, format!("Bearer {TOM}")).body(());
    judge(request.expect("its parts are good").into_parts().0);
}

/// Lines: method and target, then a header each; `@` stands for Tom's key.
pub(crate) fn gate(input: &[u8]) {
    let mut lines = input.split(|byte| *byte == b'\n');
    let mut words = lines.next().unwrap_or_default().splitn(2, |byte| *byte == b' ');
    let (method, target) = (words.next().unwrap_or_default(), words.next().unwrap_or_default());
    let (Ok(method), Ok(uri)) = (Method::from_bytes(method), Uri::try_from(target)) else { return };
    let mut request = Request::new(());
    (*request.method_mut(), *request.uri_mut()) = (method, uri);
    let mut answer = Response::new(());
    for line in lines {
        let mut parts = line.splitn(2, |byte| *byte == b':');
        let (name, value) = (parts.next().unwrap_or_default(), parts.next().unwrap_or_default());
        let value: Vec<u8> = value
            .iter()
            .flat_map(|byte| if *byte == b'@' { TOM.as_bytes() } else { std::slice::from_ref(byte) })
            .copied()
            .collect();
        if let (Ok(name), Ok(text)) = (HeaderName::from_bytes(name), HeaderValue::from_bytes(&value)) {
            request.headers_mut().append(name.clone(), text.clone());
            answer.headers_mut().append(name, text);
        }
    }
    if let Some(exchange) = judge(request.into_parts().0) {
        answer.headers_mut().append("x-leak", HeaderValue::from_static("of sk-proj-RealRealRealReal"));
        if let Ok(Answer::Respond(head) | Answer::Tunnel(head)) = GATE.answer(&exchange, answer.into_parts().0) {
            assert!(head.headers.values().all(|value| !holds(value.as_bytes(), REAL)), "{head:?}");
        }
    }
}

fn judge(head: request::Parts) -> Option<sparekey_core::Exchange> {
    let before = head.clone();
    let Ok(Admission::Forward(forward)) = GATE.admit(head) else { return None };
    let (head, exchange) = forward.into_parts();
    assert_eq!(head.uri.authority().map(http::uri::Authority::as_str), Some("gateway.example"));
    let below = head.uri.path().strip_prefix(BASE).expect("the target is below the base");
    assert!(below.is_empty() || below.starts_with('/'), "{below}");
    assert!(before.uri.path().ends_with(below) || below == "/", "the path's bytes stay: {below}");
    assert_eq!(head.uri.query().unwrap_or_default(), before.uri.query().unwrap_or_default());
    assert_eq!(head.method, before.method);
    // Read as any server may read it, it does not climb.
    let mut meaning = below.to_owned();
    for _ in 0..8 {
        let lower = meaning.to_ascii_lowercase();
        meaning = [("%2e", "."), ("%2f", "/"), ("%5c", "\\"), ("%25", "%")]
            .iter()
            .fold(lower, |t, (from, to)| t.replace(from, to));
    }
    let climbs = |part: &str| [".", ".."].contains(&part.split(';').next().unwrap_or_default());
    assert!(!meaning.split(['/', '\\']).any(climbs), "{below}");
    let bearer = format!("Bearer {REAL}");
    let authorizations: Vec<_> = head.headers.get_all(AUTHORIZATION).iter().map(HeaderValue::as_bytes).collect();
    assert_eq!(authorizations, [bearer.as_bytes()]);
    assert!(head.headers.values().all(|value| !holds(value.as_bytes(), TOM)), "{head:?}");
    Some(exchange)
}

fn holds(bytes: &[u8], secret: &str) -> bool {
    bytes.windows(secret.len()).any(|part| part == secret.as_bytes())
}
