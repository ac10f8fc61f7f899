use proptest::prelude::*;

use super::*;

fn validate(text: &[u8]) -> Result<()> {
    let mut reader = Reader::new(text)?;
    reader.skip()?;
    reader.end()
}

#[test]
fn valid_texts() {
    for text in [
        "{}",
        " [ ] ",
        "\t\r\n[{},[],\"\",0,true,false,null]\n",
        r#"{"a":1,"a":2,"\u0061":3}"#,
        r#""\"\\\/\b\f\n\r\t\u00e9\uD83D\ude00""#,
        "\"é\u{7f}\u{2028}😀\"",
        "-0",
        "1e999",
        "-1.50E+07",
        "10.0e-1",
        "123456789012345678901234567890",
    ] {
        assert_eq!(validate(text.as_bytes()), Ok(()), "{text}");
    }
}

#[test]
fn invalid_texts() {
    for (text, at) in [
        ("", 0),
        (" ", 1),
        ("\u{feff}{}", 0),
        ("{}x", 2),
        ("{} {}", 3),
        ("{}\0", 2),
        ("{\"a\":1,}", 7),
        ("{\"a\" 1}", 5),
        ("{a:1}", 1),
        ("{'a':1}", 1),
        ("{1:1}", 1),
        ("{,}", 1),
        ("[1,]", 3),
        ("[,1]", 1),
        ("[1 2]", 3),
        ("[1}", 2),
        ("{\"a\":1]", 6),
        ("[", 1),
        ("{", 1),
        ("]", 0),
        ("/* */{}", 0),
        ("{} // x", 3),
        ("NaN", 0),
        ("Infinity", 0),
        ("-Infinity", 1),
        ("nul", 0),
        ("True", 0),
        ("truex", 4),
        ("01", 1),
        ("-", 1),
        ("+1", 0),
        (".5", 0),
        ("1.", 2),
        ("1.e1", 2),
        ("1e", 2),
        ("1e+", 3),
        ("0x10", 1),
        ("1_000", 1),
        ("\"", 1),
        ("\"a\n\"", 2),
        ("\"a\t\"", 2),
        ("\"\0\"", 1),
        (r#""\x41""#, 1),
        (r#""\u12""#, 5),
        (r#""\u12g4""#, 5),
        (r#""\"#, 2),
        (r#""\ud800""#, 7),
        (r#""\ud800\n""#, 7),
        (r#""\ud800\ud800""#, 1),
        (r#""\udc00""#, 1),
        ("\u{a0}{}", 0),
    ] {
        assert_eq!(validate(text.as_bytes()), Err(BodyError::Json { at }), "{text:?}");
    }
}

#[test]
fn other_encodings() {
    let utf16 = |unit: fn(u16) -> [u8; 2]| "{\"a\":1}".encode_utf16().flat_map(unit).collect::<Vec<_>>();
    assert_eq!(validate(&utf16(u16::to_le_bytes)), Err(BodyError::Json { at: 1 }));
    assert_eq!(validate(&utf16(u16::to_be_bytes)), Err(BodyError::Json { at: 0 }));
    for (text, at) in [(&b"{\"a\":\"\xff\"}"[..], 6), (b"\"\xc0\xaf\"", 1), (b"\"\xed\xa0\x80\"", 1), (b"\"a\xc3", 2)] {
        assert_eq!(validate(text), Err(BodyError::Utf8 { at }), "{}", text.escape_ascii());
    }
}

#[test]
fn depth() {
    let nested = |open: &str, close: &str, depth: usize| open.repeat(depth) + "1" + &close.repeat(depth);
    for (open, close) in [("[", "]"), ("{\"a\":", "}")] {
        assert_eq!(validate(nested(open, close, 127).as_bytes()), Ok(()));
        assert_eq!(validate(nested(open, close, 128).as_bytes()), Err(BodyError::TooDeep));
        assert_eq!(validate(open.repeat(1_000_000).as_bytes()), Err(BodyError::TooDeep));
    }
    let alternating = "[{\"a\":".repeat(63) + "[]" + &"}]".repeat(63);
    assert_eq!(validate(alternating.as_bytes()), Ok(()));
}

/// Whether `serde_json` accepts a text. A number that no `f64` holds is JSON, but not a `Value`.
fn is_valid_for_serde(text: &[u8]) -> bool {
    match serde_json::from_slice::<serde_json::Value>(text) {
        Ok(_) => true,
        Err(error) => error.to_string().starts_with("number out of range") && rounds_to_infinity(text),
    }
}

/// Whether only the size of numbers is invalid.
fn rounds_to_infinity(text: &[u8]) -> bool {
    std::str::from_utf8(text).is_ok_and(|text| serde_json::from_str::<serde::de::IgnoredAny>(text).is_ok())
}

/// Pieces of JSON, so that a random text is nearly JSON.
fn nearly_json() -> impl Strategy<Value = Vec<u8>> {
    let tokens = [
        "{", "}", "[", "]", ",", ":", "\"a\"", "\"\"", "1", "0", "-", ".", "e", "+", "true", "null", " ", "\n", "\"",
        "\\", "\\u", "d83d", "dc00", "é", "\u{feff}", "\t", "{\"a\":", "[1,", "false", "\"\\n\"",
    ];
    let token = prop_oneof![
        12 => proptest::sample::select(tokens.to_vec()).prop_map(|token| token.as_bytes().to_vec()),
        1 => any::<u8>().prop_map(|byte| vec![byte]),
    ];
    proptest::collection::vec(token, 0..12).prop_map(|tokens| tokens.concat())
}

/// Any JSON value as text.
fn json() -> impl Strategy<Value = String> {
    let string =
        "([a-z\"\\\\\u{0}-\u{1f}é😀]|[a-z]{30}){0,4}".prop_map(|text| serde_json::Value::from(text).to_string());
    let number = "-?(0|[1-9][0-9]{0,2})(\\.[0-9]{1,3})?([eE][+-]?[0-9]{1,2})?";
    let leaf = prop_oneof![string.clone(), number, Just("true".to_owned()), Just("null".to_owned())];
    leaf.prop_recursive(4, 24, 4, move |value| {
        let member = (string.clone(), value.clone()).prop_map(|(key, value)| format!("{key} :{value}"));
        prop_oneof![
            proptest::collection::vec(value, 0..4).prop_map(|items| format!("[{}]", items.join(", "))),
            proptest::collection::vec(member, 0..4).prop_map(|members| format!("{{\n{}}}", members.join(","))),
        ]
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 20_000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn accepts_what_serde_json_accepts(text in nearly_json()) {
        prop_assert_eq!(validate(&text).is_ok(), is_valid_for_serde(&text), "{}", text.escape_ascii());
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 500, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn no_truncated_text_is_accepted(text in json()) {
        prop_assert_eq!(validate(text.as_bytes()), Ok(()), "{}", text);
        let text = format!("[{text}]");
        for end in 0..text.len() {
            prop_assert!(validate(&text.as_bytes()[..end]).is_err(), "{} at {}", text, end);
        }
    }
}
