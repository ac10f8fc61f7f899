//! The model's name in a path.

use crate::{error::BodyError, name};

/// Returns the name in `/models/{id}`, and in `/deployments/{name}/…` with or without `/openai`
/// ([Azure](https://learn.microsoft.com/azure/ai-foundry/openai/reference)). An id may span segments.
///
/// # Errors
///
/// [`BodyError::UrlModel`]: another path, an invalid escape, or no model's name.
pub(crate) fn model(path: &str) -> Result<Box<str>, BodyError> {
    let encoded = if let Some(id) = path.strip_prefix("/models/") {
        Some(id.strip_suffix('/').unwrap_or(id))
    } else {
        let path = path.strip_prefix("/openai").unwrap_or(path);
        path.strip_prefix("/deployments/").and_then(|rest| rest.split('/').next())
    };
    encoded.ok_or(BodyError::UrlModel).and_then(name::parse_url)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn models() {
        for (path, expected) in [
            ("/models/gpt-5", Some("gpt-5")),
            ("/models/gpt-5/", Some("gpt-5")),
            ("/models/org/model", Some("org/model")),
            ("/models/org%2Fmodel", Some("org/model")),
            ("/models/ft%3ax", Some("ft:x")),
            ("/deployments/mine/chat/completions", Some("mine")),
            ("/deployments/mine", Some("mine")),
            ("/openai/deployments/my%20own/embeddings", Some("my own")),
            ("/models/gpt-5//", None),
            ("/models//gpt-5", None),
            ("/models/", None),
            ("/models", None),
            ("/models/a%2", None),
            ("/models/a%252d", None),
            ("/models/a%00", None),
            ("/deployments//embeddings", None),
            ("/deployments/cheap;x/embeddings", None),
            ("/deployments/cheap%3Fx/embeddings", None),
            ("/openai/models/x", None),
            ("/openai/openai/deployments/x/embeddings", None),
            ("/Models/x", None),
            ("/chat/completions", None),
            ("", None),
        ] {
            assert_eq!(model(path).ok().as_deref(), expected, "{path}");
        }
    }
}
