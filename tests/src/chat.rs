//! Chat completions with usage, as OpenAI sends them, and their requests.

use serde_json::{Value, json};
use sparekey_policy::Usd;

use crate::wire;

/// An amount in an answer of the proxy.
pub(crate) fn amount(value: &Value) -> Usd {
    value.as_str().and_then(Usd::parse).unwrap_or_else(|| panic!("no amount: {value}"))
}

/// An amount.
pub(crate) fn usd(text: &str) -> Usd {
    Usd::parse(text).expect("an amount")
}

/// A request with a JSON body.
pub(crate) fn post(path: &str, body: &Value) -> String {
    let body = body.to_string();
    let fields = format!("content-type: application/json\r\ncontent-length: {}\r\n", body.len());
    wire::request("POST", path, &fields) + &body
}

/// The body of a request.
pub(crate) fn body(model: &str, output: u32, stream: bool) -> Value {
    let messages = json!([{"role": "user", "content": "Hello"}]);
    json!({"model": model, "max_completion_tokens": output, "stream": stream, "messages": messages})
}

/// A response with a JSON body.
pub(crate) fn response(status: &str, body: &str) -> Vec<u8> {
    let length = body.len();
    format!("HTTP/1.1 {status}\r\ncontent-type: application/json\r\ncontent-length: {length}\r\n\r\n{body}")
        .into_bytes()
}

/// A chat completion with this usage.
pub(crate) fn completion(model: &str, text: &str, input: i64, output: i64) -> Vec<u8> {
    let usage = usage(input, output);
    let choices = json!([{"index": 0, "message": {"role": "assistant", "content": text}, "finish_reason": "stop"}]);
    let body =
        json!({"id": "chatcmpl-1", "object": "chat.completion", "model": model, "choices": choices, "usage": usage});
    response("200 OK", &body.to_string())
}

/// An event of a stream.
pub(crate) fn event(data: &Value) -> String {
    format!("data: {data}\n\n")
}

/// An event of a streamed chat completion, as OpenAI sends it with `include_usage`.
pub(crate) fn chunk(model: &str, text: &str) -> String {
    let choices = json!([{"index": 0, "delta": {"content": text}, "finish_reason": null}]);
    event(
        &json!({"id": "chatcmpl-1", "object": "chat.completion.chunk", "model": model, "choices": choices, "usage": null}),
    )
}

/// The last events of a streamed chat completion.
pub(crate) fn last_chunks(model: &str, input: i64, output: i64) -> String {
    let usage = usage(input, output);
    let last =
        json!({"id": "chatcmpl-1", "object": "chat.completion.chunk", "model": model, "choices": [], "usage": usage});
    event(&last) + "data: [DONE]\n\n"
}

fn usage(input: i64, output: i64) -> Value {
    json!({"prompt_tokens": input, "completion_tokens": output, "total_tokens": input + output})
}
