//! The heads that the measurements use.

use std::sync::Arc;

use http::{Request, Response, header, response};
use sparekey_core::{Admission, Config, Exchange, Gate, RequestHead};
use sparekey_policy::Timestamp;

pub(crate) const KEY: &str = "sk-Tom-wMtF9kkGDu4ycbN0pXqZ7T";
pub(crate) const WRONG: &str = "sk-Tom-wMtF9kkGDu4ycbN0pXqZ7U";

/// A request head of OpenAI's Python client.
const REQUEST: [(&str, &str); 16] = [
    ("host", "proxy.example.com"),
    ("accept", "application/json"),
    ("accept-encoding", "gzip, deflate"),
    ("connection", "keep-alive"),
    ("user-agent", "AsyncOpenAI/Python 2.8.1"),
    ("x-stainless-lang", "python"),
    ("x-stainless-package-version", "2.8.1"),
    ("x-stainless-os", "Linux"),
    ("x-stainless-arch", "x64"),
    ("x-stainless-runtime", "CPython"),
    ("x-stainless-runtime-version", "3.13.9"),
    ("x-stainless-async", "async:asyncio"),
    ("x-stainless-retry-count", "0"),
    ("x-stainless-read-timeout", "600"),
    ("content-type", "application/json"),
    ("content-length", "1024"),
];

/// A response head of OpenAI.
const RESPONSE: [(&str, &str); 22] = [
    ("date", "Mon, 23 Nov 2026 08:17:35 GMT"),
    ("content-type", "application/json"),
    ("content-length", "1024"),
    ("connection", "keep-alive"),
    ("access-control-expose-headers", "X-Request-ID"),
    ("openai-organization", "org-abcdefghijklmnop"),
    ("openai-processing-ms", "312"),
    ("openai-project", "proj_abcdefghijklmnop"),
    ("openai-version", "2020-10-01"),
    ("x-ratelimit-limit-requests", "10000"),
    ("x-ratelimit-limit-tokens", "30000000"),
    ("x-ratelimit-remaining-requests", "9999"),
    ("x-ratelimit-remaining-tokens", "29999978"),
    ("x-ratelimit-reset-requests", "6ms"),
    ("x-ratelimit-reset-tokens", "0s"),
    ("x-request-id", "req_0123456789abcdef0123456789abcdef"),
    ("cf-cache-status", "DYNAMIC"),
    ("set-cookie", "__cf_bm=abcdefghijklmnopqrstuvwxyz0123456789; path=/; HttpOnly; Secure"),
    ("strict-transport-security", "max-age=31536000; includeSubDomains; preload"),
    ("server", "cloudflare"),
    ("cf-ray", "8f0123456789abcd-FRA"),
    ("alt-svc", "h3=\":443\"; ma=86400"),
];

/// A gate with this many access keys.
pub(crate) fn gate(keys: usize) -> Arc<Gate> {
    let others = (1..keys).map(|number| format!("sk-user{number}-{number:024}"));
    let list = others.chain([KEY.to_owned()]).collect::<Vec<_>>().join(",");
    let settings = |name: &str| match name {
        "ACCESS_KEYS" => Some(list.clone()),
        "OPENAI_API_KEY" => Some("sk-proj-abcdefghijklmnopqrstuvwxyz0123456789".to_owned()),
        _ => None,
    };
    Arc::new(Gate::new(Config::from_lookup(settings).expect("valid settings")))
}

pub(crate) fn request(key: &str) -> RequestHead {
    let bearer = (header::AUTHORIZATION.as_str(), format!("Bearer {key}"));
    let mut request = Request::post("/v1/chat/completions").header(bearer.0, bearer.1);
    for (name, value) in REQUEST {
        request = request.header(name, value);
    }
    request.body(()).expect("a valid head").into_parts().0.into()
}

pub(crate) fn response() -> response::Parts {
    let response = RESPONSE.iter().fold(Response::builder(), |response, (name, value)| response.header(*name, *value));
    response.body(()).expect("a valid head").into_parts().0
}

pub(crate) fn exchange(gate: &Arc<Gate>) -> Box<Exchange> {
    match gate.admit(request(KEY), |_| None, Timestamp::default) {
        Ok(Admission::Forward(forward)) => forward.into_parts().1,
        other => panic!("not admitted: {other:?}"),
    }
}
