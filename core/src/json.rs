//! Writes JSON strings.

/// A JSON string literal, quotes included ([RFC 8259 §7](https://www.rfc-editor.org/rfc/rfc8259#section-7)).
#[must_use]
pub fn string_literal(text: &str) -> String {
    // Nearly all texts need no escape: one copy instead of one push per character (32,100 user instructions per
    // rejected request instead of 36,900).
    if text.bytes().all(|byte| matches!(byte, b' '..=b'!' | b'#'..=b'[' | b']'..=b'~')) {
        return ["\"", text, "\""].concat();
    }
    let mut literal = String::with_capacity(text.len().saturating_add(2));
    literal.push('"');
    for c in text.chars() {
        match c {
            '"' | '\\' => literal.extend(['\\', c]),
            c if c.is_control() => literal.extend(format!("\\u{:04x}", u32::from(c)).chars()),
            c => literal.push(c),
        }
    }
    literal.push('"');
    literal
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn escapes() {
        for (text, literal) in [
            ("", r#""""#),
            (" plain~!#[] é", r#"" plain~!#[] é""#),
            (r#"a"b"#, r#""a\"b""#),
            (r"a\", r#""a\\""#),
            ("a\nb", r#""a\u000ab""#),
            ("\u{7f}", r#""\u007f""#),
            ("\u{9f}", r#""\u009f""#),
        ] {
            assert_eq!(string_literal(text), literal);
        }
    }
}
