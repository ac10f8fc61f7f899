//! Reuses the parsed headers of the last response.

use bytes::Bytes;
use http::{
    HeaderMap, HeaderName, HeaderValue,
    header::{CONNECTION, CONTENT_LENGTH},
};
use memchr::memchr;

use super::{
    framing::Framing,
    head_error::HeadError,
    lines::{Line, is_text, trim},
};

/// The headers of the last response head. An upstream sends the same names in the same order, and most values are the
/// same too: cloning them takes less than parsing them again (57,900 user instructions per JSON request instead of
/// 62,900).
#[derive(Debug)]
pub struct HeaderCache {
    /// Names that the caller never passes on.
    is_dropped: fn(&HeaderName) -> bool,
    /// Without the dropped ones. Values that vary are empty here.
    headers: HeaderMap,
    /// In the order in which `headers` iterates.
    lines: Vec<CachedLine>,
    dropped: Vec<CachedLine>,
    /// The texts of all lines, as they arrived.
    texts: Vec<Box<[u8]>>,
    framing: Framing,
}

#[derive(Debug)]
struct CachedLine {
    /// The index of the line in the head.
    index: usize,
    /// The end of the name and its colon.
    name_end: usize,
    kind: Kind,
}

/// What a line's value is.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Kind {
    /// The same in all heads so far.
    Constant,
    /// It has differed once, and will again.
    Varying,
    /// The end of the body, or which headers are dropped, depends on it: a head with another value is parsed again.
    Framing,
}

impl Default for HeaderCache {
    fn default() -> Self {
        Self::without(|_| false)
    }
}

impl HeaderCache {
    /// Creates a cache whose heads lack the headers for which `is_dropped` returns true. `Content-Length` stays. Without
    /// `Connection`, they also lack the headers that it lists
    /// ([RFC 9110 §7.6.1](https://www.rfc-editor.org/rfc/rfc9110#section-7.6.1)).
    #[must_use]
    pub fn without(is_dropped: fn(&HeaderName) -> bool) -> Self {
        let framing = Framing::default();
        Self { is_dropped, headers: HeaderMap::new(), lines: vec![], dropped: vec![], texts: vec![], framing }
    }

    /// The lines of the next head, as they may be.
    pub(super) fn expected(&self) -> &[Box<[u8]>] {
        &self.texts
    }

    /// The headers in these lines of a head, and what all of its headers say about the connection. Values that vary share
    /// the bytes of `head`.
    pub(super) fn read(&mut self, head: &Bytes, lines: &[Line]) -> Result<(HeaderMap, Framing), HeadError> {
        if lines.len() != self.texts.len() {
            return self.replace(head, lines);
        }
        for cached in &self.dropped {
            let line = lines[cached.index];
            if !line.is_expected && !cached.new_value(&self.texts, line.of(head)).is_some_and(is_text) {
                return self.replace(head, lines);
            }
        }
        let mut headers = self.headers.clone();
        let values = self.headers.values_mut().zip(headers.values_mut());
        for (cached, (cached_value, value)) in self.lines.iter_mut().zip(values) {
            let line = lines[cached.index];
            if line.is_expected && cached.kind != Kind::Varying {
                continue;
            }
            let Some(new) = cached.new_value(&self.texts, line.of(head)) else { return self.replace(head, lines) };
            if cached.kind == Kind::Constant {
                cached.kind = Kind::Varying;
                *cached_value = HeaderValue::from_static("");
            }
            *value = HeaderValue::from_maybe_shared(head.slice_ref(new)).map_err(|_| HeadError::Value)?;
        }
        Ok((headers, self.framing))
    }

    /// Parses a head that differs from the last one, and stores it.
    fn replace(&mut self, head: &Bytes, lines: &[Line]) -> Result<(HeaderMap, Framing), HeadError> {
        let mut headers = HeaderMap::with_capacity(lines.len());
        let mut named = Vec::with_capacity(lines.len());
        for (index, line) in lines.iter().enumerate() {
            let text = line.of(head);
            let colon = memchr(b':', text).ok_or(HeadError::Name)?;
            let name = HeaderName::from_bytes(&text[..colon]).map_err(|_| HeadError::Name)?;
            let value = HeaderValue::from_bytes(trim(&text[colon + 1..])).map_err(|_| HeadError::Value)?;
            let kind = if Framing::depends_on(&name) { Kind::Framing } else { Kind::Constant };
            named.push((name.clone(), CachedLine { index, name_end: colon + 1, kind }));
            headers.append(name, value);
        }
        let dropped = self.dropped_names(&headers);
        self.framing = Framing::of(&headers);
        self.dropped = named.extract_if(.., |(name, _)| dropped.contains(name)).map(|(_, line)| line).collect();
        // Removing from the map would change its order.
        let kept = headers.iter().filter(|(name, _)| !dropped.contains(name));
        self.headers = kept.map(|(name, value)| (name.clone(), value.clone())).collect();
        self.texts = lines.iter().map(|line| line.of(head).into()).collect();
        self.lines.clear();
        for name in self.headers.keys() {
            self.lines.extend(named.extract_if(.., |(named, _)| named == name).map(|(_, line)| line));
        }
        Ok((self.headers.clone(), self.framing))
    }

    fn dropped_names(&self, headers: &HeaderMap) -> Vec<HeaderName> {
        let listed = (self.is_dropped)(&CONNECTION).then(|| Framing::listed(headers)).into_iter().flatten();
        let dropped = headers.keys().filter(|name| (self.is_dropped)(name)).cloned();
        dropped.chain(listed).filter(|name| *name != CONTENT_LENGTH).collect()
    }
}

impl CachedLine {
    /// The value of a line that differs from this one of `texts`; `None` if the head must be parsed again.
    fn new_value<'a>(&self, texts: &[Box<[u8]>], line: &'a [u8]) -> Option<&'a [u8]> {
        let value = line.strip_prefix(texts.get(self.index)?.get(..self.name_end)?)?;
        (self.kind != Kind::Framing).then(|| trim(value))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_those_of_the_library() {
        for byte in 0..=u8::MAX {
            assert_eq!(is_text(&[b'a', byte]), HeaderValue::from_bytes(&[b'a', byte]).is_ok(), "{byte}");
        }
    }
}
