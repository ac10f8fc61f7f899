//! The objects of OpenAI's API, as its SDKs parse them.

use serde_json::{Value, json};

pub(super) const TEXT: [&str; 3] = ["Hello", " from", " upstream"];

pub(super) fn error(status: u16, message: &str, code: &str) -> Value {
    let kind = if status < 500 { "invalid_request_error" } else { "server_error" };
    json!({"error": {"message": message, "type": kind, "param": null, "code": code}})
}

pub(super) fn model(id: &str) -> Value {
    json!({"id": id, "object": "model", "created": 1, "owned_by": "openai"})
}

pub(super) fn models() -> Value {
    json!({"object": "list", "data": [model("gpt-one"), model("gpt-two")]})
}

pub(super) fn completion(model: &str) -> Value {
    json!({
        "id": "chatcmpl-1", "object": "chat.completion", "created": 1, "model": model,
        "choices": [{
            "index": 0, "logprobs": null, "finish_reason": "stop",
            "message": {"role": "assistant", "content": TEXT.concat(), "refusal": null},
        }],
        "usage": {"prompt_tokens": 1, "completion_tokens": 3, "total_tokens": 4},
    })
}

/// The events of a streamed chat completion: one per word, then the end.
pub(super) fn completion_events(model: &str) -> Vec<String> {
    let chunk = |delta: Value, finish: Value| {
        let choices = json!([{"index": 0, "delta": delta, "finish_reason": finish}]);
        let chunk = json!({
            "id": "chatcmpl-1", "object": "chat.completion.chunk", "created": 1, "model": model, "choices": choices,
        });
        format!("data: {chunk}\n\n")
    };
    let words = TEXT.iter().map(|word| chunk(json!({"role": "assistant", "content": word}), Value::Null));
    words.chain([chunk(json!({}), json!("stop")) + "data: [DONE]\n\n"]).collect()
}

pub(super) fn response(model: &str, status: &str) -> Value {
    let output = if status == "completed" { json!([message(status, &TEXT.concat())]) } else { json!([]) };
    json!({
        "id": "resp_1", "object": "response", "created_at": 1, "status": status, "error": null,
        "incomplete_details": null, "instructions": null, "max_output_tokens": null, "metadata": {}, "model": model,
        "output": output, "parallel_tool_calls": true, "previous_response_id": null, "temperature": 1.0,
        "text": {"format": {"type": "text"}}, "tool_choice": "auto", "tools": [], "top_p": 1.0,
        "truncation": "disabled", "user": null,
        "usage": {
            "input_tokens": 1, "input_tokens_details": {"cached_tokens": 0, "cache_write_tokens": 0},
            "output_tokens": 3, "output_tokens_details": {"reasoning_tokens": 0}, "total_tokens": 4,
        },
    })
}

/// The events of a streamed response: the first includes the opening events, then one per word, then the end.
pub(super) fn response_events(model: &str) -> Vec<String> {
    let mut number = 0;
    let mut event = |kind: &str, mut data: Value| {
        data["type"] = kind.into();
        data["sequence_number"] = number.into();
        number += 1;
        format!("event: {kind}\ndata: {data}\n\n")
    };
    let at = |name: &str, value: Value| {
        let mut data = json!({"item_id": "msg_1", "output_index": 0, "content_index": 0, "logprobs": []});
        data[name] = value;
        data
    };
    let mut events = vec![
        event("response.created", json!({"response": response(model, "in_progress")}))
            + &event("response.output_item.added", json!({"output_index": 0, "item": message("in_progress", "")}))
            + &event("response.content_part.added", at("part", part(""))),
    ];
    events.extend(TEXT.iter().map(|word| event("response.output_text.delta", at("delta", (*word).into()))));
    let head = events.remove(0);
    events[0] = head + &events[0];
    let text = TEXT.concat();
    events.push(
        event("response.output_text.done", at("text", text.clone().into()))
            + &event("response.content_part.done", at("part", part(&text)))
            + &event("response.output_item.done", json!({"output_index": 0, "item": message("completed", &text)}))
            + &event("response.completed", json!({"response": response(model, "completed")})),
    );
    events
}

fn message(status: &str, text: &str) -> Value {
    let content = if status == "completed" { json!([part(text)]) } else { json!([]) };
    json!({"id": "msg_1", "type": "message", "role": "assistant", "status": status, "content": content})
}

fn part(text: &str) -> Value {
    json!({"type": "output_text", "text": text, "annotations": [], "logprobs": []})
}

pub(super) fn file(id: &str, name: &str, size: usize) -> Value {
    json!({
        "id": id, "object": "file", "bytes": size, "created_at": 1, "filename": name, "purpose": "assistants",
        "status": "processed",
    })
}
