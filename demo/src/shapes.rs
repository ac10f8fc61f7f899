//! The objects of OpenAI's API, in the shapes that its SDKs parse.

pub mod chat;
pub mod models;
pub mod responses;

use serde_json::{Value, json};

/// A model's output, for any of the shapes.
#[derive(Clone, Debug, Default)]
pub struct Generation<'a> {
    /// The unique part of the object ids.
    pub id: &'a str,
    /// Seconds since 1970-01-01 UTC.
    pub created: u64,
    /// The model's name.
    pub model: &'a str,
    /// The output text, or the arguments of the function.
    pub text: &'a str,
    /// The function that is called in place of a message.
    pub function: Option<&'a str>,
    /// Tokens of the prompt, cached ones included.
    pub input_tokens: usize,
    /// Tokens of the prompt that were in the cache.
    pub cached_tokens: usize,
    /// Tokens of the output that are hidden.
    pub reasoning_tokens: usize,
    /// Billed searches of the web.
    pub web_searches: usize,
}

impl<'a> Generation<'a> {
    /// Returns the pieces in which the text is streamed: its words, each with the space before it, as models emit
    /// tokens. A word counts as a token.
    pub fn words(&self) -> impl Iterator<Item = &'a str> + use<'a> {
        let mut rest = self.text;
        std::iter::from_fn(move || {
            let space = rest.char_indices().skip(1).find(|&(_, c)| c == ' ');
            let (word, after) = rest.split_at(space.map_or(rest.len(), |(at, _)| at));
            rest = after;
            Some(word).filter(|word| !word.is_empty())
        })
    }

    /// Returns the tokens of the output, hidden ones included.
    #[must_use]
    pub fn output_tokens(&self) -> usize {
        self.words().count() + self.reasoning_tokens
    }
}

/// Returns the [error envelope](https://platform.openai.com/docs/guides/error-codes). The type follows from the status.
#[must_use]
pub fn error(status: u16, message: &str, param: Option<&str>, code: Option<&str>) -> Value {
    let error_type = if status < 500 { "invalid_request_error" } else { "server_error" };
    json!({"error": {"message": message, "type": error_type, "param": param, "code": code}})
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_join_to_the_text() {
        let generation = Generation { text: "Hello there", reasoning_tokens: 5, ..Generation::default() };
        assert_eq!(generation.words().collect::<Vec<_>>(), ["Hello", " there"]);
        assert_eq!(generation.output_tokens(), 7);
    }
}
