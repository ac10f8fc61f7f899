//! What is known of an answer's headers from the head before.

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue};
use memchr::memchr;

use super::head::{HeadError, Line};

/// The headers of the last head: an upstream names its headers alike every time, and says most of them alike. A copy of
/// what is known costs a fraction of making it again.
#[derive(Debug, Default)]
pub struct Known {
    /// What varies is blank here.
    headers: HeaderMap,
    /// In the order in which `headers` tells its values.
    lines: Vec<KnownLine>,
}

#[derive(Debug)]
struct KnownLine {
    /// Which line of the head it is.
    place: usize,
    text: Box<[u8]>,
    /// Where the name and its colon end.
    name_end: usize,
    /// Whether its value was another once: it will be another again.
    varies: bool,
}

impl Known {
    /// The headers on these lines of a head. Values that vary share its bytes.
    pub(crate) fn read(&mut self, head: &Bytes, lines: &[Line]) -> Result<HeaderMap, HeadError> {
        if lines.len() != self.lines.len() {
            return self.learn(head, lines);
        }
        let mut headers = self.headers.clone();
        let values = self.headers.values_mut().zip(headers.values_mut());
        for (known, (known_value, value)) in self.lines.iter_mut().zip(values) {
            let text = lines[known.place].of(head);
            if !known.varies && *text == *known.text {
                continue;
            }
            if !text.starts_with(&known.text[..known.name_end]) {
                return self.learn(head, lines);
            }
            if !known.varies {
                known.varies = true;
                *known_value = HeaderValue::from_static("");
            }
            let text = head.slice_ref(trim(&text[known.name_end..]));
            *value = HeaderValue::from_maybe_shared(text).map_err(|_| HeadError::Value)?;
        }
        Ok(headers)
    }

    /// Makes the headers of a head that is not like the last, and knows them from then on.
    fn learn(&mut self, head: &Bytes, lines: &[Line]) -> Result<HeaderMap, HeadError> {
        let mut headers = HeaderMap::with_capacity(lines.len());
        let mut named = Vec::with_capacity(lines.len());
        for (place, line) in lines.iter().enumerate() {
            let text = line.of(head);
            let colon = memchr(b':', text).ok_or(HeadError::Name)?;
            let name = HeaderName::from_bytes(&text[..colon]).map_err(|_| HeadError::Name)?;
            let value = HeaderValue::from_bytes(trim(&text[colon + 1..])).map_err(|_| HeadError::Value)?;
            named.push((name.clone(), KnownLine { place, text: text.into(), name_end: colon + 1, varies: false }));
            headers.append(name, value);
        }
        self.lines.clear();
        for name in headers.keys() {
            self.lines.extend(named.extract_if(.., |(named, _)| named == name).map(|(_, line)| line));
        }
        self.headers = headers.clone();
        Ok(headers)
    }
}

/// Trims optional whitespace ([RFC 9110 §5.6.3](https://www.rfc-editor.org/rfc/rfc9110#section-5.6.3)).
fn trim(mut value: &[u8]) -> &[u8] {
    while let [b' ' | b'\t', rest @ ..] | [rest @ .., b' ' | b'\t'] = value {
        value = rest;
    }
    value
}
