//! What the headers of a response say about its connection and its end
//! ([RFC 9112 §6, §9.3](https://www.rfc-editor.org/rfc/rfc9112#section-6)).

use http::{
    HeaderMap, HeaderName, Version,
    header::{CONNECTION, CONTENT_LENGTH, TRANSFER_ENCODING},
};

use super::head_error::HeadError;

/// What `Connection` and `Transfer-Encoding` say.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Framing {
    /// Whether the upstream closes the connection after the response.
    pub(super) closes: bool,
    coding: Coding,
}

#[derive(Clone, Copy, Debug, Default)]
enum Coding {
    #[default]
    None,
    Chunked,
    /// Other codings are invalid: the request has no `TE`
    /// ([RFC 9112 §7](https://www.rfc-editor.org/rfc/rfc9112#section-7)).
    Other,
}

impl Framing {
    pub(super) fn of(headers: &HeaderMap) -> Self {
        let mut codings = tokens(headers, TRANSFER_ENCODING);
        let coding = match (codings.next(), codings.next()) {
            (None, _) => Coding::None,
            (Some(coding), None) if coding.eq_ignore_ascii_case("chunked") => Coding::Chunked,
            _ => Coding::Other,
        };
        let closes = tokens(headers, CONNECTION).any(|token| token.eq_ignore_ascii_case("close"));
        Self { closes, coding }
    }

    /// Whether it may be another one if this header has another value.
    pub(super) fn depends_on(name: &HeaderName) -> bool {
        [CONNECTION, TRANSFER_ENCODING].contains(name)
    }

    /// The headers of the connection that `Connection` lists.
    pub(super) fn listed(headers: &HeaderMap) -> impl Iterator<Item = HeaderName> {
        tokens(headers, CONNECTION).filter_map(|token| HeaderName::from_bytes(token.as_bytes()).ok())
    }

    /// Whether the body is chunked.
    pub(super) fn is_chunked(self, version: Version) -> Result<bool, HeadError> {
        match self.coding {
            Coding::None => Ok(false),
            Coding::Chunked if version == Version::HTTP_11 => Ok(true),
            Coding::Chunked | Coding::Other => Err(HeadError::Framing),
        }
    }
}

/// Repeated lengths must be equal ([RFC 9110 §8.6](https://www.rfc-editor.org/rfc/rfc9110#section-8.6)).
pub(crate) fn content_length(headers: &HeaderMap) -> Result<Option<u64>, HeadError> {
    let mut length = None;
    for text in tokens(headers, CONTENT_LENGTH) {
        let digits = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
        let this = text.parse().ok().filter(|_| digits).ok_or(HeadError::Framing)?;
        if *length.get_or_insert(this) != this {
            return Err(HeadError::Framing);
        }
    }
    Ok(length)
}

/// The items of a list header. A value that is not ASCII is one item that matches nothing.
fn tokens(headers: &HeaderMap, name: HeaderName) -> impl Iterator<Item = &str> {
    let values = headers.get_all(name).into_iter().map(|value| value.to_str().unwrap_or("?"));
    values.flat_map(|value| value.split(',').map(|token| token.trim_matches([' ', '\t'])))
}
