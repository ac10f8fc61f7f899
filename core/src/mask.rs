//! Removes keys from texts of the upstream, for the owner's log.

use crate::access_key::AccessKey;

/// What stands for a key.
const MASK: &str = "…";

/// Characters of a masked text.
const MASKED_MAX: usize = 400;

/// Replaces each of `secrets`, and everything after `sk-` that may be a key or a part of one. The result is one short line.
pub(crate) fn mask<'a>(text: &str, secrets: impl Iterator<Item = &'a str>) -> String {
    let text = secrets.fold(text.to_owned(), |text, secret| text.replace(secret, MASK));
    let mut parts = text.split(AccessKey::PREFIX);
    let mut masked = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        masked.push_str(AccessKey::PREFIX);
        masked.push_str(MASK);
        masked.push_str(part.trim_start_matches(is_key_character));
    }
    masked.chars().take(MASKED_MAX).map(|c| if c.is_control() { ' ' } else { c }).collect()
}

/// OpenAI shows `sk-proj-********2LmC`.
fn is_key_character(character: char) -> bool {
    character.is_ascii_alphanumeric() || "_-*.…".contains(character)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_masked() {
        for (text, masked) in [
            ("Missing scopes: api.files.write.", "Missing scopes: api.files.write."),
            ("Incorrect API key provided: sk-proj-********2LmC. You", "Incorrect API key provided: sk-… You"),
            ("sk-a,sk-b", "sk-…,sk-…"),
            ("a\nb", "a b"),
            ("key 0123456789abcdef!", "key …!"),
        ] {
            assert_eq!(mask(text, ["0123456789abcdef"].into_iter()), masked);
        }
    }
}
