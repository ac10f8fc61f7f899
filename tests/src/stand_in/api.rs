//! The responses by path, and by the model or, for models with a price, `user`.
//!
//! | `user`, else model | response |
//! |---|---|
//! | `error-{status}` | that status, in OpenAI's error envelope |
//! | `flaky-{n}-…` | 429 for the first n requests |
//! | `gated-{name}` | streamed; the second event waits for `/_open/{name}` |
//! | `cut-{name}` | like `gated`, but the connection breaks there |
//! | anything else | a successful response |
//!
//! The header `x-reported-usage` has the usage that a response reports.

use http::{HeaderValue, Method, Response, StatusCode, header, request};
use serde_json::{Value, json};

use super::{
    State,
    body::{self, Body, Step, digest},
    form,
    media::{Media, every_byte},
    shapes,
};

const REPORTED_USAGE: &str = "x-reported-usage";

pub(super) fn respond(head: &request::Parts, sent: &[u8], json: &Value, state: &State) -> Response<Body> {
    let path = head.uri.path();
    let behaviour = behaviour(json);
    if let Some(response) = error_for(behaviour, state) {
        return response;
    }
    let streamed = json["stream"] == true;
    let media = Media { head, sent, json };
    match (&head.method, path.strip_prefix("/v1").unwrap_or(path)) {
        (&Method::GET, "/models") => ok(&shapes::models()),
        (&Method::GET, "/models/moved") => moved(head),
        (&Method::GET, "/models/gpt-gzip") => compressed(),
        (&Method::GET, path) if path.starts_with("/models/") => ok(&shapes::model(path.trim_start_matches("/models/"))),
        (&Method::DELETE, path) if path.starts_with("/models/") => {
            ok(&json!({"id": path.trim_start_matches("/models/"), "object": "model", "deleted": true}))
        }
        (&Method::POST, "/chat/completions") if streamed => {
            let response = stream(behaviour, shapes::completion_events(json), state);
            let is_reported = json["stream_options"]["include_usage"] == true;
            if is_reported { reporting(response, &shapes::completion(json)["usage"]) } else { response }
        }
        (&Method::POST, "/chat/completions") => ok(&shapes::completion(json)),
        (&Method::POST, "/responses") if streamed => {
            let response = shapes::response(json);
            reporting(stream(behaviour, shapes::response_events(json), state), &with_tools(&response))
        }
        (&Method::POST, "/responses") => {
            let response = shapes::response(json);
            reporting(ok(&response), &with_tools(&response))
        }
        (&Method::POST, "/embeddings") => ok(&shapes::embeddings(json)),
        (&Method::POST, "/images/generations") => media.pictures("image_generation"),
        (&Method::POST, "/images/edits") => media.pictures("image_edit"),
        (&Method::POST, "/audio/speech") => media.speech(),
        (&Method::POST, "/audio/transcriptions") => media.transcription(),
        (&Method::POST, "/realtime/calls") => {
            let mut response = body::whole(StatusCode::CREATED, "application/sdp", "v=0\r\n");
            response.headers_mut().insert(header::LOCATION, HeaderValue::from_static("/v1/realtime/calls/rtc_1"));
            response
        }
        (&Method::POST, "/files") => match form::file(head, sent) {
            Some(file) => ok(&shapes::file("file-1", &digest(file), file.len())),
            None => failed(400, "no file", "no_file"),
        },
        (&Method::GET, "/files") => ok(&page(head.uri.query().unwrap_or_default())),
        (&Method::GET, path) if path.starts_with("/files/") && path.ends_with("/content") => {
            body::whole(StatusCode::OK, "application/octet-stream", every_byte())
        }
        _ => failed(404, "no such path", "not_found"),
    }
}

/// `user`, because a model must have a price for some users; else the model.
pub(super) fn behaviour(json: &Value) -> &str {
    json["user"].as_str().or(json["model"].as_str()).unwrap_or_default()
}

pub(super) fn ok(value: &Value) -> Response<Body> {
    let response = body::json(StatusCode::OK, value);
    if value["usage"].is_object() { reporting(response, &value["usage"]) } else { response }
}

/// Adds a header with the usage.
pub(super) fn reporting(mut response: Response<Body>, usage: &Value) -> Response<Body> {
    let value = HeaderValue::try_from(usage.to_string()).expect("a valid header value");
    response.headers_mut().insert(REPORTED_USAGE, value);
    response
}

/// The usage of a response, with its calls of tools.
fn with_tools(response: &Value) -> Value {
    let mut usage = response["usage"].clone();
    usage["web_searches"] = response["tool_usage"]["web_search"]["num_requests"].clone();
    usage
}

pub(super) fn failed(status: u16, message: &str, code: &str) -> Response<Body> {
    body::json(StatusCode::from_u16(status).expect("a status"), &shapes::error(status, message, code))
}

/// Redirects to another model by an absolute URL: a client that follows it unchanged bypasses the proxy.
fn moved(head: &request::Parts) -> Response<Body> {
    let host = head.headers.get(header::HOST).and_then(|host| host.to_str().ok()).unwrap_or_default();
    let mut response = body::whole(StatusCode::TEMPORARY_REDIRECT, "text/plain", "moved");
    // Only OpenAI's own address has no port.
    let scheme = if host.contains(':') { "http" } else { "https" };
    let to = HeaderValue::try_from(format!("{scheme}://{host}/v1/models/gpt-one")).expect("a valid header value");
    response.headers_mut().insert(header::LOCATION, to);
    response
}

fn compressed() -> Response<Body> {
    let mut response = body::whole(StatusCode::OK, "application/json", &include_bytes!("gpt-gzip.json.gz")[..]);
    response.headers_mut().insert(header::CONTENT_ENCODING, HeaderValue::from_static("gzip"));
    response
}

fn error_for(behaviour: &str, state: &State) -> Option<Response<Body>> {
    let limited = || {
        let mut response = failed(429, "slow down", "rate_limit_exceeded");
        response.headers_mut().insert("retry-after-ms", HeaderValue::from_static("1"));
        response
    };
    if let Some(rest) = behaviour.strip_prefix("flaky-") {
        let times: usize = rest.split('-').next()?.parse().ok()?;
        return (state.count(behaviour) <= times).then(limited);
    }
    match behaviour.strip_prefix("error-")?.parse().ok()? {
        429 => Some(limited()),
        401 => {
            // Worse than OpenAI's own error: both ends of the key in the text, the whole key in a header.
            let key = &state.api_key;
            let text = format!("Incorrect API key provided: {}****{}.", &key[..12], &key[key.len() - 12..]);
            let mut response = failed(401, &text, "invalid_api_key");
            response.headers_mut().insert("x-echo", HeaderValue::from_str(key).expect("a valid header value"));
            Some(response)
        }
        status => Some(failed(status, "the requested error", "requested_error")),
    }
}

fn stream(behaviour: &str, events: Vec<String>, state: &State) -> Response<Body> {
    let mut steps: Vec<Step> = events.into_iter().map(|event| Step::Send(event.into())).collect();
    if let Some((kind @ ("gated" | "cut"), name)) = behaviour.split_once('-') {
        steps.insert(1, Step::Wait(state.gate(name)));
        if kind == "cut" {
            steps.insert(2, Step::Break);
        }
    }
    body::events(steps)
}

/// A page of three files, as the query selects it.
fn page(query: &str) -> Value {
    let value = |name: &str| query.split('&').find_map(|pair| pair.strip_prefix(name)?.strip_prefix('='));
    let ids = ["file-1", "file-2", "file-3"];
    let after = value("after").and_then(|id| ids.iter().position(|listed| *listed == id)).map_or(0, |at| at + 1);
    let limit = value("limit").and_then(|limit| limit.parse().ok()).unwrap_or(ids.len());
    let found: Vec<&str> = ids.into_iter().skip(after).take(limit).collect();
    json!({
        "object": "list", "data": found.iter().map(|id| shapes::file(id, id, 1)).collect::<Vec<_>>(),
        "first_id": found.first(), "last_id": found.last(), "has_more": after + found.len() < ids.len(),
    })
}
