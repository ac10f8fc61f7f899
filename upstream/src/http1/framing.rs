//! What the headers of a response say about its connection and its end
//! ([RFC 9112 §6, §9.3](https://www.rfc-editor.org/rfc/rfc9112#section-6)).

use http::{
    HeaderMap, HeaderName, HeaderValue, Version,
    header::{CONNECTION, CONTENT_LENGTH, TRANSFER_ENCODING},
};

use super::{head_error::HeadError, lines::trim};

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
        let mut codings = items(headers, TRANSFER_ENCODING);
        let coding = match (codings.next(), codings.next()) {
            (None, _) => Coding::None,
            (Some(coding), None) if coding.eq_ignore_ascii_case(b"chunked") => Coding::Chunked,
            _ => Coding::Other,
        };
        let closes = items(headers, CONNECTION).any(|item| item.eq_ignore_ascii_case(b"close"));
        Self { closes, coding }
    }

    /// Whether it is computed from this header.
    pub(super) fn depends_on(name: &HeaderName) -> bool {
        [CONNECTION, TRANSFER_ENCODING].contains(name)
    }

    /// The headers of the connection that `Connection` lists.
    pub(super) fn listed(headers: &HeaderMap) -> impl Iterator<Item = HeaderName> {
        let names = items(headers, CONNECTION).filter_map(|item| HeaderName::from_bytes(item).ok());
        names.filter(|name| headers.contains_key(name))
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
    for item in items(headers, CONTENT_LENGTH) {
        let digits = str::from_utf8(item).ok().filter(|text| text.bytes().all(|byte| byte.is_ascii_digit()));
        let this = digits.and_then(|digits| digits.parse().ok()).ok_or(HeadError::Framing)?;
        if *length.get_or_insert(this) != this {
            return Err(HeadError::Framing);
        }
    }
    Ok(length)
}

/// The items of a list header ([RFC 9110 §5.6.1](https://www.rfc-editor.org/rfc/rfc9110#section-5.6.1)).
fn items(headers: &HeaderMap, name: HeaderName) -> impl Iterator<Item = &[u8]> {
    let values = headers.get_all(name).into_iter().map(HeaderValue::as_bytes);
    values.flat_map(|value| value.split(|byte| *byte == b',').map(trim))
}
