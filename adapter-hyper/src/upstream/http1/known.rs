//! What is known of an answer's headers from the head before.

use bytes::Bytes;
use http::{HeaderName, HeaderValue};
use memchr::memchr;

use super::head::HeadError;

/// The headers of the last head, line by line: an upstream names its headers alike every time, and says most of them
/// alike. What is known need not be made again.
#[derive(Debug, Default)]
pub struct Known(Vec<KnownLine>);

#[derive(Debug)]
struct KnownLine {
    line: Box<[u8]>,
    name: HeaderName,
    /// Where the name and its colon end.
    name_end: usize,
    /// `None` once it was another: it will be another again.
    value: Option<HeaderValue>,
}

impl Known {
    /// The header on a line of `bytes`, which a new value shares.
    pub(crate) fn read(
        &mut self,
        place: usize,
        line: &[u8],
        bytes: &Bytes,
    ) -> Result<(&HeaderName, HeaderValue), HeadError> {
        let is_named_alike = |known: &KnownLine| line.starts_with(&known.line[..known.name_end]);
        if !self.0.get(place).is_some_and(is_named_alike) {
            self.0.truncate(place);
            self.0.push(KnownLine::new(line)?);
        }
        let known = &mut self.0[place];
        let value = match &known.value {
            Some(value) if *known.line == *line => value.clone(),
            _ => {
                known.value = None;
                let text = bytes.slice_ref(trim(&line[known.name_end..]));
                HeaderValue::from_maybe_shared(text).map_err(|_| HeadError::Value)?
            }
        };
        Ok((&known.name, value))
    }
}

impl KnownLine {
    fn new(line: &[u8]) -> Result<Self, HeadError> {
        let colon = memchr(b':', line).ok_or(HeadError::Name)?;
        let name = HeaderName::from_bytes(&line[..colon]).map_err(|_| HeadError::Name)?;
        let value = HeaderValue::from_bytes(trim(&line[colon + 1..])).map_err(|_| HeadError::Value)?;
        Ok(Self { line: line.into(), name, name_end: colon + 1, value: Some(value) })
    }
}

/// Trims optional whitespace ([RFC 9110 §5.6.3](https://www.rfc-editor.org/rfc/rfc9110#section-5.6.3)).
fn trim(mut value: &[u8]) -> &[u8] {
    while let [b' ' | b'\t', rest @ ..] | [rest @ .., b' ' | b'\t'] = value {
        value = rest;
    }
    value
}
