//! Cases against the pure core: no socket, no clock.

use std::collections::BTreeMap;

use http::{HeaderMap, HeaderName, HeaderValue, Request, Response, Uri, request};
use libtest_mimic::{Failed, Trial};
use sparekey_core::{Admission, Answer, Config, Exchange, Forward, Gate, Rejection, UpstreamFailure};

use crate::{
    case::{self, Case, bytes},
    case_files::{self, API_KEY, GATEWAY_TOKEN, KEY},
    expectations::{self, ClientResponse, Message, UpstreamRequest},
};

const UPSTREAM: &str = "upstream.test:8080";

/// One trial a case.
#[must_use]
pub fn trials() -> Vec<Trial> {
    let trial = |template: case_files::Template| {
        let case = template.at(UPSTREAM);
        Trial::test(format!("core::{}::{}", template.file, template.name), move || run(&case))
    };
    case_files::load().into_iter().map(trial).collect()
}

/// The settings of a case, over those that all cases share.
#[must_use]
pub fn settings(case: &Case, authority: &str) -> BTreeMap<String, String> {
    let base = format!("http://{authority}/v1");
    let shared = [("ACCESS_KEYS", KEY), ("OPENAI_API_KEY", API_KEY), ("API_BASE", &base)];
    let mut settings: BTreeMap<_, _> = shared.map(|(name, value)| (name.to_owned(), value.to_owned())).into();
    settings.extend(case.settings.clone());
    settings.retain(|_, value| !value.is_empty());
    settings
}

fn run(case: &Case) -> Result<(), Failed> {
    let settings = settings(case, UPSTREAM);
    let config = Config::from_lookup(|name| settings.get(name).cloned());
    let mismatches = match config {
        Ok(_) if !case.refused.is_empty() => vec!["the settings must be refused".to_owned()],
        Ok(config) => {
            let (seen, got) = exchange(case, &Gate::new(config))?;
            expectations::mismatches(case, &seen, &got)
        }
        Err(error) => refusal(case, &error.to_string()),
    };
    if mismatches.is_empty() { Ok(()) } else { Err(mismatches.join("\n").into()) }
}

fn refusal(case: &Case, reason: &str) -> Vec<String> {
    let wanted = case.refused.iter().filter(|text| !reason.contains(*text));
    let mut mismatches: Vec<_> = wanted.map(|text| format!("the reason does not name {text}: {reason}")).collect();
    if case.refused.is_empty() {
        mismatches.push(format!("the settings are refused: {reason}"));
    }
    let texts = case.settings.values().flat_map(|value| value.split([',', ';', ' ', '\n', '/', '@']));
    for text in texts.filter(|text| (text.contains("sk-") || text.contains("secret")) && reason.contains(text)) {
        mismatches.push(format!("the reason tells the secret {text}: {reason}"));
    }
    mismatches
}

fn exchange(case: &Case, gate: &Gate) -> Result<(Vec<UpstreamRequest>, ClientResponse), Failed> {
    match gate.admit(head(case)?) {
        Err(rejection) => Ok((Vec::new(), refused(case, &rejection))),
        Ok(Admission::Reply(response)) => Ok((Vec::new(), whole(case, response))),
        Ok(Admission::Forward(forward)) => forwarded(case, gate, forward),
    }
}

fn forwarded(case: &Case, gate: &Gate, forward: Forward) -> Result<(Vec<UpstreamRequest>, ClientResponse), Failed> {
    let (head, exchange) = forward.into_parts();
    let seen = seen(case, &head)?;
    let got = match &case.response {
        case::UpstreamResponse::Unreachable => refused(case, &exchange.failed(UpstreamFailure::Unreachable)),
        case::UpstreamResponse::Timeout => refused(case, &exchange.failed(UpstreamFailure::Timeout)),
        case::UpstreamResponse::Response(answer) => answered(case, gate, &exchange, answer)?,
    };
    Ok((vec![seen], got))
}

fn answered(
    case: &Case,
    gate: &Gate,
    exchange: &Exchange,
    answer: &case::ResponseSpec,
) -> Result<ClientResponse, Failed> {
    let mut response = Response::builder().status(answer.status).body(())?;
    fill(response.headers_mut(), answer.headers.iter().map(|(name, value)| (&**name, bytes(value))))?;
    let body = if case.request.method == "HEAD" { Vec::new() } else { bytes(&answer.body) };
    let (head, tunnels) = match gate.answer(exchange, response.into_parts().0) {
        Ok(Answer::Respond(head)) => (head, false),
        Ok(Answer::Tunnel(head)) => (head, true),
        Err(rejection) => return Ok(refused(case, &rejection)),
    };
    if tunnels != (answer.status == 101) {
        return Err(format!("tunnels: {tunnels}, on an answer of {}", answer.status).into());
    }
    Ok(ClientResponse { status: head.status.as_u16(), message: Message { headers: fields(&head.headers), body } })
}

fn refused(case: &Case, rejection: &Rejection) -> ClientResponse {
    whole(case, rejection.to_response())
}

fn whole(case: &Case, response: Response<bytes::Bytes>) -> ClientResponse {
    let (head, body) = response.into_parts();
    // HTTP itself keeps the body of an answer to HEAD off the wire.
    let body = if case.request.method == "HEAD" { Vec::new() } else { body.to_vec() };
    ClientResponse { status: head.status.as_u16(), message: Message { headers: fields(&head.headers), body } }
}

fn head(case: &Case) -> Result<request::Parts, Failed> {
    let wanted = &case.request;
    let uri = Uri::try_from(bytes(&wanted.target))?;
    let mut request = Request::builder().method(&*wanted.method).uri(uri).body(())?;
    fill(request.headers_mut(), wanted.fields())?;
    Ok(request.into_parts().0)
}

fn fill<'a>(headers: &mut HeaderMap, fields: impl IntoIterator<Item = (&'a str, Vec<u8>)>) -> Result<(), Failed> {
    for (name, value) in fields {
        headers.append(HeaderName::try_from(name)?, HeaderValue::try_from(value)?);
    }
    Ok(())
}

fn seen(case: &Case, head: &request::Parts) -> Result<UpstreamRequest, Failed> {
    let base = settings(case, UPSTREAM).remove("API_BASE").unwrap_or("https://api.openai.com/v1".into());
    let origin = base.trim().splitn(4, '/').take(3).collect::<Vec<_>>().join("/");
    let goes_to =
        format!("{}://{}", head.uri.scheme_str().unwrap_or("none"), head.uri.authority().map_or("", |a| a.as_str()));
    if goes_to != origin {
        return Err(format!("the request goes to {goes_to}, must go to {origin}").into());
    }
    let secret = |value: &HeaderValue| {
        [API_KEY, GATEWAY_TOKEN].iter().any(|secret| value.as_bytes().ends_with(secret.as_bytes()))
    };
    if let Some((name, _)) = head.headers.iter().find(|(_, value)| secret(value) && !value.is_sensitive()) {
        return Err(format!("{name} holds a secret of the owner's and is not marked as sensitive").into());
    }
    let target = head.uri.path_and_query().map_or("", |target| target.as_str());
    let mut headers = fields(&head.headers);
    // HTTP/1.1 makes its `Host` of the URI; one that the core left would stand beside it.
    headers.push(("host".into(), head.uri.authority().map_or("", |a| a.as_str()).into()));
    let message = Message { headers, body: bytes(&case.request.body) };
    Ok(UpstreamRequest { method: head.method.to_string(), target: target.into(), message })
}

fn fields(headers: &HeaderMap) -> Vec<(String, Vec<u8>)> {
    headers.iter().map(|(name, value)| (name.to_string(), value.as_bytes().to_vec())).collect()
}
