//! Reads the last message of a conversation and writes a sentence about it.

use serde_json::Value;

use crate::refusal::Refusal;

/// The longest quote of the user's message, in characters, so that a stream stays short.
const QUOTE_MAX: usize = 120;

/// A request for text.
pub(crate) struct Turn<'a> {
    pub(crate) model: &'a str,
    /// The output text.
    pub(crate) text: String,
    /// Words of the message; a word counts as a token.
    pub(crate) input_tokens: usize,
}

impl<'a> Turn<'a> {
    /// `messages` is the name of the field with the conversation.
    pub(crate) fn parse(request: &'a Value, messages: &'static str) -> Result<Self, Refusal> {
        let model = request["model"].as_str().ok_or_else(|| Refusal::missing("model"))?;
        let message = last_message(request.get(messages).ok_or_else(|| Refusal::missing(messages))?);
        Ok(Self { model, input_tokens: message.split_whitespace().count(), text: sentence(&message) })
    }
}

/// A conversation is a text, or a list of messages. The content of a message is a text, or a list of parts, some with
/// text.
fn last_message(messages: &Value) -> String {
    let by_user = |message: &&Value| message["role"] == "user";
    let content = match messages.as_array() {
        Some(list) => list.iter().rev().find(by_user).map_or(&Value::Null, |message| &message["content"]),
        None => messages,
    };
    match content.as_array() {
        Some(parts) => parts.iter().filter_map(|part| part["text"].as_str()).collect::<Vec<_>>().join(" "),
        None => content.as_str().unwrap_or_default().to_owned(),
    }
}

fn sentence(message: &str) -> String {
    let message = message.split_whitespace().collect::<Vec<_>>().join(" ");
    let quote = match message.char_indices().nth(QUOTE_MAX) {
        Some((end, _)) => format!(" You said: \"{}…\".", &message[..end]),
        None if message.is_empty() => String::new(),
        None => format!(" You said: \"{message}\"."),
    };
    format!("Hello from the demo inside Sparekey!{quote} Set OPENAI_API_KEY, and a model responds here.")
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[track_caller]
    fn reads(messages: &Value, expected: &str) {
        assert_eq!(last_message(messages), expected);
    }

    #[test]
    fn last_message_of_the_user() {
        reads(&json!("Hi"), "Hi");
        reads(&json!([{"role": "user", "content": "one"}, {"role": "user", "content": "two"}]), "two");
        reads(&json!([{"role": "user", "content": "Hi"}, {"role": "assistant", "content": "Yes?"}]), "Hi");
        reads(&json!([{"role": "user", "content": [{"type": "text", "text": "a"}, {"type": "image_url"}]}]), "a");
        reads(&json!([{"role": "system", "content": "Be kind"}]), "");
        reads(&json!(7), "");
    }

    #[test]
    fn sentence_is_one_short_line() {
        assert_eq!(
            sentence("Good\n morning"),
            "Hello from the demo inside Sparekey! You said: \"Good morning\". \
             Set OPENAI_API_KEY, and a model responds here."
        );
        assert!(!sentence(" ").contains("You said"));
        assert!(sentence(&"ü".repeat(120)).contains(&format!("\"{}\"", "ü".repeat(120))));
        assert!(sentence(&"ü".repeat(121)).contains(&format!("\"{}…\"", "ü".repeat(120))));
    }
}
