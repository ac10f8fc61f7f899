//! The body of a response that the gate itself makes.

use bytes::Bytes;

/// A body that an adapter sends in one piece or in parts.
#[derive(Debug)]
pub struct ReplyBody(Content);

#[derive(Debug)]
enum Content {
    Whole(Bytes),
    /// Text that all responses share, with the base URL in place of [`BASE_URL`].
    Template(&'static str, String),
}

/// The placeholder in templates.
pub(crate) const BASE_URL: &str = "{base_url}";

impl ReplyBody {
    pub(crate) fn with_base_url(template: &'static str, base_url: String) -> Self {
        Self(Content::Template(template, base_url))
    }

    /// Returns the body in one piece.
    #[must_use]
    pub fn into_bytes(self) -> Bytes {
        match self.0 {
            Content::Whole(body) => body,
            Content::Template(template, base_url) => template.replace(BASE_URL, &base_url).into(),
        }
    }

    /// Returns the body in parts, none of which is empty. Text that all responses share is not copied: a client without a
    /// key may leave many responses unread.
    #[must_use]
    pub fn into_parts(self) -> Vec<Bytes> {
        let mut parts = match self.0 {
            Content::Whole(body) => vec![body],
            Content::Template(template, base_url) => {
                let base_url = Bytes::from(base_url);
                let parts = template.split(BASE_URL).map(|part| Bytes::from_static(part.as_bytes()));
                parts.flat_map(|part| [base_url.clone(), part]).skip(1).collect()
            }
        };
        parts.retain(|part| !part.is_empty());
        parts
    }
}

impl From<Bytes> for ReplyBody {
    fn from(body: Bytes) -> Self {
        Self(Content::Whole(body))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_make_the_whole() {
        for (template, expected) in
            [("a{base_url}b{base_url}", "axybxy"), ("{base_url}", "xy"), ("{base_url}{base_url}", "xyxy"), ("a", "a")]
        {
            let body = || ReplyBody::with_base_url(template, "xy".to_owned());
            assert_eq!(body().into_bytes(), expected);
            assert_eq!(body().into_parts().concat(), expected.as_bytes());
            assert!(body().into_parts().iter().all(|part| !part.is_empty()));
        }
        assert_eq!(ReplyBody::from(Bytes::from("z")).into_parts(), ["z"]);
        assert!(ReplyBody::from(Bytes::new()).into_parts().is_empty());
    }
}
