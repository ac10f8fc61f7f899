//! The stand-in's objects, with fixed content.

use serde_json::{Value, json};
use sparekey_demo::shapes::{self, Generation, chat, models, responses};

pub(super) use shapes::models::model;

fn generation(model: &str) -> Generation<'_> {
    Generation { id: "1", created: 1, model, text: "Hello from upstream", input_tokens: 1 }
}

pub(super) fn error(status: u16, message: &str, code: &str) -> Value {
    shapes::error(status, message, None, Some(code))
}

pub(super) fn models() -> Value {
    models::list(&["gpt-one", "gpt-two"])
}

pub(super) fn completion(model: &str) -> Value {
    chat::completion(&generation(model))
}

pub(super) fn completion_events(model: &str) -> Vec<String> {
    with_first_word(chat::events(&generation(model), false))
}

pub(super) fn response(model: &str) -> Value {
    responses::completed(&generation(model))
}

pub(super) fn response_events(model: &str) -> Vec<String> {
    with_first_word(responses::events(&generation(model)))
}

/// Joins the opening events and the first word, so that a test can wait between the first word and the second.
fn with_first_word(mut events: Vec<String>) -> Vec<String> {
    let opening = events.remove(0);
    events[0].insert_str(0, &opening);
    events
}

pub(super) fn file(id: &str, name: &str, size: usize) -> Value {
    json!({
        "id": id, "object": "file", "bytes": size, "created_at": 1, "filename": name, "purpose": "assistants",
        "status": "processed",
    })
}
