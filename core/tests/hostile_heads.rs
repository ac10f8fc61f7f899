//! For any request head: a forwarded request goes below the API base, contains the API key once, and no access key.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test may panic")]

use std::sync::Arc;

use http::{HeaderName, HeaderValue, Request, Uri, uri::PathAndQuery};
use proptest::{collection::vec, prelude::*, sample::select};
use sparekey_core::{Admission, Config, Gate};
use sparekey_policy::Timestamp;

const API_KEY: &str = "sk-proj-RealRealRealReal";
const TOM: &str = "sk-Tom-abcdefgh12345678";
const BASES: [(&str, &str, &str); 4] = [
    ("https://api.openai.com", "api.openai.com", "/v1"),
    ("https://api.openai.com/v1/", "api.openai.com", "/v1"),
    ("https://gateway.ai.cloudflare.com/v1/acct/gw/openai", "gateway.ai.cloudflare.com", "/v1/acct/gw/openai"),
    ("http://127.0.0.1:8000/api", "127.0.0.1:8000", "/api"),
];

fn gate(base: &str) -> Arc<Gate> {
    let settings = |name: &str| match name {
        "OPENAI_API_KEY" => Some(API_KEY.to_owned()),
        "ACCESS_KEYS" => Some(TOM.to_owned()),
        "API_BASE" => Some(base.to_owned()),
        "ROUTES" => Some("all".to_owned()),
        "PASS_HEADERS" => Some("x-custom".to_owned()),
        _ => None,
    };
    Arc::new(Gate::new(Config::from_lookup(settings).unwrap()))
}

fn paths() -> impl Strategy<Value = String> {
    let piece = select(vec![
        "/",
        "//",
        "/v1",
        "/v1/",
        "v1",
        ".",
        "..",
        "/..",
        "/../",
        "%2e",
        "%2E",
        "%252e",
        "%2f",
        "%2F",
        "%5c",
        "\\",
        ";",
        ";x",
        "%3b",
        "%00",
        "%0d%0a",
        "%7f",
        "%",
        "%2",
        "@evil.com",
        ":80",
        "http://evil.com",
        "evil.com/",
        "*",
        "organization",
        "%6frganization",
        "projects",
        "models",
        "chat/completions",
        "{}",
        "~",
        "é",
        "\"",
        "|",
    ]);
    vec(piece, 0..8).prop_map(|pieces| format!("/{}", pieces.concat()))
}

fn queries() -> impl Strategy<Value = Option<String>> {
    proptest::option::of("[!$-;=?-~]{0,20}")
}

fn headers() -> impl Strategy<Value = Vec<(&'static str, Vec<u8>)>> {
    let name = select(vec![
        "authorization",
        "api-key",
        "x-api-key",
        "x-goog-api-key",
        "sec-websocket-protocol",
        "connection",
        "upgrade",
        "te",
        "transfer-encoding",
        "host",
        "cookie",
        "cf-aig-authorization",
        "openai-organization",
        "x-forwarded-for",
        "proxy-authorization",
        "user-agent",
        "content-type",
        "expect",
        "x-custom",
    ]);
    let value = prop_oneof![
        3 => select(vec![
            format!("Bearer {TOM}"), format!("bearer   {TOM}\t"), TOM.to_owned(), format!("Bearer {API_KEY}"),
            format!("realtime, openai-insecure-api-key.{TOM}"), format!("OpenAI-Insecure-API-Key.{TOM}"),
            "authorization".to_owned(), "Authorization, x-api-key, upgrade, close".to_owned(), "websocket".to_owned(),
            "Basic OnNrLVRvbS1hYmNkZWZnaDEyMzQ1Njc4".to_owned(), "chunked".to_owned(), String::new(),
        ]).prop_map(String::into_bytes),
        1 => vec(prop_oneof![Just(9u8), 32u8..127, 128u8..=255], 0..12),
        1 => Just([b"openai-insecure-api-key.", TOM.as_bytes(), b", \xe9"].concat()),
    ];
    vec((name, value), 0..10)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 4000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn forwarded_requests_are_safe(
        base in 0..BASES.len(), path in paths(), query in queries(), list in headers(),
        method in select(vec!["GET", "POST", "OPTIONS", "HEAD", "PATCH", "FOO"]), admitted: bool,
    ) {
        let (base, authority, prefix) = BASES[base];
        let target = query.as_ref().map_or_else(|| path.clone(), |query| format!("{path}?{query}"));
        let Ok(target) = target.parse::<PathAndQuery>() else { return Ok(()) };
        let mut request = Request::builder().method(method).uri(Uri::from(target.clone())).body(()).unwrap();
        if admitted {
            request.headers_mut().append("api-key", HeaderValue::from_static(TOM));
        }
        for (name, value) in &list {
            if let Ok(value) = HeaderValue::from_bytes(value) {
                request.headers_mut().append(HeaderName::from_static(name), value);
            }
        }
        // Without it, the gate rejects every request over HTTP/1.1.
        request.headers_mut().entry("host").or_insert(HeaderValue::from_static("proxy"));
        let (sent, ()) = request.into_parts();
        let Ok(Admission::Forward(forward)) = gate(base).admit(sent.clone().into(), |_| None, Timestamp::default) else { return Ok(()) };
        prop_assert_eq!(&**forward.key().user(), "Tom");
        let (head, _) = forward.into_parts();

        // The target is below the base, and every byte of path and query is unchanged.
        prop_assert_eq!(head.uri.authority().unwrap(), authority);
        let below = head.uri.path().strip_prefix(prefix).unwrap();
        prop_assert!(below.is_empty() || below.starts_with('/'), "{}", head.uri);
        prop_assert!(target.path().ends_with(below));
        prop_assert!(target.path().strip_suffix(below).unwrap().split('/').all(|c| c.is_empty() || c == "v1"));
        prop_assert_eq!(head.uri.query(), target.query());
        prop_assert!(!fully_decoded(below).split(['/', '\\']).map(without_parameters).any(|c| c == ".." || c == "."), "{}", head.uri);
        prop_assert!(head.uri.path().starts_with(prefix) && !below.contains('\\'));

        // The keys.
        let bearer = format!("Bearer {API_KEY}");
        prop_assert_eq!(head.headers.get_all("authorization").iter().collect::<Vec<_>>(), [bearer.as_str()]);
        prop_assert!(head.headers["authorization"].is_sensitive());
        for (name, value) in &head.headers {
            prop_assert!(!contains(value.as_bytes(), TOM.as_bytes()), "{}: {:?}", name, value);
        }

        // Other headers pass with values and order unchanged, unless `connection` lists them.
        if !is_listed_in_connection(&sent.headers, "x-custom") && !sent.headers.get_all("x-custom").iter().any(|v| contains(v.as_bytes(), TOM.as_bytes())) {
            prop_assert!(head.headers.get_all("x-custom").iter().eq(sent.headers.get_all("x-custom")));
        }
        prop_assert_eq!(head.method, sent.method);
    }
}

fn without_parameters(segment: &str) -> &str {
    segment.split(';').next().unwrap()
}

fn contains(bytes: &[u8], part: &[u8]) -> bool {
    bytes.windows(part.len()).any(|window| window == part)
}

fn is_listed_in_connection(headers: &http::HeaderMap, name: &str) -> bool {
    headers.get_all("connection").iter().any(|value| contains(&value.as_bytes().to_ascii_lowercase(), name.as_bytes()))
}

/// Decodes level by level until nothing changes: slow and obvious.
fn fully_decoded(path: &str) -> String {
    let mut bytes = path.as_bytes().to_vec();
    loop {
        let mut next = Vec::new();
        let mut rest = bytes.as_slice();
        while let [first, tail @ ..] = rest {
            let escape = rest.get(1..3).and_then(|digits| std::str::from_utf8(digits).ok());
            let byte = escape.filter(|_| *first == b'%').filter(|d| d.bytes().all(|b| b.is_ascii_hexdigit()));
            next.push(byte.map_or(*first, |digits| u8::from_str_radix(digits, 16).unwrap()));
            rest = if byte.is_some() { &rest[3..] } else { tail };
        }
        if next == bytes {
            return String::from_utf8_lossy(&bytes).into_owned();
        }
        bytes = next;
    }
}
