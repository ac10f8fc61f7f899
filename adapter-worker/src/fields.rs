//! Header fields between the runtime and the core.

use http::{HeaderMap, HeaderName, HeaderValue};
use worker::{Result, js_sys::Array, web_sys::Headers};

/// The fields of a message, read across the wasm boundary once.
pub(crate) struct Fields {
    /// The fields that the core can process. The runtime has joined the values of each name already.
    pub(crate) map: HeaderMap,
    /// Names with a value that the core cannot process.
    invalid: Vec<String>,
}

impl Fields {
    pub(crate) fn read(headers: &Headers) -> Self {
        // One string crosses the boundary instead of two per field. Names and values cannot contain a line break.
        let text = String::from(Array::from(headers).flat(1).join("\n"));
        let mut lines = text.split('\n');
        let mut fields = Self { map: HeaderMap::new(), invalid: Vec::new() };
        while let (Some(name), Some(value)) = (lines.next(), lines.next()) {
            match (HeaderName::try_from(name), HeaderValue::from_bytes(&isomorphic_encode(value))) {
                (Ok(key), Ok(value)) => {
                    // It fails if the map is full, at 24,576 names.
                    if fields.map.try_append(key, value).is_err() {
                        fields.invalid.push(name.to_owned());
                    }
                }
                _ => fields.invalid.push(name.to_owned()),
            }
        }
        fields
    }

    /// No fields, as a new message has.
    pub(crate) fn none() -> Self {
        Self { map: HeaderMap::new(), invalid: Vec::new() }
    }

    /// Changes `headers`, which has these fields, to `wanted`. Unchanged fields are not touched, so that each keeps its
    /// bytes, and several lines of one name stay apart.
    pub(crate) fn write(&self, headers: &Headers, wanted: &HeaderMap) -> Result<()> {
        for name in &self.invalid {
            headers.delete(name)?;
        }
        for name in self.map.keys().filter(|name| !self.is_unchanged(wanted, name)) {
            headers.delete(name.as_str())?;
        }
        for name in wanted.keys().filter(|name| !self.is_unchanged(wanted, name)) {
            for value in wanted.get_all(name) {
                headers.append(name.as_str(), &isomorphic_decode(value))?;
            }
        }
        Ok(())
    }

    fn is_unchanged(&self, wanted: &HeaderMap, name: &HeaderName) -> bool {
        let is_invalid = self.invalid.iter().any(|invalid| invalid == name.as_str());
        !is_invalid && wanted.contains_key(name) && self.map.get_all(name) == wanted.get_all(name)
    }
}

/// The bytes of a string ([isomorphic encode](https://infra.spec.whatwg.org/#isomorphic-encode)). A string with larger code
/// points comes from a runtime that decoded UTF-8, and is encoded again.
fn isomorphic_encode(text: &str) -> Vec<u8> {
    let bytes: std::result::Result<_, _> = text.chars().map(u8::try_from).collect();
    bytes.unwrap_or_else(|_| text.as_bytes().to_vec())
}

/// A string with one code point per byte ([isomorphic decode](https://infra.spec.whatwg.org/#isomorphic-decode)).
fn isomorphic_decode(value: &HeaderValue) -> String {
    value.as_bytes().iter().copied().map(char::from).collect()
}
