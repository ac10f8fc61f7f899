//! [Chat completions](https://platform.openai.com/docs/api-reference/chat).

use serde_json::{Value, json};

use super::Generation;

/// Returns a chat completion object.
#[must_use]
pub fn completion(generation: &Generation<'_>) -> Value {
    let mut completion = envelope(generation, "chat.completion");
    let mut message = json!({"role": "assistant", "content": generation.text, "refusal": null, "annotations": []});
    if let Some(name) = generation.function {
        message["content"] = Value::Null;
        message["tool_calls"] = json!([call(generation, name, generation.text)]);
    }
    let finish_reason = finish_reason(generation);
    let choice = json!({"index": 0, "message": message, "logprobs": null, "finish_reason": finish_reason});
    completion["choices"] = json!([choice]);
    completion["usage"] = usage(generation);
    completion
}

/// Returns the server-sent events of a streamed chat completion: the role, with the function if one is
/// called; one event per word; the end.
#[must_use]
pub fn events(generation: &Generation<'_>, include_usage: bool) -> Vec<String> {
    let event = |choices: Value, usage: Value| {
        let mut chunk = envelope(generation, "chat.completion.chunk");
        chunk["choices"] = choices;
        if include_usage {
            chunk["usage"] = usage;
        }
        format!("data: {chunk}\n\n")
    };
    let delta = |delta: Value, finish_reason: Option<&str>| {
        let choice = json!({"index": 0, "delta": delta, "logprobs": null, "finish_reason": finish_reason});
        event(json!([choice]), Value::Null)
    };
    let mut last = delta(json!({}), Some(finish_reason(generation)));
    if include_usage {
        last += &event(json!([]), usage(generation));
    }
    last += "data: [DONE]\n\n";
    let mut first = json!({"role": "assistant", "content": "", "refusal": null});
    if let Some(name) = generation.function {
        let mut call = call(generation, name, "");
        call["index"] = 0.into();
        first["content"] = Value::Null;
        first["tool_calls"] = json!([call]);
    }
    let word = |word: &str| match generation.function {
        None => json!({"content": word}),
        Some(_) => json!({"tool_calls": [{"index": 0, "function": {"arguments": word}}]}),
    };
    let mut events = vec![delta(first, None)];
    events.extend(generation.words().map(|text| delta(word(text), None)));
    events.push(last);
    events
}

fn call(generation: &Generation<'_>, name: &str, arguments: &str) -> Value {
    let function = json!({"name": name, "arguments": arguments});
    json!({"id": format!("call_{}", generation.id), "type": "function", "function": function})
}

fn finish_reason(generation: &Generation<'_>) -> &'static str {
    if generation.function.is_some() { "tool_calls" } else { "stop" }
}

fn envelope(generation: &Generation<'_>, object: &str) -> Value {
    json!({
        "id": format!("chatcmpl-{}", generation.id),
        "object": object,
        "created": generation.created,
        "model": generation.model,
        "service_tier": "default",
        "system_fingerprint": null,
    })
}

fn usage(generation: &Generation<'_>) -> Value {
    json!({
        "prompt_tokens": generation.input_tokens,
        "completion_tokens": generation.output_tokens(),
        "total_tokens": generation.input_tokens + generation.output_tokens(),
        "prompt_tokens_details": {"cached_tokens": generation.cached_tokens, "audio_tokens": 0},
        "completion_tokens_details": {
            "reasoning_tokens": generation.reasoning_tokens,
            "audio_tokens": 0,
            "accepted_prediction_tokens": 0,
            "rejected_prediction_tokens": 0,
        },
    })
}
