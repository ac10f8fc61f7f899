//! Patterns of model names.

use std::fmt;

/// The longest pattern, in bytes. Names of fine-tuned models have about 80.
const LENGTH_MAX: usize = 256;

/// A model name in which each `*` stands for any characters, or none.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct ModelPattern(String);

impl ModelPattern {
    /// Parses a pattern: 1 to 256 visible ASCII characters, without spaces.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let is_valid = (1..=LENGTH_MAX).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_graphic());
        is_valid.then(|| Self(text.to_owned()))
    }

    /// Returns the pattern as it was written.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether the pattern matches every name.
    #[must_use]
    pub fn is_any(&self) -> bool {
        self.0.bytes().all(|byte| byte == b'*')
    }

    /// Whether the pattern matches a whole name. Case matters.
    #[must_use]
    pub fn matches(&self, name: &str) -> bool {
        let Some((start, rest)) = self.0.split_once('*') else { return self.0 == name };
        let Some(mut name) = name.strip_prefix(start) else { return false };
        let (middle, end) = rest.rsplit_once('*').unwrap_or(("", rest));
        for part in middle.split('*') {
            // The first place is the best one: it leaves most for the parts that follow.
            let Some((_, after)) = name.split_once(part) else { return false };
            name = after;
        }
        name.ends_with(end)
    }
}

impl fmt::Display for ModelPattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// The definition, character by character.
    fn matches(pattern: &[u8], name: &[u8]) -> bool {
        match (pattern, name) {
            ([], []) => true,
            ([b'*', rest @ ..], _) => matches(rest, name) || (!name.is_empty() && matches(pattern, &name[1..])),
            ([first, rest @ ..], [found, after @ ..]) => first == found && matches(rest, after),
            _ => false,
        }
    }

    #[test]
    fn names() {
        let pattern = ModelPattern::parse("gpt-5*").unwrap();
        assert!(pattern.matches("gpt-5") && pattern.matches("gpt-5-mini"));
        assert!(!pattern.matches("GPT-5") && !pattern.matches("my-gpt-5") && !pattern.matches(""));
        for text in ["", "a b", "é", &"a".repeat(257)] {
            assert_eq!(ModelPattern::parse(text), None, "{text:?}");
        }
    }

    proptest! {
        #[test]
        fn stars_stand_for_any_characters(pattern in "[ab*]{1,8}", name in "[ab]{0,10}") {
            let found = ModelPattern::parse(&pattern).unwrap().matches(&name);
            prop_assert_eq!(found, matches(pattern.as_bytes(), name.as_bytes()), "{} {}", pattern, name);
        }
    }
}
