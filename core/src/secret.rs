//! A value that is never shown.

use std::fmt;

use http::HeaderValue;

/// A secret that can stand in a header: no `Display`, a redacted `Debug`.
#[derive(Clone)]
pub(crate) struct Secret(String);

impl Secret {
    /// Takes visible ASCII only, so that it is a header value as it stands.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let visible = !text.is_empty() && text.bytes().all(|b| b.is_ascii_graphic());
        visible.then(|| Self(text.to_owned()))
    }

    pub(crate) fn expose(&self) -> &str {
        &self.0
    }

    /// `Bearer {secret}`, marked sensitive.
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
