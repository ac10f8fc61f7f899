//! [Models](https://platform.openai.com/docs/api-reference/models).

use serde_json::{Value, json};

/// When the models were created, in seconds since 1970-01-01 UTC: 2026-01-01, as clients show a date.
const CREATED: u64 = 1_767_225_600;

/// Returns a model object.
#[must_use]
pub fn model(id: &str) -> Value {
    json!({"id": id, "object": "model", "created": CREATED, "owned_by": "sparekey-demo"})
}

/// Returns the list of these models.
#[must_use]
pub fn list(ids: &[&str]) -> Value {
    json!({"object": "list", "data": ids.iter().copied().map(model).collect::<Vec<_>>()})
}
