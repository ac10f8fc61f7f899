//! A value that is never printed.

use std::fmt;

use http::HeaderValue;

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

    /// `Bearer {secret}` ([RFC 6750 §2.1](https://www.rfc-editor.org/rfc/rfc6750#section-2.1)), marked sensitive, so
    /// that HTTP/2 does not index it ([RFC 7541 §7.1.3](https://www.rfc-editor.org/rfc/rfc7541#section-7.1.3)).
    pub(crate) fn bearer(&self) -> Option<HeaderValue> {
        let mut value = HeaderValue::try_from(format!("Bearer {}", self.0)).ok()?;
        value.set_sensitive(true);
        Some(value)
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(…)")
    }
}
