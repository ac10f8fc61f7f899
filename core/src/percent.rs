//! Percent-encoding ([RFC 3986 §2.1](https://www.rfc-editor.org/rfc/rfc3986#section-2.1)).

/// Decodes percent-escapes until none is left, including those that decoding produces. `None` if there is no `%`.
///
/// Linear in time: an escape is decoded as soon as its last digit is appended.
pub(crate) fn decode_fully(text: &[u8]) -> Option<Vec<u8>> {
    if !text.contains(&b'%') {
        return None;
    }
    let mut out = Vec::with_capacity(text.len());
    for &byte in text {
        out.push(byte);
        while let [.., b'%', high, low] = *out {
            let (Some(high), Some(low)) = (hex_digit(high), hex_digit(low)) else { break };
            out.truncate(out.len().saturating_sub(3));
            out.push(high << 4 | low);
        }
    }
    Some(out)
}

fn hex_digit(digit: u8) -> Option<u8> {
    char::from(digit).to_digit(16).and_then(|value| u8::try_from(value).ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nested_escapes() {
        for (text, decoded) in [
            ("/%2e", "/."),
            ("/%252e", "/."),
            ("/%25252e", "/."),
            ("/%2%65", "/."),
            ("/%zz", "/%zz"),
            ("/%", "/%"),
            ("/%2", "/%2"),
        ] {
            assert_eq!(decode_fully(text.as_bytes()).unwrap(), decoded.as_bytes(), "{text}");
        }
        assert_eq!(decode_fully(b"/v1/models"), None);
    }
}
