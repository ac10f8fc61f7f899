//! One turn of a conversation: what was asked, and the sentence that answers it.

use std::time::{SystemTime, UNIX_EPOCH};

use serde_json::Value;

use super::refusal::Refusal;

/// The most characters of the user's message that are quoted, so that a stream stays short.
const QUOTED: usize = 120;

pub(super) struct Turn<'a> {
    /// Unique in this process; object ids are made of it.
    pub(super) id: &'a str,
    /// Seconds since 1970.
    pub(super) created: u64,
    pub(super) model: &'a str,
    pub(super) text: String,
    /// Words stand for tokens.
    pub(super) input_tokens: usize,
    pub(super) output_tokens: usize,
}

impl<'a> Turn<'a> {
    /// `messages` names the field that holds the conversation.
    pub(super) fn parse(id: &'a str, asked: &'a Value, messages: &'static str) -> Result<Self, Refusal> {
        let model = asked["model"].as_str().ok_or_else(|| Refusal::missing("model"))?;
        let said = last_said(asked.get(messages).ok_or_else(|| Refusal::missing(messages))?);
        let text = sentence(&said);
        Ok(Self {
            id,
            created: SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs()),
            model,
            input_tokens: said.split_whitespace().count(),
            output_tokens: words(&text).count(),
            text,
        })
    }

    /// The text's words, each with the space that follows it.
    pub(super) fn words(&self) -> impl Iterator<Item = &str> {
        words(&self.text)
    }
}

fn words(text: &str) -> impl Iterator<Item = &str> {
    text.split_inclusive(' ')
}

/// A conversation is a plain text, or a list of messages; a message's content is a plain text, or a list of parts
/// of which some hold text.
fn last_said(messages: &Value) -> String {
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

fn sentence(said: &str) -> String {
    let said = said.split_whitespace().collect::<Vec<_>>().join(" ");
    let quote = match said.char_indices().nth(QUOTED) {
        Some((end, _)) => format!(" You said: \"{}…\".", &said[..end]),
        None if said.is_empty() => String::new(),
        None => format!(" You said: \"{said}\"."),
    };
    format!("Hello from the demo inside Sparekey!{quote} Give Sparekey your OpenAI key, and a model will answer here.")
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[track_caller]
    fn said(messages: &Value, expected: &str) {
        assert_eq!(last_said(messages), expected);
    }

    #[test]
    fn the_user_s_last_message_is_quoted() {
        said(&json!("Hi"), "Hi");
        said(&json!([{"role": "user", "content": "one"}, {"role": "user", "content": "two"}]), "two");
        said(&json!([{"role": "user", "content": "Hi"}, {"role": "assistant", "content": "Yes?"}]), "Hi");
        said(&json!([{"role": "user", "content": [{"type": "text", "text": "a"}, {"type": "image_url"}]}]), "a");
        said(&json!([{"role": "system", "content": "Be kind"}]), "");
        said(&json!(7), "");
    }

    #[test]
    fn a_sentence_is_one_line_and_short() {
        assert_eq!(
            sentence("Good\n morning"),
            "Hello from the demo inside Sparekey! You said: \"Good morning\". \
             Give Sparekey your OpenAI key, and a model will answer here."
        );
        assert!(!sentence(" ").contains("You said"));
        assert!(sentence(&"ü".repeat(120)).contains(&format!("\"{}\"", "ü".repeat(120))));
        assert!(sentence(&"ü".repeat(121)).contains(&format!("\"{}…\"", "ü".repeat(120))));
    }

    #[test]
    fn words_join_to_the_text() {
        let asked = json!({"model": "m", "input": "Hello there"});
        let turn = Turn::parse("1", &asked, "input").unwrap();
        assert_eq!(turn.words().collect::<String>(), turn.text);
    }
}
