//! [Responses](https://platform.openai.com/docs/api-reference/responses).

use serde_json::{Value, json};

use super::Generation;

/// Returns a completed response object.
#[must_use]
pub fn completed(generation: &Generation<'_>) -> Value {
    let mut response = response(generation, "completed");
    response["completed_at"] = generation.created.into();
    response["output"] = json!([item(generation, "completed", json!([part(generation.text)]))]);
    response["usage"] = json!({
        "input_tokens": generation.input_tokens,
        "input_tokens_details": {"cached_tokens": 0, "cache_write_tokens": 0},
        "output_tokens": generation.output_tokens(),
        "output_tokens_details": {"reasoning_tokens": 0},
        "total_tokens": generation.input_tokens + generation.output_tokens(),
    });
    response
}

/// Returns the server-sent events of a streamed response: those before the text in one piece, one event per word, those
/// after the text in one piece.
#[must_use]
pub fn events(generation: &Generation<'_>) -> Vec<String> {
    let mut sequence_number = 0;
    let mut event = |kind: &str, mut data: Value| {
        data["type"] = kind.into();
        data["sequence_number"] = sequence_number.into();
        sequence_number += 1;
        format!("event: {kind}\ndata: {data}\n\n")
    };
    let item_id = item_id(generation);
    let of_part = |name: &str, value: Value| {
        let mut data = json!({"item_id": item_id, "output_index": 0, "content_index": 0});
        data[name] = value;
        data
    };
    let of_text = |name: &str, text: &str| {
        let mut data = of_part(name, text.into());
        data["logprobs"] = json!([]);
        data
    };
    let added = item(generation, "in_progress", json!([]));
    let done = item(generation, "completed", json!([part(generation.text)]));

    let mut events = vec![
        [
            event("response.created", json!({"response": response(generation, "in_progress")})),
            event("response.in_progress", json!({"response": response(generation, "in_progress")})),
            event("response.output_item.added", json!({"output_index": 0, "item": added})),
            event("response.content_part.added", of_part("part", part(""))),
        ]
        .concat(),
    ];
    events.extend(generation.words().map(|word| event("response.output_text.delta", of_text("delta", word))));
    events.push(
        [
            event("response.output_text.done", of_text("text", generation.text)),
            event("response.content_part.done", of_part("part", part(generation.text))),
            event("response.output_item.done", json!({"output_index": 0, "item": done})),
            event("response.completed", json!({"response": completed(generation)})),
        ]
        .concat(),
    );
    events
}

fn response(generation: &Generation<'_>, status: &str) -> Value {
    json!({
        "id": format!("resp_{}", generation.id),
        "object": "response",
        "created_at": generation.created,
        "completed_at": null,
        "status": status,
        "background": false,
        "error": null,
        "incomplete_details": null,
        "instructions": null,
        "max_output_tokens": null,
        "metadata": {},
        "model": generation.model,
        "output": [],
        "parallel_tool_calls": true,
        "previous_response_id": null,
        "reasoning": {"effort": null, "summary": null},
        "service_tier": "default",
        "store": false,
        "temperature": 1.0,
        "text": {"format": {"type": "text"}},
        "tool_choice": "auto",
        "tools": [],
        "top_p": 1.0,
        "truncation": "disabled",
        "usage": null,
        "user": null,
    })
}

fn item_id(generation: &Generation<'_>) -> String {
    format!("msg_{}", generation.id)
}

fn item(generation: &Generation<'_>, status: &str, content: Value) -> Value {
    let mut item = json!({"id": item_id(generation), "type": "message", "role": "assistant", "status": status});
    item["content"] = content;
    item
}

fn part(text: &str) -> Value {
    json!({"type": "output_text", "text": text, "annotations": [], "logprobs": []})
}
