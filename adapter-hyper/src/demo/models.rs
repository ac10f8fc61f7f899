//! The models that the stand-in lists. It answers under any name.

use serde_json::{Value, json};

use super::refusal::Refusal;

const MODELS: [&str; 3] = ["gpt-demo", "gpt-5-mini", "gpt-4o-mini"];

pub(super) fn list() -> Value {
    json!({"object": "list", "data": MODELS.map(model)})
}

pub(super) fn one(id: &str) -> Result<Value, Refusal> {
    if MODELS.contains(&id) { Ok(model(id)) } else { Err(Refusal::unknown_model(id)) }
}

fn model(id: &str) -> Value {
    json!({"id": id, "object": "model", "created": 1_767_225_600, "owned_by": "sparekey-demo"})
}
