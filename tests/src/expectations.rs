//! Compares what happened with what a case expects, and lists all mismatches.

use std::collections::BTreeSet;

use serde_json::Value;

use crate::{
    case::{Case, Error, ExpectedResponse, Field, Upstream, UpstreamResponse, bytes},
    case_files::{ANN, API_KEY, GATEWAY_TOKEN, KEY},
};

/// A message as received, in bytes.
#[derive(Clone, Debug, Default)]
pub struct Message {
    /// In the order received.
    pub headers: Vec<(String, Vec<u8>)>,
    /// The whole body.
    pub body: Vec<u8>,
}

/// A request that reached the upstream.
#[derive(Clone, Debug)]
pub struct UpstreamRequest {
    /// The method.
    pub method: String,
    /// The request target.
    pub target: Vec<u8>,
    /// Headers and body.
    pub message: Message,
}

/// A response that reached the client.
#[derive(Clone, Debug)]
pub struct ClientResponse {
    /// The status.
    pub status: u16,
    /// Headers and body.
    pub message: Message,
}

/// All mismatches; empty if the case passes.
#[must_use]
pub fn mismatches(case: &Case, requests: &[UpstreamRequest], response: &ClientResponse) -> Vec<String> {
    let mut mismatches = Vec::new();
    match (&case.upstream, requests) {
        (Upstream::Untouched, []) => {}
        (Upstream::Untouched, _) => {
            mismatches.push(format!("upstream: received {} requests, must receive none", requests.len()));
        }
        (Upstream::Receives(_), [request]) => upstream(case, request, &mut mismatches),
        (Upstream::Receives(_), []) if matches!(case.response, UpstreamResponse::Unreachable) => {}
        (Upstream::Receives(_), _) => {
            mismatches.push(format!("upstream: received {} requests, must receive one", requests.len()));
        }
    }
    client(case, response, &mut mismatches);
    if !mismatches.is_empty() {
        mismatches.extend(
            requests.iter().map(|request| format!("upstream received: {} {}", request.method, show(&request.target))),
        );
        mismatches.push(format!("client received: {} {}", response.status, show(&response.message.body)));
    }
    mismatches
}

fn upstream(case: &Case, request: &UpstreamRequest, mismatches: &mut Vec<String>) {
    let Upstream::Receives(expected) = &case.upstream else { return };
    let mut mismatch = |text: String| mismatches.push(format!("upstream: {text}"));
    if request.method != case.request.method {
        mismatch(format!("method is {}, must be {}", request.method, case.request.method));
    }
    if let Some(target) = expected.target.as_deref().filter(|target| bytes(target) != request.target) {
        mismatch(format!("target is {}, must be {target}", show(&request.target)));
    }
    if request.message.body != bytes(&case.request.body) {
        mismatch(format!("body is {}, must be {}", show(&request.message.body), case.request.body));
    }
    let key_header = setting(case, "API_KEY_HEADER").unwrap_or("authorization");
    for name in BTreeSet::from(["authorization", key_header]) {
        // Of the user's own, where the case sets it.
        let api_key = setting(case, "TOM_KEY").or(setting(case, "OPENAI_API_KEY")).filter(|_| name == key_header);
        let scheme = if name.eq_ignore_ascii_case("authorization") { "Bearer " } else { "" };
        let value = api_key.map(|api_key| format!("{scheme}{api_key}").into_bytes());
        if request.message.values(name) != Vec::from_iter(value.as_deref()) {
            mismatch(format!("not exactly one correct {name}: {}", request.message.show(name)));
        }
    }
    for key in key_like_texts(case) {
        if contains(&request.target, key.as_bytes()) || request.message.head_contains(key.as_bytes()) {
            mismatch(format!("the head contains the access key {key}"));
        }
    }
    request.message.check(&expected.headers, &expected.members, &expected.absent, &mut mismatch);
}

fn client(case: &Case, response: &ClientResponse, mismatches: &mut Vec<String>) {
    let expected = &case.client;
    let mut mismatch = |text: String| mismatches.push(format!("client: {text}"));
    let passed = match (&case.upstream, &case.response, &expected.error) {
        (Upstream::Receives(_), UpstreamResponse::Response(upstream), None) => Some(upstream),
        _ => None,
    };
    let status =
        expected.error.as_ref().map(|e| e.status).or(expected.status).or(passed.map(|upstream| upstream.status));
    match status {
        Some(status) if status == response.status => {}
        Some(status) => mismatch(format!("status is {}, must be {status}", response.status)),
        None => mismatch("the case does not specify the status".into()),
    }
    let bodiless = case.request.method == "HEAD" || [101, 204, 304].contains(&response.status);
    let body = expected.body.as_deref().or(passed.map(|upstream| &*upstream.body).filter(|_| !bodiless));
    if let Some(body) = body.filter(|body| bytes(body) != response.message.body) {
        mismatch(format!("body is {}, must be {body}", show(&response.message.body)));
    }
    response.message.check(&expected.headers, &expected.members, &expected.absent, &mut mismatch);
    texts(expected, response, &mut mismatch);
    let secrets = key_like_texts(case).into_iter().chain([API_KEY.into(), GATEWAY_TOKEN.into()]);
    for secret in secrets.filter(|secret| response.message.contains_text(secret.as_bytes())) {
        mismatch(format!("the response contains the secret {secret}"));
    }
    if let Some(error) = &expected.error {
        rejection(error, response, &mut mismatch);
    }
}

fn texts(expected: &ExpectedResponse, response: &ClientResponse, mismatch: &mut impl FnMut(String)) {
    for name in expected.present.iter().filter(|name| response.message.values(name).is_empty()) {
        mismatch(format!("{name} is missing"));
    }
    for text in expected.contains.iter().filter(|text| !contains(&response.message.body, text.as_bytes())) {
        mismatch(format!("the body must contain {text:?}"));
    }
    for text in expected.excludes.iter().filter(|text| response.message.contains_text(text.as_bytes())) {
        mismatch(format!("the response must not contain {text:?}"));
    }
}

/// Checks that apply to every rejection.
fn rejection(expected: &Error, response: &ClientResponse, mismatch: &mut impl FnMut(String)) {
    let mut headers = vec![("content-type".to_owned(), "application/json".to_owned())];
    if (400..500).contains(&expected.status) {
        headers.push(("x-should-retry".into(), "false".into()));
    }
    response.message.check(&headers, &[], &[], mismatch);
    for (status, name) in [(401, "www-authenticate"), (405, "allow")] {
        if expected.status == status && response.message.values(name).is_empty() {
            mismatch(format!("{name} is missing on {status}"));
        }
    }
    let Ok(body) = serde_json::from_slice::<Value>(&response.message.body) else {
        return mismatch("the body is not JSON".into());
    };
    if !response.message.body.ends_with(b"}\n") {
        mismatch("the body does not end in a newline".into());
    }
    let keys =
        |value: &Value| value.as_object().map(|o| o.keys().cloned().collect::<BTreeSet<_>>()).unwrap_or_default();
    let error = &body["error"];
    if keys(&body) != BTreeSet::from(["error".into()])
        || keys(error) != ["message", "type", "param", "code"].map(String::from).into()
    {
        mismatch("the body is not OpenAI's envelope".into());
    }
    if error["message"].as_str().is_none_or(str::is_empty) {
        mismatch("error.message is empty".into());
    }
    let code = expected.code.clone().map_or(Value::Null, Value::String);
    let param = expected.param.as_deref().map_or(Value::Null, Value::from);
    for (name, expected) in [("type", Value::from(&*expected.r#type)), ("param", param), ("code", code)] {
        if error[name] != expected {
            mismatch(format!("error.{name} is {}, must be {expected}", error[name]));
        }
    }
}

/// The suite's access keys, and every key-like text of the request as it was sent.
fn key_like_texts(case: &Case) -> BTreeSet<String> {
    let texts = case.request.headers.iter().map(|(_, value)| &**value).chain([&*case.request.target, KEY, ANN]);
    let starts = texts.flat_map(|text| text.match_indices("sk-").map(|(at, _)| &text[at..]));
    let key = |text: &str| text.chars().take_while(|c| c.is_ascii_alphanumeric() || "._-".contains(*c)).collect();
    let credentials = case.request.headers.iter().filter(|(name, _)| name.eq_ignore_ascii_case("authorization"));
    let words = credentials.flat_map(|(_, value)| value.split_whitespace().map(str::to_owned));
    starts.map(key).chain(words).filter(|key: &String| key.len() > 10 && !key.contains(API_KEY)).collect()
}

fn setting<'a>(case: &'a Case, name: &str) -> Option<&'a str> {
    let default = match name {
        "OPENAI_API_KEY" => Some(API_KEY),
        _ => None,
    };
    case.settings.get(name).map(String::as_str).or(default).map(str::trim).filter(|value| !value.is_empty())
}

impl Message {
    fn values(&self, name: &str) -> Vec<&[u8]> {
        self.headers.iter().filter(|(n, _)| n.eq_ignore_ascii_case(name)).map(|(_, value)| &**value).collect()
    }

    fn show(&self, name: &str) -> String {
        format!("{:?}", self.values(name).into_iter().map(show).collect::<Vec<_>>())
    }

    fn head_contains(&self, text: &[u8]) -> bool {
        self.headers.iter().any(|(name, value)| contains(value, text) || contains(name.as_bytes(), text))
    }

    fn contains_text(&self, text: &[u8]) -> bool {
        self.head_contains(text) || contains(&self.body, text)
    }

    fn check(&self, expected: &[Field], members: &[Field], absent: &[String], mismatch: &mut impl FnMut(String)) {
        for name in expected.iter().map(|(name, _)| name).collect::<BTreeSet<_>>() {
            let values: Vec<_> = expected.iter().filter(|(n, _)| n == name).map(|(_, value)| bytes(value)).collect();
            if self.values(name) != values {
                let values: Vec<_> = values.iter().map(|value| show(value)).collect();
                mismatch(format!("{name} is {}, must be {values:?}", self.show(name)));
            }
        }
        for (name, member) in members {
            let lists = self.values(name).into_iter().flat_map(|list| list.split(|b| *b == b','));
            if !lists.map(<[u8]>::trim_ascii).any(|found| found.eq_ignore_ascii_case(member.as_bytes())) {
                mismatch(format!("{name} is {}, must contain {member}", self.show(name)));
            }
        }
        for name in absent.iter().filter(|name| !self.values(name).is_empty()) {
            mismatch(format!("{name} is {}, must be absent", self.show(name)));
        }
    }
}

fn contains(text: &[u8], part: &[u8]) -> bool {
    text.windows(part.len()).any(|window| window == part)
}

fn show(bytes: &[u8]) -> String {
    bytes.escape_ascii().to_string()
}

#[cfg(test)]
mod tests {
    use super::{API_KEY, ClientResponse, KEY, Message, UpstreamRequest, mismatches};

    #[test]
    fn implicit_checks_fail_without_explicit_expectations() {
        let case = toml::from_str("name = 'any'").expect("a case");
        let fields =
            |fields: &[(&str, &str)]| fields.iter().map(|(n, v)| ((*n).to_owned(), v.as_bytes().into())).collect();
        let judge = |upstream: &[(&str, &str)], client: &[(&str, &str)], requests| {
            let message = Message { headers: fields(upstream), body: Vec::new() };
            let request = UpstreamRequest { method: "GET".into(), target: "/v1/models".into(), message };
            let response =
                ClientResponse { status: 200, message: Message { headers: fields(client), body: "{}".into() } };
            mismatches(&case, &vec![request; requests], &response).is_empty()
        };
        let (bearer, key) = (("authorization", &*format!("Bearer {API_KEY}")), format!("a {KEY} b"));
        assert!(judge(&[bearer], &[], 1));
        assert!(!judge(&[bearer], &[], 0) && !judge(&[bearer], &[], 2));
        assert!(!judge(&[], &[], 1) && !judge(&[bearer, bearer], &[], 1));
        assert!(!judge(&[bearer, ("x-a", &key)], &[], 1));
        assert!(!judge(&[bearer], &[("x-a", &key)], 1) && !judge(&[bearer], &[bearer], 1));
    }
}
