//! Runs the cases against the core, without sockets and clock.

mod instructions;
mod users;

use std::{collections::BTreeMap, sync::Arc};

use http::{HeaderMap, HeaderName, HeaderValue, Request, Response, Uri, request};
use libtest_mimic::{Failed, Trial};
use sparekey_core::{Admission, Config, Exchange, Forward, Gate, Rejection, ReplyBody, UpstreamFailure, UsageReports};
use sparekey_metering::filter_models;

use crate::{
    case::{self, Case, bytes},
    case_files::{self, API_KEY, GATEWAY_TOKEN, KEY},
    expectations::{self, ClientResponse, Message, UpstreamRequest},
    programs,
};

const UPSTREAM: &str = "upstream.test:8080";

/// One trial per case, and one for the cost.
#[must_use]
pub fn trials() -> Vec<Trial> {
    let trial = |template: case_files::Template| {
        let case = template.at(UPSTREAM);
        Trial::test(format!("core::{}::{}", template.file, template.name), move || run(&case))
    };
    let (name, program, measure) = instructions::TEST;
    let instructions = programs::trial(name.to_owned(), program, measure);
    case_files::load().into_iter().map(trial).chain([instructions]).collect()
}

/// The settings of a case, on top of those that all cases share.
#[must_use]
pub fn settings(case: &Case, authority: &str) -> BTreeMap<String, String> {
    let base = format!("http://{authority}/v1");
    // All routes are open, so that the cases can use any path; routes.toml has those of the setting.
    let shared = [("ACCESS_KEYS", KEY), ("OPENAI_API_KEY", API_KEY), ("API_BASE", &base), ("ROUTES", "all")];
    let mut settings: BTreeMap<_, _> = shared.map(|(name, value)| (name.to_owned(), value.to_owned())).into();
    settings.extend(case.settings.clone());
    settings.retain(|_, value| !value.is_empty());
    settings
}

fn run(case: &Case) -> Result<(), Failed> {
    let settings = settings(case, UPSTREAM);
    let config = Config::with_users(|name| settings.get(name).cloned(), &users::reader(&settings));
    let mismatches = match config {
        Ok(_) if !case.rejected.is_empty() => vec!["the settings must be rejected".to_owned()],
        Ok(config) => {
            let (requests, response) = exchange(case, &Arc::new(Gate::new(config)))?;
            expectations::mismatches(case, &requests, &response)
        }
        Err(error) => check_reason(case, &error.to_string()),
    };
    if mismatches.is_empty() { Ok(()) } else { Err(mismatches.join("\n").into()) }
}

fn check_reason(case: &Case, reason: &str) -> Vec<String> {
    let expected = case.rejected.iter().filter(|text| !reason.contains(*text));
    let mut mismatches: Vec<_> = expected.map(|text| format!("the reason does not name {text}: {reason}")).collect();
    if case.rejected.is_empty() {
        mismatches.push(format!("the settings are rejected: {reason}"));
    }
    let texts = case.settings.values().flat_map(|value| value.split([',', ';', ' ', '\n', '/', '@']));
    for text in texts.filter(|text| (text.contains("sk-") || text.contains("secret")) && reason.contains(text)) {
        mismatches.push(format!("the reason contains the secret {text}: {reason}"));
    }
    mismatches
}

fn exchange(case: &Case, gate: &Arc<Gate>) -> Result<(Vec<UpstreamRequest>, ClientResponse), Failed> {
    match gate.admit(head(case)?.into(), users::client, sparekey_proxy::now) {
        Err(rejection) => Ok((Vec::new(), rejected(case, &rejection))),
        Ok(Admission::Reply(response)) => Ok((Vec::new(), whole(case, response.map(ReplyBody::into_bytes)))),
        Ok(Admission::Forward(forward)) => forwarded(case, forward),
        Ok(Admission::Limited(limited)) => match users::admit(limited, &bytes(&case.request.body)) {
            Ok(forward) => forwarded(case, forward),
            Err(rejection) => Ok((Vec::new(), rejected(case, &rejection))),
        },
        Ok(Admission::Usage(request)) => {
            let report = users::report(request.limits());
            Ok((
                Vec::new(),
                whole(case, request.reply(&UsageReports { place: Some(&report), ..UsageReports::default() })),
            ))
        }
    }
}

fn forwarded(case: &Case, forward: Forward) -> Result<(Vec<UpstreamRequest>, ClientResponse), Failed> {
    let (head, exchange) = forward.into_parts();
    let request = upstream_request(case, &head)?;
    let response = match &case.response {
        case::UpstreamResponse::Unreachable => rejected(case, &exchange.reject(UpstreamFailure::Unreachable)),
        case::UpstreamResponse::Timeout => rejected(case, &exchange.reject(UpstreamFailure::Timeout)),
        case::UpstreamResponse::Response(upstream) => filtered(case, &exchange, upstream)?,
    };
    Ok((vec![request], response))
}

fn filtered(case: &Case, exchange: &Exchange, upstream: &case::ResponseSpec) -> Result<ClientResponse, Failed> {
    let mut response = Response::builder().status(upstream.status).body(())?;
    fill(response.headers_mut(), upstream.headers.iter().map(|(name, value)| (&**name, bytes(value))))?;
    let body = if case.request.method == "HEAD" { Vec::new() } else { bytes(&upstream.body) };
    let (head, ()) = response.into_parts();
    let head = match exchange.admit_response_or_upgrade(head) {
        Ok(head) => head,
        Err(rejection) => return Ok(rejected(case, &rejection)),
    };
    if exchange.filters_models(&head) {
        let list = filter_models(&body, |model| exchange.allows_model(model));
        return Ok(match exchange.filtered_models(head, list) {
            Ok(response) => whole(case, response),
            Err(rejection) => rejected(case, &rejection),
        });
    }
    Ok(ClientResponse { status: head.status.as_u16(), message: Message { headers: fields(&head.headers), body } })
}

fn rejected(case: &Case, rejection: &Rejection) -> ClientResponse {
    whole(case, rejection.to_response())
}

fn whole(case: &Case, response: Response<bytes::Bytes>) -> ClientResponse {
    let (head, body) = response.into_parts();
    // A response to HEAD has no body (https://www.rfc-editor.org/rfc/rfc9110#section-9.3.2).
    let body = if case.request.method == "HEAD" { Vec::new() } else { body.to_vec() };
    ClientResponse { status: head.status.as_u16(), message: Message { headers: fields(&head.headers), body } }
}

fn head(case: &Case) -> Result<request::Parts, Failed> {
    let spec = &case.request;
    let uri = Uri::try_from(bytes(&spec.target))?;
    let mut request = Request::builder().method(&*spec.method).uri(uri).body(())?;
    fill(request.headers_mut(), spec.fields())?;
    Ok(request.into_parts().0)
}

fn fill<'a>(headers: &mut HeaderMap, fields: impl IntoIterator<Item = (&'a str, Vec<u8>)>) -> Result<(), Failed> {
    for (name, value) in fields {
        headers.append(HeaderName::try_from(name)?, HeaderValue::try_from(value)?);
    }
    Ok(())
}

fn upstream_request(case: &Case, head: &request::Parts) -> Result<UpstreamRequest, Failed> {
    let base = settings(case, UPSTREAM).remove("API_BASE").unwrap_or("https://api.openai.com/v1".into());
    let origin = base.trim().splitn(4, '/').take(3).collect::<Vec<_>>().join("/");
    let sent_to =
        format!("{}://{}", head.uri.scheme_str().unwrap_or("none"), head.uri.authority().map_or("", |a| a.as_str()));
    if sent_to != origin {
        return Err(format!("the request is sent to {sent_to}, must be sent to {origin}").into());
    }
    let secret = |value: &HeaderValue| {
        [API_KEY, GATEWAY_TOKEN].iter().any(|secret| value.as_bytes().ends_with(secret.as_bytes()))
    };
    if let Some((name, _)) = head.headers.iter().find(|(_, value)| secret(value) && !value.is_sensitive()) {
        return Err(format!("{name} contains a secret of the owner and is not marked as sensitive").into());
    }
    let target = head.uri.path_and_query().map_or("", |target| target.as_str());
    let mut headers = fields(&head.headers);
    // HTTP/1.1 derives `Host` from the URI; a `Host` that the core left would be a duplicate.
    headers.push(("host".into(), head.uri.authority().map_or("", |a| a.as_str()).into()));
    let message = Message { headers, body: bytes(&case.request.body) };
    Ok(UpstreamRequest { method: head.method.to_string(), target: target.into(), message })
}

fn fields(headers: &HeaderMap) -> Vec<(String, Vec<u8>)> {
    headers.iter().map(|(name, value)| (name.to_string(), value.as_bytes().to_vec())).collect()
}
