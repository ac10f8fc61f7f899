//! Which path and which model is answered how.
//!
//! | model | answer |
//! |---|---|
//! | `error-{status}` | that status, in OpenAI's envelope |
//! | `flaky-{n}-…` | 429 for the first n times |
//! | `gated-{name}` | streamed; the second event waits for `/_open/{name}` |
//! | `cut-{name}` | the same, but it breaks there |
//! | anything else | a good answer |

use bytes::Bytes;
use http::{HeaderValue, Method, Response, StatusCode, header, request};
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};

use super::{
    State,
    body::{self, Body, Step},
    shapes,
};

pub(super) fn answer(head: &request::Parts, sent: &[u8], asked: &Value, state: &State) -> Response<Body> {
    let path = head.uri.path();
    let model = asked["model"].as_str().unwrap_or_default();
    if let Some(refusal) = refusal(model, state) {
        return refusal;
    }
    let streamed = asked["stream"] == true;
    match (&head.method, path.strip_prefix("/v1").unwrap_or(path)) {
        (&Method::GET, "/models") => ok(&shapes::models()),
        (&Method::GET, "/models/moved") => moved(head),
        (&Method::GET, "/models/gpt-gzip") => compressed(),
        (&Method::GET, path) if path.starts_with("/models/") => ok(&shapes::model(path.trim_start_matches("/models/"))),
        (&Method::DELETE, path) if path.starts_with("/models/") => {
            ok(&json!({"id": path.trim_start_matches("/models/"), "object": "model", "deleted": true}))
        }
        (&Method::POST, "/chat/completions") if streamed => stream(model, shapes::completion_events(model), state),
        (&Method::POST, "/chat/completions") => ok(&shapes::completion(model)),
        (&Method::POST, "/responses") if streamed => stream(model, shapes::response_events(model), state),
        (&Method::POST, "/responses") => ok(&shapes::response(model, "completed")),
        (&Method::POST, "/embeddings") => ok(&json!({
            "object": "list", "model": model, "usage": {"prompt_tokens": 1, "total_tokens": 1},
            "data": [{"object": "embedding", "index": 0, "embedding": [0.5, -0.25]}],
        })),
        (&Method::POST, "/audio/speech") => body::whole(StatusCode::OK, "audio/mpeg", every_byte()),
        (&Method::POST, "/audio/transcriptions") => ok(&json!({"text": digest(file_part(head, sent))})),
        (&Method::POST, "/realtime/calls") => {
            let mut answer = body::whole(StatusCode::CREATED, "application/sdp", "v=0\r\n");
            answer.headers_mut().insert(header::LOCATION, HeaderValue::from_static("/v1/realtime/calls/rtc_1"));
            answer
        }
        (&Method::POST, "/files") => {
            let file = file_part(head, sent);
            ok(&shapes::file("file-1", &digest(file), file.len()))
        }
        (&Method::GET, "/files") => ok(&page(head.uri.query().unwrap_or_default())),
        (&Method::GET, path) if path.starts_with("/files/") && path.ends_with("/content") => {
            body::whole(StatusCode::OK, "application/octet-stream", every_byte())
        }
        _ => failed(404, "no such path", "not_found"),
    }
}

fn ok(value: &Value) -> Response<Body> {
    body::json(StatusCode::OK, value)
}

fn failed(status: u16, message: &str, code: &str) -> Response<Body> {
    body::json(StatusCode::from_u16(status).expect("a status"), &shapes::error(status, message, code))
}

/// To another model, as an absolute address: a client that follows it unchanged goes past the proxy.
fn moved(head: &request::Parts) -> Response<Body> {
    let host = head.headers.get(header::HOST).and_then(|host| host.to_str().ok()).unwrap_or_default();
    let mut answer = body::whole(StatusCode::TEMPORARY_REDIRECT, "text/plain", "moved");
    let to = HeaderValue::try_from(format!("http://{host}/v1/models/gpt-one")).expect("an address is a header's value");
    answer.headers_mut().insert(header::LOCATION, to);
    answer
}

fn compressed() -> Response<Body> {
    let mut answer = body::whole(StatusCode::OK, "application/json", &include_bytes!("gpt-gzip.json.gz")[..]);
    answer.headers_mut().insert(header::CONTENT_ENCODING, HeaderValue::from_static("gzip"));
    answer
}

fn refusal(model: &str, state: &State) -> Option<Response<Body>> {
    let limited = || {
        let mut answer = failed(429, "slow down", "rate_limit_exceeded");
        answer.headers_mut().insert("retry-after-ms", HeaderValue::from_static("1"));
        answer
    };
    if let Some(rest) = model.strip_prefix("flaky-") {
        let times: usize = rest.split('-').next()?.parse().ok()?;
        return (state.asked_for(model) <= times).then(limited);
    }
    match model.strip_prefix("error-")?.parse().ok()? {
        429 => Some(limited()),
        401 => {
            // As OpenAI does it, and worse: both ends of the key in the text, the whole of it in a header.
            let key = &state.real_key;
            let text = format!("Incorrect API key provided: {}****{}.", &key[..12], &key[key.len() - 12..]);
            let mut answer = failed(401, &text, "invalid_api_key");
            answer.headers_mut().insert("x-echo", HeaderValue::from_str(key).expect("a key is a header's value"));
            Some(answer)
        }
        status => Some(failed(status, "as asked", "asked_for")),
    }
}

fn stream(model: &str, events: Vec<String>, state: &State) -> Response<Body> {
    let mut steps: Vec<Step> = events.into_iter().map(|event| Step::Send(event.into())).collect();
    if let Some((kind @ ("gated" | "cut"), name)) = model.split_once('-') {
        steps.insert(1, Step::Wait(state.gate(name)));
        if kind == "cut" {
            steps.insert(2, Step::Break);
        }
    }
    body::events(steps)
}

/// Every byte there is, many times over.
fn every_byte() -> Bytes {
    (0..=255).cycle().take(256 * 256).collect()
}

fn digest(bytes: &[u8]) -> String {
    base16ct::lower::encode_string(&Sha256::digest(bytes))
}

/// The content of the part with a file's name in a `multipart/form-data` body.
fn file_part<'a>(head: &request::Parts, sent: &'a [u8]) -> &'a [u8] {
    let kind = head.headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let boundary = kind.split("boundary=").nth(1).unwrap_or_default().trim_matches('"');
    let delimiter = format!("\r\n--{boundary}");
    let find = |from: usize, what: &[u8]| sent[from..].windows(what.len()).position(|w| w == what).map(|at| from + at);
    let content = || {
        let name = find(0, b"filename=")?;
        let start = find(name, b"\r\n\r\n")? + 4;
        Some(&sent[start..find(start, delimiter.as_bytes())?])
    };
    content().unwrap_or_default()
}

/// Three files, a page at a time: the query decides.
fn page(query: &str) -> Value {
    let value = |name: &str| query.split('&').find_map(|pair| pair.strip_prefix(name)?.strip_prefix('='));
    let ids = ["file-1", "file-2", "file-3"];
    let after = value("after").and_then(|id| ids.iter().position(|known| *known == id)).map_or(0, |at| at + 1);
    let limit = value("limit").and_then(|limit| limit.parse().ok()).unwrap_or(ids.len());
    let found: Vec<&str> = ids.into_iter().skip(after).take(limit).collect();
    json!({
        "object": "list", "data": found.iter().map(|id| shapes::file(id, id, 1)).collect::<Vec<_>>(),
        "first_id": found.first(), "last_id": found.last(), "has_more": after + found.len() < ids.len(),
    })
}
