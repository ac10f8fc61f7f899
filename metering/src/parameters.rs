//! Header values with parameters, `value; name=token; name="text"`
//! ([RFC 9110 §5.6.6](https://www.rfc-editor.org/rfc/rfc9110#section-5.6.6)), without escapes.

/// A parameter. The name is as it was sent.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) struct Parameter<'a> {
    pub(crate) name: &'a str,
    pub(crate) value: &'a str,
}

/// Splits a header value into what stands before the first `;`, and its parameters. `None` if it is malformed, or if a
/// quoted value has a backslash, a quote or a `;`: simple readers do not look for quotes and would find other parameters.
pub(crate) fn parse(header: &str) -> Option<(&str, Vec<Parameter<'_>>)> {
    let mut items = header.split(';').map(|item| item.trim_matches([' ', '\t']));
    let value = items.next()?;
    let parameters = items.map(|item| {
        let (name, value) = item.split_once('=')?;
        is_token(name).then_some(Parameter { name, value: unquote(value)? })
    });
    Some((value, parameters.collect::<Option<_>>()?))
}

/// Returns the text of a token or of a quoted string.
fn unquote(value: &str) -> Option<&str> {
    let Some(quoted) = value.strip_prefix('"') else { return Some(value).filter(|value| is_token(value)) };
    let is_text = |text: &&str| !text.contains(|c: char| c == '"' || c == '\\' || c.is_ascii_control());
    quoted.strip_suffix('"').filter(is_text)
}

/// Whether a text is a token ([RFC 9110 §5.6.2](https://www.rfc-editor.org/rfc/rfc9110#section-5.6.2)).
pub(crate) fn is_token(text: &str) -> bool {
    let is_token_byte = |byte: u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte);
    !text.is_empty() && text.bytes().all(is_token_byte)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parameters() {
        for (header, expected) in [
            ("a/b", Some(("a/b", &[][..]))),
            ("a/b; c=d", Some(("a/b", &[("c", "d")]))),
            ("a/b ;\tC=\"d e\" ;f=\"\"", Some(("a/b", &[("C", "d e"), ("f", "")]))),
            ("a; filename=\"é.mp3\"", Some(("a", &[("filename", "é.mp3")]))),
            ("a;", None),
            ("a;;b=c", None),
            ("a; b", None),
            ("a; b=", None),
            ("a; =b", None),
            ("a; b =c", None),
            ("a; b= c", None),
            ("a; b=c d", None),
            ("a; b=é", None),
            ("a; b=\"c", None),
            ("a; b=\"", None),
            ("a; b=c\"", None),
            ("a; b=\"c\"d", None),
            ("a; b=\"c\"\"", None),
            ("a; b=\"c\\\"", None),
            ("a; b=\"c;d\"", None),
            ("a; b=\"c\td\"", None),
        ] {
            let parsed = parse(header).map(|(value, parameters)| {
                (value, parameters.iter().map(|parameter| (parameter.name, parameter.value)).collect::<Vec<_>>())
            });
            assert_eq!(parsed, expected.map(|(value, parameters)| (value, parameters.to_vec())), "{header:?}");
        }
    }
}
