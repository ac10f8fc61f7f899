//! Responses, as <https://platform.openai.com/docs/api-reference/responses> describes them.

use http::Response;
use serde_json::{Value, json};

use super::body::{self, Body};
use super::refusal::Refusal;
use super::turn::Turn;

pub(super) fn answer(id: &str, asked: &Value) -> Result<Response<Body>, Refusal> {
    let turn = Turn::parse(id, asked, "input")?;
    Ok(if asked["stream"] == true { body::events(events(&turn)) } else { body::json(&completed(&turn)) })
}

fn events(turn: &Turn) -> Vec<String> {
    let mut sequence_number = 0;
    let mut event = |kind: &str, mut data: Value| {
        data["type"] = kind.into();
        data["sequence_number"] = sequence_number.into();
        sequence_number += 1;
        format!("event: {kind}\ndata: {data}\n\n")
    };
    let item_id = item_id(turn);
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
    let begun = item(turn, "in_progress", json!([]));
    let done = item(turn, "completed", json!([part(&turn.text)]));

    let mut frames = vec![
        [
            event("response.created", json!({"response": response(turn, "in_progress")})),
            event("response.in_progress", json!({"response": response(turn, "in_progress")})),
            event("response.output_item.added", json!({"output_index": 0, "item": begun})),
            event("response.content_part.added", of_part("part", part(""))),
        ]
        .concat(),
    ];
    frames.extend(turn.words().map(|word| event("response.output_text.delta", of_text("delta", word))));
    frames.push(
        [
            event("response.output_text.done", of_text("text", &turn.text)),
            event("response.content_part.done", of_part("part", part(&turn.text))),
            event("response.output_item.done", json!({"output_index": 0, "item": done})),
            event("response.completed", json!({"response": completed(turn)})),
        ]
        .concat(),
    );
    frames
}

fn completed(turn: &Turn) -> Value {
    let mut response = response(turn, "completed");
    response["completed_at"] = turn.created.into();
    response["output"] = json!([item(turn, "completed", json!([part(&turn.text)]))]);
    response["usage"] = json!({
        "input_tokens": turn.input_tokens,
        "input_tokens_details": {"cached_tokens": 0, "cache_write_tokens": 0},
        "output_tokens": turn.output_tokens,
        "output_tokens_details": {"reasoning_tokens": 0},
        "total_tokens": turn.input_tokens + turn.output_tokens,
    });
    response
}

fn response(turn: &Turn, status: &str) -> Value {
    json!({
        "id": format!("resp_{}", turn.id),
        "object": "response",
        "created_at": turn.created,
        "completed_at": null,
        "status": status,
        "background": false,
        "error": null,
        "incomplete_details": null,
        "instructions": null,
        "max_output_tokens": null,
        "metadata": {},
        "model": turn.model,
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

fn item_id(turn: &Turn) -> String {
    format!("msg_{}", turn.id)
}

fn item(turn: &Turn, status: &str, content: Value) -> Value {
    let mut item = json!({"id": item_id(turn), "type": "message", "role": "assistant", "status": status});
    item["content"] = content;
    item
}

fn part(text: &str) -> Value {
    json!({"type": "output_text", "text": text, "annotations": [], "logprobs": []})
}
