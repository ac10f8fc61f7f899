//! Header fields between the runtime and the core.

use http::{HeaderMap, HeaderName, HeaderValue};
use worker::{Result, js_sys::Array, web_sys::Headers};

/// Every field that the core can judge; the runtime has joined values of one name already.
pub(crate) fn read(headers: &Headers) -> HeaderMap {
    // One string crosses instead of two for each field: neither a name nor a value can hold a newline.
    let text = String::from(Array::from(headers).flat(1).join("\n"));
    let mut lines = text.split('\n');
    let mut map = HeaderMap::new();
    while let (Some(name), Some(value)) = (lines.next(), lines.next()) {
        let name = HeaderName::try_from(name);
        if let (Ok(name), Ok(value)) = (name, HeaderValue::from_bytes(&bytes(value))) {
            // What is beyond the map's bound is far beyond the core's, which refuses the rest.
            let _ = map.try_append(name, value);
        }
    }
    map
}

/// Makes the runtime's fields what the core made of them. A field that the core left alone is not touched, so
/// that repeated ones stay apart and every byte stays as it came; one that it never saw is removed.
pub(crate) fn write(headers: &Headers, seen: &HeaderMap, wanted: &HeaderMap) -> Result<()> {
    let names = String::from(Array::from(&headers.keys()).join("\n"));
    for name in names.lines().filter(|name| !same(seen, wanted, name)) {
        headers.delete(name)?;
    }
    for name in wanted.keys().filter(|name| !same(seen, wanted, name.as_str())) {
        for value in wanted.get_all(name) {
            headers.append(name.as_str(), &text(value))?;
        }
    }
    Ok(())
}

fn same(seen: &HeaderMap, wanted: &HeaderMap, name: &str) -> bool {
    wanted.contains_key(name) && seen.get_all(name) == wanted.get_all(name)
}

/// A string whose characters stand for bytes, as the Fetch Standard has it
/// ([isomorphic encode](https://infra.spec.whatwg.org/#isomorphic-encode)); a runtime that decoded UTF-8 is undone.
fn bytes(text: &str) -> Vec<u8> {
    let bytes: std::result::Result<_, _> = text.chars().map(u8::try_from).collect();
    bytes.unwrap_or_else(|_| text.as_bytes().to_vec())
}

fn text(value: &HeaderValue) -> String {
    value.as_bytes().iter().copied().map(char::from).collect()
}
