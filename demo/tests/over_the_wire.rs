//! The stand-in for OpenAI, over real connections.

use std::{
    net::SocketAddr,
    time::{Duration, Instant},
};

use bytes::Bytes;
use http::{HeaderMap, Request, StatusCode};
use http_body_util::{BodyExt as _, Full};
use hyper_util::rt::TokioIo;
use serde_json::{Value, json};
use tokio::net::TcpStream;

const KEY: &str = "sk-demo-api-key";

const QUOTE: &str = "You said: \"Is \"this\" on, Zoë?\"";

struct Reply {
    status: StatusCode,
    headers: HeaderMap,
    body: String,
    /// When each piece of the body arrived, counted from the request.
    times: Vec<Duration>,
}

impl Reply {
    fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap()
    }

    /// The name, if any, and the data of each server-sent event.
    fn events(&self) -> Vec<(Option<&str>, &str)> {
        assert_eq!(self.headers["content-type"], "text/event-stream; charset=utf-8");
        let event = |text| match str::split_once(text, '\n') {
            Some((name, data)) => (Some(name.strip_prefix("event: ").unwrap()), data.strip_prefix("data: ").unwrap()),
            None => (None, text.strip_prefix("data: ").unwrap()),
        };
        self.body.strip_suffix("\n\n").unwrap().split("\n\n").map(event).collect()
    }

    #[track_caller]
    fn is_refusal(&self, status: u16, param: Option<&str>, code: Option<&str>) {
        assert_eq!(self.status, status);
        assert_eq!(self.headers["content-type"], "application/json");
        let reply = self.json();
        let error = reply["error"].as_object().unwrap();
        assert_eq!(error.len(), 4);
        assert!(error["message"].is_string());
        assert_eq!(error["type"], "invalid_request_error");
        assert_eq!((error["param"].as_str(), error["code"].as_str()), (param, code));
    }
}

async fn send(address: SocketAddr, key: &str, method: &str, path: &str, body: impl Into<Bytes>) -> Reply {
    let stream = TcpStream::connect(address).await.unwrap();
    let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream)).await.unwrap();
    let connection = tokio::spawn(connection);
    let started = Instant::now();
    let request = Request::builder().method(method).uri(path).header("host", address.to_string());
    let request = request.header("authorization", format!("Bearer {key}")).body(Full::new(body.into())).unwrap();
    let (head, mut incoming) = sender.send_request(request).await.unwrap().into_parts();
    let (mut bytes, mut times) = (Vec::new(), Vec::new());
    while let Some(frame) = incoming.frame().await {
        bytes.extend_from_slice(frame.unwrap().data_ref().unwrap());
        times.push(started.elapsed());
    }
    drop(sender);
    connection.await.unwrap().unwrap();
    Reply { status: head.status, headers: head.headers, body: String::from_utf8(bytes).unwrap(), times }
}

async fn get(path: &str) -> Reply {
    send(sparekey_demo::start(KEY).await.unwrap(), KEY, "GET", path, "").await
}

async fn post(path: &str, body: impl Into<Bytes>) -> Reply {
    send(sparekey_demo::start(KEY).await.unwrap(), KEY, "POST", path, body).await
}

fn chat(more: &Value) -> String {
    let mut request =
        json!({"model": "gpt-5.4-mini", "messages": [{"role": "user", "content": "Is \"this\" on, Zoë?"}]});
    request.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    request.to_string()
}

#[tokio::test]
async fn other_keys_are_rejected() {
    let address = sparekey_demo::start(KEY).await.unwrap();
    assert!(address.ip().is_loopback());
    send(address, "sk-Tom-abcdefgh", "GET", "/v1/models", "").await.is_refusal(401, None, Some("invalid_api_key"));
    send(address, "", "POST", "/v1/nothing", "").await.is_refusal(401, None, Some("invalid_api_key"));
    assert_eq!(send(address, KEY, "GET", "/v1/models", "").await.status, 200);
}

#[tokio::test]
async fn model_list_and_single_models() {
    let list = get("/v1/models").await.json();
    assert_eq!(list["object"], "list");
    let id = list["data"][0]["id"].as_str().unwrap();
    assert_eq!(get(&format!("/v1/models/{id}")).await.json(), list["data"][0]);
    get("/v1/models/gpt-none").await.is_refusal(404, Some("model"), Some("model_not_found"));
}

#[tokio::test]
async fn openai_headers_on_every_response() {
    for reply in [get("/v1/models").await, get("/v1/none").await] {
        assert!(reply.headers["x-request-id"].to_str().unwrap().starts_with("req_"));
        assert!(reply.headers["openai-processing-ms"].to_str().unwrap().parse::<u32>().is_ok());
        assert!(reply.headers.contains_key("openai-version"));
    }
}

#[tokio::test]
async fn chat_completion() {
    let completion = post("/v1/chat/completions", chat(&json!({}))).await.json();
    assert_eq!(completion["object"], "chat.completion");
    assert_eq!(completion["model"], "gpt-5.4-mini");
    assert_eq!(completion["choices"][0]["finish_reason"], "stop");
    assert!(completion["choices"][0]["message"]["content"].as_str().unwrap().contains(QUOTE));
    assert_eq!(completion["usage"]["prompt_tokens"], 4);
}

#[tokio::test]
async fn chat_completion_stream() {
    let reply = post("/v1/chat/completions", chat(&json!({"stream": true}))).await;
    let events = reply.events();
    assert!(events.iter().all(|(name, _)| name.is_none()));
    assert_eq!(events.last().unwrap().1, "[DONE]");
    let chunks: Vec<Value> =
        events[..events.len() - 1].iter().map(|(_, data)| serde_json::from_str(data).unwrap()).collect();
    let text: String = chunks.iter().filter_map(|chunk| chunk["choices"][0]["delta"]["content"].as_str()).collect();
    assert!(text.contains(QUOTE));
    assert_eq!(chunks.last().unwrap()["choices"][0]["finish_reason"], "stop");
    assert!(chunks.iter().all(|chunk| chunk.get("usage").is_none()));

    let words = text.split(' ').count();
    assert_eq!(chunks.len(), words + 2);
    // A busy machine may read several words at once, but no word too early.
    assert!(reply.times.len() > words / 2);
    assert!(*reply.times.last().unwrap() > Duration::from_millis(40) * u32::try_from(words).unwrap());
}

#[tokio::test]
async fn usage_in_the_last_event_if_requested() {
    let request = json!({"stream": true, "stream_options": {"include_usage": true}});
    let reply = post("/v1/chat/completions", chat(&request)).await;
    let events = reply.events();
    let chunks: Vec<Value> =
        events[..events.len() - 1].iter().map(|(_, data)| serde_json::from_str(data).unwrap()).collect();
    let (last, before) = chunks.split_last().unwrap();
    assert_eq!(last["choices"], json!([]));
    assert_eq!(last["usage"]["prompt_tokens"], 4);
    assert!(before.iter().all(|chunk| chunk.get("usage") == Some(&Value::Null)));
}

#[tokio::test]
async fn response() {
    let request = json!({"model": "gpt-5.4-mini", "input": "Is \"this\" on, Zoë?"}).to_string();
    let response = post("/v1/responses", request).await.json();
    assert_eq!(response["status"], "completed");
    assert!(response["output"][0]["content"][0]["text"].as_str().unwrap().contains(QUOTE));
    assert_eq!(response["usage"]["input_tokens"], 4);
}

#[tokio::test]
async fn response_stream() {
    let input = json!([{"role": "user", "content": [{"type": "input_text", "text": "Is \"this\" on, Zoë?"}]}]);
    let request = json!({"model": "gpt-5.4-mini", "stream": true, "input": input}).to_string();
    let reply = post("/v1/responses", request).await;
    let mut names = Vec::new();
    let mut text = String::new();
    let mut last = Value::Null;
    for (number, (name, data)) in reply.events().into_iter().enumerate() {
        let event: Value = serde_json::from_str(data).unwrap();
        assert_eq!(event["type"].as_str(), name);
        assert_eq!(event["sequence_number"], number);
        text += event["delta"].as_str().unwrap_or_default();
        names.extend(name.map(str::to_owned));
        last = event;
    }
    names.dedup();
    assert_eq!(
        names,
        [
            "response.created",
            "response.in_progress",
            "response.output_item.added",
            "response.content_part.added",
            "response.output_text.delta",
            "response.output_text.done",
            "response.content_part.done",
            "response.output_item.done",
            "response.completed",
        ]
    );
    assert!(text.contains(QUOTE));
    assert_eq!(last["response"]["output"][0]["content"][0]["text"], text);
    assert!(reply.times.len() > text.split(' ').count() / 2);
}

#[tokio::test]
async fn invalid_requests_are_rejected() {
    let chat = "/v1/chat/completions";
    get("/v1/v1/models").await.is_refusal(404, None, None);
    get(chat).await.is_refusal(404, None, None);
    post("/v1/embeddings", "{}").await.is_refusal(404, None, None);
    post(chat, "{\"model\":").await.is_refusal(400, None, None);
    post(chat, "[]").await.is_refusal(400, None, None);
    post(chat, "{}").await.is_refusal(400, Some("model"), Some("missing_required_parameter"));
    post(chat, r#"{"model":"m"}"#).await.is_refusal(400, Some("messages"), Some("missing_required_parameter"));
    post("/v1/responses", r#"{"model":"m"}"#).await.is_refusal(400, Some("input"), Some("missing_required_parameter"));
}

#[tokio::test]
async fn body_limit_is_one_mebibyte() {
    let padded = |length: usize| {
        let body = r#"{"model":"m","input":"Hi"}"#;
        format!("{body}{}", " ".repeat(length - body.len()))
    };
    assert_eq!(post("/v1/responses", padded(1 << 20)).await.status, 200);
    post("/v1/responses", padded((1 << 20) + 1)).await.is_refusal(413, None, None);
    post("/v1/responses", padded(20 << 20)).await.is_refusal(413, None, None);
}
