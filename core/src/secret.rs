//! A value that is never printed.

use std::fmt;

use http::{HeaderName, HeaderValue};

/// A secret that is a valid header value. It has no `Display` and a redacted `Debug`.
#[derive(Clone)]
pub(crate) struct Secret(String);

impl Secret {
    /// Accepts visible ASCII only, a subset of header values
    /// ([RFC 9110 §5.5](https://www.rfc-editor.org/rfc/rfc9110#section-5.5)).
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let visible = !text.is_empty() && text.bytes().all(|b| b.is_ascii_graphic());
        visible.then(|| Self(text.to_owned()))
    }

    pub(crate) fn expose(&self) -> &str {
        &self.0
    }

    /// The value of the header in which it is sent to the upstream.
    pub(crate) fn upstream_value(&self, header: &HeaderName) -> Option<HeaderValue> {
        if *header == http::header::AUTHORIZATION { self.bearer() } else { sensitive(self.0.clone()) }
    }

    /// `Bearer {secret}` ([RFC 6750 §2.1](https://www.rfc-editor.org/rfc/rfc6750#section-2.1)), marked sensitive, so
    /// that HTTP/2 does not index it ([RFC 7541 §7.1.3](https://www.rfc-editor.org/rfc/rfc7541#section-7.1.3)).
    pub(crate) fn bearer(&self) -> Option<HeaderValue> {
        sensitive(format!("Bearer {}", self.0))
    }
}

fn sensitive(text: String) -> Option<HeaderValue> {
    let mut value = HeaderValue::try_from(text).ok()?;
    value.set_sensitive(true);
    Some(value)
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(…)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secrets_are_visible_ascii() {
        assert_eq!(Secret::parse("sk-!~").unwrap().expose(), "sk-!~");
        for text in ["", "sk a", "sk\ta", "sk\n", "sk-\u{7f}", "sk-é"] {
            assert!(Secret::parse(text).is_none(), "{text:?}");
        }
    }

    #[test]
    fn debug_output_is_hidden() {
        let secret = Secret::parse("sk-secret").unwrap();
        assert_eq!(format!("{secret:?}"), "Secret(…)");
        assert_eq!(format!("{:?}", secret.bearer().unwrap()), "Sensitive");
    }
}
