//! Whether what happened is what a case demands; all mismatches at once.

use std::collections::BTreeSet;

use serde_json::Value;

use crate::{
    case::{Case, Error, ExpectedResponse, Field, Upstream, UpstreamResponse, bytes},
    case_files::{ANN, API_KEY, GATEWAY_TOKEN, KEY},
};

/// A message as it was seen, in bytes.
#[derive(Clone, Debug, Default)]
pub struct Message {
    /// In the order seen.
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

/// What is wrong; nothing where the case passes.
#[must_use]
pub fn mismatches(case: &Case, seen: &[UpstreamRequest], got: &ClientResponse) -> Vec<String> {
    let mut mismatches = Vec::new();
    match (&case.upstream, seen) {
        (Upstream::Untouched, []) => {}
        (Upstream::Untouched, _) => mismatches.push(format!("upstream: saw {} requests, must see none", seen.len())),
        (Upstream::Receives(_), [seen]) => upstream(case, seen, &mut mismatches),
        (Upstream::Receives(_), []) if matches!(case.response, UpstreamResponse::Unreachable) => {}
        (Upstream::Receives(_), _) => mismatches.push(format!("upstream: saw {} requests, must see one", seen.len())),
    }
    client(case, got, &mut mismatches);
    if !mismatches.is_empty() {
        mismatches.extend(seen.iter().map(|seen| format!("upstream saw: {} {}", seen.method, show(&seen.target))));
        mismatches.push(format!("client got: {} {}", got.status, show(&got.message.body)));
    }
    mismatches
}

fn upstream(case: &Case, seen: &UpstreamRequest, mismatches: &mut Vec<String>) {
    let Upstream::Receives(wanted) = &case.upstream else { return };
    let mut fault = |text: String| mismatches.push(format!("upstream: {text}"));
    if seen.method != case.request.method {
        fault(format!("method is {}, must be {}", seen.method, case.request.method));
    }
    if let Some(target) = wanted.target.as_deref().filter(|target| bytes(target) != seen.target) {
        fault(format!("target is {}, must be {target}", show(&seen.target)));
    }
    if seen.message.body != bytes(&case.request.body) {
        fault(format!("body is {}, must be {}", show(&seen.message.body), case.request.body));
    }
    let real = setting(case, "OPENAI_API_KEY").map(|real| format!("Bearer {real}").into_bytes());
    if seen.message.values("authorization") != Vec::from_iter(real.as_deref()) {
        fault(format!("not exactly one right authorization: {}", seen.message.show("authorization")));
    }
    for key in presented(case) {
        if holds(&seen.target, key.as_bytes()) || seen.message.head_holds(key.as_bytes()) {
            fault(format!("the head holds the access key {key}"));
        }
    }
    seen.message.check(&wanted.headers, &wanted.members, &wanted.absent, &mut fault);
}

fn client(case: &Case, got: &ClientResponse, mismatches: &mut Vec<String>) {
    let wanted = &case.client;
    let mut fault = |text: String| mismatches.push(format!("client: {text}"));
    let passed = match (&case.upstream, &case.response, &wanted.error) {
        (Upstream::Receives(_), UpstreamResponse::Response(answer), None) => Some(answer),
        _ => None,
    };
    let status = wanted.error.as_ref().map(|e| e.status).or(wanted.status).or(passed.map(|answer| answer.status));
    match status {
        Some(status) if status == got.status => {}
        Some(status) => fault(format!("status is {}, must be {status}", got.status)),
        None => fault("the case does not say which status".into()),
    }
    let bodiless = case.request.method == "HEAD" || [101, 204, 304].contains(&got.status);
    let body = wanted.body.as_deref().or(passed.map(|answer| &*answer.body).filter(|_| !bodiless));
    if let Some(body) = body.filter(|body| bytes(body) != got.message.body) {
        fault(format!("body is {}, must be {body}", show(&got.message.body)));
    }
    got.message.check(&wanted.headers, &wanted.members, &wanted.absent, &mut fault);
    texts(wanted, got, &mut fault);
    let secrets = presented(case).into_iter().chain([API_KEY.into(), GATEWAY_TOKEN.into()]);
    for secret in secrets.filter(|secret| got.message.holds(secret.as_bytes())) {
        fault(format!("the answer holds the secret {secret}"));
    }
    if let Some(error) = &wanted.error {
        rejection(error, got, &mut fault);
    }
}

fn texts(wanted: &ExpectedResponse, got: &ClientResponse, fault: &mut impl FnMut(String)) {
    for name in wanted.present.iter().filter(|name| got.message.values(name).is_empty()) {
        fault(format!("{name} must stand"));
    }
    for text in wanted.contains.iter().filter(|text| !holds(&got.message.body, text.as_bytes())) {
        fault(format!("the body must hold {text:?}"));
    }
    for text in wanted.excludes.iter().filter(|text| got.message.holds(text.as_bytes())) {
        fault(format!("the answer must not hold {text:?}"));
    }
}

/// What every rejection bears, whatever its cause.
fn rejection(wanted: &Error, got: &ClientResponse, fault: &mut impl FnMut(String)) {
    let mut headers = vec![("content-type".to_owned(), "application/json".to_owned())];
    if (400..500).contains(&wanted.status) {
        headers.push(("x-should-retry".into(), "false".into()));
    }
    got.message.check(&headers, &[], &[], fault);
    for (status, name) in [(401, "www-authenticate"), (405, "allow")] {
        if wanted.status == status && got.message.values(name).is_empty() {
            fault(format!("{name} must stand on {status}"));
        }
    }
    let Ok(body) = serde_json::from_slice::<Value>(&got.message.body) else {
        return fault("the body is not JSON".into());
    };
    let keys =
        |value: &Value| value.as_object().map(|o| o.keys().cloned().collect::<BTreeSet<_>>()).unwrap_or_default();
    let error = &body["error"];
    if keys(&body) != BTreeSet::from(["error".into()])
        || keys(error) != ["message", "type", "param", "code"].map(String::from).into()
    {
        fault("the body is not OpenAI's envelope".into());
    }
    if error["message"].as_str().is_none_or(str::is_empty) {
        fault("error.message says nothing".into());
    }
    let code = wanted.code.clone().map_or(Value::Null, Value::String);
    for (name, wanted) in [("type", Value::from(&*wanted.r#type)), ("param", Value::Null), ("code", code)] {
        if error[name] != wanted {
            fault(format!("error.{name} is {}, must be {wanted}", error[name]));
        }
    }
}

/// The suite's access keys, and everything that the request presents like a key, in the form it was sent in.
fn presented(case: &Case) -> BTreeSet<String> {
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

    fn head_holds(&self, text: &[u8]) -> bool {
        self.headers.iter().any(|(name, value)| holds(value, text) || holds(name.as_bytes(), text))
    }

    fn holds(&self, text: &[u8]) -> bool {
        self.head_holds(text) || holds(&self.body, text)
    }

    fn check(&self, wanted: &[Field], members: &[Field], absent: &[String], fault: &mut impl FnMut(String)) {
        for name in wanted.iter().map(|(name, _)| name).collect::<BTreeSet<_>>() {
            let values: Vec<_> = wanted.iter().filter(|(n, _)| n == name).map(|(_, value)| bytes(value)).collect();
            if self.values(name) != values {
                let values: Vec<_> = values.iter().map(|value| show(value)).collect();
                fault(format!("{name} is {}, must be {values:?}", self.show(name)));
            }
        }
        for (name, member) in members {
            let lists = self.values(name).into_iter().flat_map(|list| list.split(|b| *b == b','));
            if !lists.map(<[u8]>::trim_ascii).any(|found| found.eq_ignore_ascii_case(member.as_bytes())) {
                fault(format!("{name} is {}, must have {member}", self.show(name)));
            }
        }
        for name in absent.iter().filter(|name| !self.values(name).is_empty()) {
            fault(format!("{name} is {}, must not stand", self.show(name)));
        }
    }
}

fn holds(text: &[u8], part: &[u8]) -> bool {
    text.windows(part.len()).any(|window| window == part)
}

fn show(bytes: &[u8]) -> String {
    bytes.escape_ascii().to_string()
}

#[cfg(test)]
mod tests {
    use super::{API_KEY, ClientResponse, KEY, Message, UpstreamRequest, mismatches};

    #[test]
    fn what_no_case_says_is_a_fault_all_the_same() {
        let case = toml::from_str("name = 'any'").expect("a case");
        let fields =
            |fields: &[(&str, &str)]| fields.iter().map(|(n, v)| ((*n).to_owned(), v.as_bytes().into())).collect();
        let judge = |upstream: &[(&str, &str)], client: &[(&str, &str)], requests| {
            let message = Message { headers: fields(upstream), body: Vec::new() };
            let seen = UpstreamRequest { method: "GET".into(), target: "/v1/models".into(), message };
            let got = ClientResponse { status: 200, message: Message { headers: fields(client), body: "{}".into() } };
            mismatches(&case, &vec![seen; requests], &got).is_empty()
        };
        let (real, key) = (("authorization", &*format!("Bearer {API_KEY}")), format!("a {KEY} b"));
        assert!(judge(&[real], &[], 1));
        assert!(!judge(&[real], &[], 0) && !judge(&[real], &[], 2));
        assert!(!judge(&[], &[], 1) && !judge(&[real, real], &[], 1));
        assert!(!judge(&[real, ("x-a", &key)], &[], 1));
        assert!(!judge(&[real], &[("x-a", &key)], 1) && !judge(&[real], &[real], 1));
    }
}
