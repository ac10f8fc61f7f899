//! The stand-in's objects. The same request gets the same content and usage.

use base64ct::{Base64, Encoding as _};
use serde_json::{Map, Value, json};
use sparekey_demo::shapes::{self, Generation, chat, models, responses};

pub(super) use shapes::models::model;

const TEXT: &str = "Hello from upstream";

/// A model, and the version that responds for it.
const SNAPSHOT: (&str, &str) = ("gpt-5.4-mini", "gpt-5.4-mini-2026-03-17");

/// Bytes of the input per token.
pub(super) const BYTES_PER_TOKEN: usize = 4;

/// Hidden output tokens of a request that asks for reasoning.
const REASONING_TOKENS: usize = 64;

/// Calls the first function whose result the input does not have, else generates a text in the requested form. Half of the
/// input is cached if there is a `prompt_cache_key`, and a web search that is offered is used once.
fn generate<T>(request: &Value, shape: impl FnOnce(&Generation<'_>) -> T) -> T {
    let input = if request["input"].is_null() { &request["messages"] } else { &request["input"] };
    let function = function(request).filter(|_| !has_result(input));
    let text = match (function, schema(request)) {
        (Some((_, schema)), _) | (None, Some(schema)) => filled(schema),
        (None, None) => TEXT.to_owned(),
    };
    let input_tokens = input.to_string().len().div_ceil(BYTES_PER_TOKEN);
    let has_reasoning = request["reasoning"].is_object() || request["reasoning_effort"].is_string();
    let searches = tools(request).any(|tool| tool["type"].as_str().is_some_and(|name| name.starts_with("web_search")));
    let model = request["model"].as_str().unwrap_or_default();
    shape(&Generation {
        id: "1",
        created: 1,
        model: if model == SNAPSHOT.0 { SNAPSHOT.1 } else { model },
        text: &text,
        function: function.map(|(name, _)| name),
        input_tokens,
        cached_tokens: if request["prompt_cache_key"].is_string() { input_tokens / 2 } else { 0 },
        reasoning_tokens: if has_reasoning { REASONING_TOKENS } else { 0 },
        web_searches: searches.into(),
    })
}

fn tools(request: &Value) -> impl Iterator<Item = &Value> {
    request["tools"].as_array().into_iter().flatten()
}

/// The name and the schema of the first function, in the form of chat completions or of responses.
fn function(request: &Value) -> Option<(&str, &Value)> {
    let tool = tools(request).find(|tool| tool["type"] == "function")?;
    let function = if tool["function"].is_object() { &tool["function"] } else { tool };
    Some((function["name"].as_str()?, &function["parameters"]))
}

fn has_result(input: &Value) -> bool {
    let is_result = |item: &Value| item["role"] == "tool" || item["type"] == "function_call_output";
    input.as_array().is_some_and(|items| items.iter().any(is_result))
}

/// The schema that the text must match.
fn schema(request: &Value) -> Option<&Value> {
    let formats = [&request["response_format"]["json_schema"], &request["text"]["format"]];
    formats.into_iter().map(|format| &format["schema"]).find(|schema| schema.is_object())
}

/// An object with a text in each property.
fn filled(schema: &Value) -> String {
    let properties = schema["properties"].as_object().into_iter().flatten();
    let members: Map<String, Value> = properties.map(|(name, _)| (name.clone(), TEXT.into())).collect();
    Value::from(members).to_string()
}

pub(super) fn error(status: u16, message: &str, code: &str) -> Value {
    shapes::error(status, message, None, Some(code))
}

pub(super) fn models() -> Value {
    models::list(&["gpt-one", "gpt-two"])
}

pub(super) fn completion(request: &Value) -> Value {
    generate(request, chat::completion)
}

pub(super) fn completion_events(request: &Value) -> Vec<String> {
    let include_usage = request["stream_options"]["include_usage"] == true;
    generate(request, |generation| with_first_word(chat::events(generation, include_usage)))
}

pub(super) fn response(request: &Value) -> Value {
    generate(request, responses::completed)
}

pub(super) fn response_events(request: &Value) -> Vec<String> {
    generate(request, |generation| with_first_word(responses::events(generation)))
}

/// Joins the opening events and the first word, so that a test can wait between the first word and the second.
fn with_first_word(mut events: Vec<String>) -> Vec<String> {
    let opening = events.remove(0);
    events[0].insert_str(0, &opening);
    events
}

pub(super) fn embeddings(request: &Value) -> Value {
    let vector = [0.5_f32, -0.25];
    let embedding = match request["encoding_format"].as_str() {
        Some("base64") => Base64::encode_string(&vector.map(f32::to_le_bytes).concat()).into(),
        _ => json!(vector),
    };
    let inputs = request["input"].as_array().map_or(1, Vec::len);
    let item = |index: usize| json!({"object": "embedding", "index": index, "embedding": embedding});
    let tokens = request["input"].to_string().len().div_ceil(BYTES_PER_TOKEN);
    json!({
        "object": "list", "model": request["model"], "data": (0..inputs).map(item).collect::<Vec<_>>(),
        "usage": {"prompt_tokens": tokens, "total_tokens": tokens},
    })
}

pub(super) fn file(id: &str, name: &str, size: usize) -> Value {
    json!({
        "id": id, "object": "file", "bytes": size, "created_at": 1, "filename": name, "purpose": "assistants",
        "status": "processed",
    })
}
