//! [Responses](https://platform.openai.com/docs/api-reference/responses).

use serde_json::{Value, json};

use super::Generation;

/// Returns a completed response object.
#[must_use]
pub fn completed(generation: &Generation<'_>) -> Value {
    let mut response = response(generation, "completed");
    response["completed_at"] = generation.created.into();
    response["output"] = json!([done_item(generation)]);
    response["tool_usage"] = json!({
        "image_gen": {
            "input_tokens": 0,
            "input_tokens_details": {"image_tokens": 0, "text_tokens": 0},
            "output_tokens": 0,
            "output_tokens_details": {"image_tokens": 0, "text_tokens": 0},
            "total_tokens": 0,
        },
        "web_search": {"num_requests": generation.web_searches},
    });
    response["usage"] = json!({
        "input_tokens": generation.input_tokens,
        "input_tokens_details": {"cached_tokens": generation.cached_tokens, "cache_write_tokens": 0},
        "output_tokens": generation.output_tokens(),
        "output_tokens_details": {"reasoning_tokens": generation.reasoning_tokens},
        "total_tokens": generation.input_tokens + generation.output_tokens(),
    });
    response
}

/// Returns the server-sent events of a streamed response: those before the text or the arguments in one piece, one event per
/// word, those after it in one piece.
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
    let of_call = |name: &str, text: &str| {
        let mut data = json!({"item_id": item_id, "output_index": 0});
        data[name] = text.into();
        data
    };
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
    let is_call = generation.function.is_some();

    let mut first = [
        event("response.created", json!({"response": response(generation, "in_progress")})),
        event("response.in_progress", json!({"response": response(generation, "in_progress")})),
        event("response.output_item.added", json!({"output_index": 0, "item": added_item(generation)})),
    ]
    .concat();
    if !is_call {
        first += &event("response.content_part.added", of_part("part", part("")));
    }
    let mut events = vec![first];
    events.extend(generation.words().map(|word| {
        if is_call {
            event("response.function_call_arguments.delta", of_call("delta", word))
        } else {
            event("response.output_text.delta", of_text("delta", word))
        }
    }));
    let mut last = if is_call {
        event("response.function_call_arguments.done", of_call("arguments", generation.text))
    } else {
        event("response.output_text.done", of_text("text", generation.text))
            + &event("response.content_part.done", of_part("part", part(generation.text)))
    };
    last += &event("response.output_item.done", json!({"output_index": 0, "item": done_item(generation)}));
    last += &event("response.completed", json!({"response": completed(generation)}));
    events.push(last);
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
    let kind = if generation.function.is_some() { "fc" } else { "msg" };
    format!("{kind}_{}", generation.id)
}

fn added_item(generation: &Generation<'_>) -> Value {
    item(generation, "in_progress", "", json!([]))
}

fn done_item(generation: &Generation<'_>) -> Value {
    item(generation, "completed", generation.text, json!([part(generation.text)]))
}

/// A call with these arguments, or a message with this content.
fn item(generation: &Generation<'_>, status: &str, arguments: &str, content: Value) -> Value {
    let id = item_id(generation);
    if let Some(name) = generation.function {
        let call_id = format!("call_{}", generation.id);
        return json!({
            "id": id, "type": "function_call", "status": status, "call_id": call_id, "name": name, "arguments": arguments,
        });
    }
    let mut item = json!({"id": id, "type": "message", "role": "assistant", "status": status});
    item["content"] = content;
    item
}

fn part(text: &str) -> Value {
    json!({"type": "output_text", "text": text, "annotations": [], "logprobs": []})
}
