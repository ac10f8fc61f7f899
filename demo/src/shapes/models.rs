//! [Models](https://platform.openai.com/docs/api-reference/models).

use serde_json::{Value, json};

/// A model object.
#[must_use]
pub fn model(id: &str) -> Value {
    json!({"id": id, "object": "model", "created": 1_767_225_600, "owned_by": "sparekey-demo"})
}

/// The list of these models.
#[must_use]
pub fn list(ids: &[&str]) -> Value {
    json!({"object": "list", "data": ids.iter().copied().map(model).collect::<Vec<_>>()})
}
