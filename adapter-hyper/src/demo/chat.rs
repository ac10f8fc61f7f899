//! Chat completions, as <https://platform.openai.com/docs/api-reference/chat> describes them.

use http::Response;
use serde_json::{Value, json};

use super::body::{self, Body};
use super::refusal::Refusal;
use super::turn::Turn;

pub(super) fn answer(id: &str, asked: &Value) -> Result<Response<Body>, Refusal> {
    let turn = Turn::parse(id, asked, "messages")?;
    Ok(if asked["stream"] == true {
        body::events(events(&turn, asked["stream_options"]["include_usage"] == true))
    } else {
        body::json(&whole(&turn))
    })
}

fn whole(turn: &Turn) -> Value {
    let mut completion = envelope(turn, "chat.completion");
    completion["choices"] = json!([{
        "index": 0,
        "message": {"role": "assistant", "content": turn.text, "refusal": null, "annotations": []},
        "logprobs": null,
        "finish_reason": "stop",
    }]);
    completion["usage"] = usage(turn);
    completion
}

fn events(turn: &Turn, include_usage: bool) -> Vec<String> {
    let event = |choices: Value, usage: Value| {
        let mut chunk = envelope(turn, "chat.completion.chunk");
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
        last += &event(json!([]), usage(turn));
    }
    last += "data: [DONE]\n\n";
    let mut frames = vec![delta(json!({"role": "assistant", "content": "", "refusal": null}), None)];
    frames.extend(turn.words().map(|word| delta(json!({"content": word}), None)));
    frames.push(last);
    frames
}

fn envelope(turn: &Turn, object: &str) -> Value {
    json!({
        "id": format!("chatcmpl-{}", turn.id),
        "object": object,
        "created": turn.created,
        "model": turn.model,
        "service_tier": "default",
        "system_fingerprint": null,
    })
}

fn usage(turn: &Turn) -> Value {
    json!({
        "prompt_tokens": turn.input_tokens,
        "completion_tokens": turn.output_tokens,
        "total_tokens": turn.input_tokens + turn.output_tokens,
        "prompt_tokens_details": {"cached_tokens": 0, "audio_tokens": 0},
        "completion_tokens_details": {
            "reasoning_tokens": 0,
            "audio_tokens": 0,
            "accepted_prediction_tokens": 0,
            "rejected_prediction_tokens": 0,
        },
    })
}
