//! Header fields between the runtime and the core.

use http::{HeaderMap, HeaderName, HeaderValue};
use worker::{js_sys::Array, wasm_bindgen::JsValue, web_sys::Headers};

/// The fields of a message, read across the wasm boundary once.
#[derive(Default)]
pub(crate) struct Fields {
    /// The fields that the core can process, each with its joined values; `names` has all fields.
    pub(crate) map: HeaderMap,
    names: Vec<String>,
}

impl Fields {
    pub(crate) fn read(headers: &Headers) -> Self {
        // One string crosses the boundary, not two per field. Names and values cannot contain a line break.
        let text = String::from(Array::from(headers).flat(1).join("\n"));
        let mut lines = text.split('\n');
        let mut fields = Self::default();
        while let (Some(name), Some(value)) = (lines.next(), lines.next()) {
            fields.names.push(name.to_owned());
            let name = HeaderName::try_from(name);
            if let (Ok(name), Ok(value)) = (name, HeaderValue::from_bytes(&isomorphic_encode(value))) {
                let _ = fields.map.try_append(name, value);
            }
        }
        fields
    }

    /// Changes `headers`, which has these fields, to `wanted`. Unchanged fields keep their bytes and their lines.
    pub(crate) fn write(&self, headers: &Headers, wanted: &HeaderMap) -> Result<(), JsValue> {
        let is_unchanged = |name: &str| wanted.contains_key(name) && self.map.get_all(name) == wanted.get_all(name);
        for name in self.names.iter().filter(|name| !is_unchanged(name)) {
            headers.delete(name)?;
        }
        for name in wanted.keys().filter(|name| !is_unchanged(name.as_str())) {
            for value in wanted.get_all(name) {
                headers.append(name.as_str(), &isomorphic_decode(value))?;
            }
        }
        Ok(())
    }
}

/// [Isomorphic encode](https://infra.spec.whatwg.org/#isomorphic-encode); UTF-8 if the runtime has decoded UTF-8.
fn isomorphic_encode(text: &str) -> Vec<u8> {
    text.chars().map(u8::try_from).collect::<Result<_, _>>().unwrap_or_else(|_| text.as_bytes().to_vec())
}

/// [Isomorphic decode](https://infra.spec.whatwg.org/#isomorphic-decode).
fn isomorphic_decode(value: &HeaderValue) -> String {
    value.as_bytes().iter().copied().map(char::from).collect()
}
