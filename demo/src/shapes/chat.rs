//! [Chat completions](https://platform.openai.com/docs/api-reference/chat).

use serde_json::{Value, json};

use super::Generation;

/// Returns a chat completion object.
#[must_use]
pub fn completion(generation: &Generation<'_>) -> Value {
    let mut completion = envelope(generation, "chat.completion");
    completion["choices"] = json!([{
        "index": 0,
        "message": {"role": "assistant", "content": generation.text, "refusal": null, "annotations": []},
        "logprobs": null,
        "finish_reason": "stop",
    }]);
    completion["usage"] = usage(generation);
    completion
}

/// Returns the server-sent events of a streamed chat completion: the role, one event per word, the end.
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
    let mut last = delta(json!({}), Some("stop"));
    if include_usage {
        last += &event(json!([]), usage(generation));
    }
    last += "data: [DONE]\n\n";
    let mut events = vec![delta(json!({"role": "assistant", "content": "", "refusal": null}), None)];
    events.extend(generation.words().map(|word| delta(json!({"content": word}), None)));
    events.push(last);
    events
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
        "prompt_tokens_details": {"cached_tokens": 0, "audio_tokens": 0},
        "completion_tokens_details": {
            "reasoning_tokens": 0,
            "audio_tokens": 0,
            "accepted_prediction_tokens": 0,
            "rejected_prediction_tokens": 0,
        },
    })
}
