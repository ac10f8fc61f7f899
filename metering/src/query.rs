//! The parameter `model` of a query.

use crate::{error::BodyError, name, percent};

/// Returns the model that a query names.
///
/// # Errors
///
/// [`BodyError::QueryModel`]: the parameter stands twice, is spelled in another way, or the query has a `;`, at which some
/// readers split. [`BodyError::UrlModel`]: its value is no model's name.
pub(crate) fn model(query: &str) -> Result<Option<Box<str>>, BodyError> {
    let mut model = None;
    for pair in query.split('&') {
        let (key, value) = pair.split_once('=').unwrap_or((pair, ""));
        if !is_model(key) {
            continue;
        }
        if key != "model" || model.is_some() {
            return Err(BodyError::QueryModel);
        }
        // In a form, `+` is a space.
        model = Some(if value.contains('+') { return Err(BodyError::UrlModel) } else { name::parse_url(value)? });
    }
    let has_other_separator =
        query.split(';').skip(1).any(|pair| is_model(pair.split(['=', '&']).next().unwrap_or_default()));
    if has_other_separator { Err(BodyError::QueryModel) } else { Ok(model) }
}

/// Other names of a parameter that chooses the model
/// ([Azure](https://learn.microsoft.com/en-us/azure/ai-services/openai/how-to/realtime-audio-websockets)). They are refused.
const NAMES: [&[u8]; 4] = [b"model", b"deployment", b"deployment_id", b"engine"];

/// Whether a reader may take a key for `model`: with escapes, in another case, with spaces or other invisible characters, as
/// an array, or behind an escaped separator.
fn is_model(key: &str) -> bool {
    // Readers differ in invalid escapes.
    let Some(key) = percent::decode(key.as_bytes()) else { return true };
    let mut names = key.split(|byte| b"[.;&=\0".contains(byte));
    names.any(|name| {
        let visible = name.iter().filter(|byte| byte.is_ascii_graphic() && **byte != b'+');
        let visible: Vec<_> = visible.map(u8::to_ascii_lowercase).collect();
        NAMES.contains(&&*visible)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn models() {
        for (query, expected) in [
            ("", Ok(None)),
            ("a=b&models=c&xmodel=d", Ok(None)),
            ("model=gpt-realtime", Ok(Some("gpt-realtime"))),
            ("a=b&model=ft%3Ax&call_id=1", Ok(Some("ft:x"))),
            ("a=b;c&model=x", Ok(Some("x"))),
            ("model=", Err(BodyError::UrlModel)),
            ("model", Err(BodyError::UrlModel)),
            ("model=a+b", Err(BodyError::UrlModel)),
            ("model=a%2", Err(BodyError::UrlModel)),
            ("model=a%252d", Err(BodyError::UrlModel)),
            ("model=a%00", Err(BodyError::UrlModel)),
            ("model=a&model=a", Err(BodyError::QueryModel)),
            ("model=a&Model=b", Err(BodyError::QueryModel)),
            ("%6Dodel=a", Err(BodyError::QueryModel)),
            ("m%6fdel=a", Err(BodyError::QueryModel)),
            ("MODEL=a", Err(BodyError::QueryModel)),
            ("model[]=a", Err(BodyError::QueryModel)),
            ("model%5B0%5D=a", Err(BodyError::QueryModel)),
            ("+model=a", Err(BodyError::QueryModel)),
            ("model%20=a", Err(BodyError::QueryModel)),
            ("model%00=a", Err(BodyError::QueryModel)),
            ("model%a0=a", Err(BodyError::QueryModel)),
            ("mo%E2%80%8Bdel=a", Err(BodyError::QueryModel)),
            ("x%26model%3Db=a", Err(BodyError::QueryModel)),
            ("x%=a", Err(BodyError::QueryModel)),
            ("a=b;model=dear", Err(BodyError::QueryModel)),
            ("a;Model=dear", Err(BodyError::QueryModel)),
            ("a=b;model", Err(BodyError::QueryModel)),
            ("model=cheap;model=dear", Err(BodyError::UrlModel)),
            ("model=cheap;b=c", Err(BodyError::UrlModel)),
        ] {
            assert_eq!(model(query), expected.map(|model| model.map(Into::into)), "{query}");
        }
    }
}
