//! Reads JSON.
//!
//! With `serde_json`, reading the compiled users made wasm larger by 27 KB gzipped; this adds 10 KB.

use crate::json::{Json, Object};

/// The deepest nesting that is read. The compiled users have six levels.
const DEPTH_MAX: usize = 8;

/// Reads a text. An object in which a name occurs twice is not understood.
///
/// # Errors
/// The number of bytes before the place that is not understood.
pub(crate) fn parse(text: &str) -> Result<Json, usize> {
    let mut parser = Parser { rest: text };
    let value = parser.value(0).filter(|_| parser.skip_space().is_empty());
    value.ok_or_else(|| text.len().saturating_sub(parser.rest.len()))
}

/// Reads a value at the front of the rest.
struct Parser<'a> {
    rest: &'a str,
}

impl<'a> Parser<'a> {
    fn skip_space(&mut self) -> &'a str {
        self.rest = self.rest.trim_start_matches([' ', '\t', '\n', '\r']);
        self.rest
    }

    /// Removes a token, if it is next after spaces.
    fn take(&mut self, token: &str) -> Option<()> {
        self.rest = self.skip_space().strip_prefix(token)?;
        Some(())
    }

    fn value(&mut self, depth: usize) -> Option<Json> {
        if depth > DEPTH_MAX {
            return None;
        }
        let inner = depth.saturating_add(1);
        match self.skip_space().bytes().next()? {
            b'"' => self.text().map(Json::Text),
            b'[' => self.list(["[", "]"], |parser| parser.value(inner)).map(Json::Array),
            b'{' => {
                let members = self.list(["{", "}"], |parser| {
                    let name = parser.text()?;
                    parser.take(":")?;
                    Some((name, parser.value(inner)?))
                })?;
                let is_repeated =
                    |index: usize, name: &String| members.iter().take(index).any(|(other, _)| other == name);
                let is_distinct = !members.iter().zip(0..).any(|((name, _), index)| is_repeated(index, name));
                is_distinct.then_some(Json::Object(Object(members)))
            }
            b't' => self.take("true").map(|()| Json::Boolean(true)),
            b'f' => self.take("false").map(|()| Json::Boolean(false)),
            _ => self.integer().map(Json::Integer),
        }
    }

    fn list<T>(&mut self, [open, close]: [&str; 2], item: impl Fn(&mut Self) -> Option<T>) -> Option<Vec<T>> {
        let mut items = Vec::new();
        self.take(open)?;
        if self.take(close).is_some() {
            return Some(items);
        }
        loop {
            items.push(item(self)?);
            if self.take(close).is_some() {
                return Some(items);
            }
            self.take(",")?;
        }
    }

    fn integer(&mut self) -> Option<i64> {
        let end = self.rest.find(|c: char| c != '-' && !c.is_ascii_digit()).unwrap_or(self.rest.len());
        let (number, rest) = self.rest.split_at_checked(end)?;
        let digits = number.strip_prefix('-').unwrap_or(number);
        // `parse` also accepts leading zeros.
        let is_whole = !rest.starts_with(['.', 'e', 'E']) && (number == "0" || !digits.starts_with('0'));
        let number = number.parse().ok().filter(|_| is_whole)?;
        self.rest = rest;
        Some(number)
    }

    fn text(&mut self) -> Option<String> {
        let mut text = String::new();
        self.take("\"")?;
        loop {
            let mut characters = self.rest.chars();
            let c = characters.next()?;
            self.rest = characters.as_str();
            match c {
                '"' => return Some(text),
                '\\' => text.push(self.escape()?),
                '\0'..='\x1f' => return None,
                _ => text.push(c),
            }
        }
    }

    /// Reads what follows a backslash.
    fn escape(&mut self) -> Option<char> {
        let mut characters = self.rest.chars();
        let c = characters.next()?;
        self.rest = characters.as_str();
        Some(match c {
            '"' | '\\' | '/' => c,
            'b' => '\x08',
            'f' => '\x0c',
            'n' => '\n',
            'r' => '\r',
            't' => '\t',
            'u' => {
                let first = self.code_unit()?;
                let second = if (0xd800..0xdc00).contains(&first) {
                    self.rest = self.rest.strip_prefix("\\u")?;
                    Some(self.code_unit()?)
                } else {
                    None
                };
                char::decode_utf16([first].into_iter().chain(second)).next()?.ok()?
            }
            _ => return None,
        })
    }

    /// Reads four hexadecimal digits.
    fn code_unit(&mut self) -> Option<u16> {
        let (digits, rest) = self.rest.split_at_checked(4)?;
        self.rest = rest;
        let is_hex = digits.bytes().all(|byte| byte.is_ascii_hexdigit());
        u16::from_str_radix(digits, 16).ok().filter(|_| is_hex)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn json() -> impl Strategy<Value = Json> {
        let leaf = prop_oneof![
            any::<bool>().prop_map(Json::Boolean),
            any::<i64>().prop_map(Json::Integer),
            any::<String>().prop_map(Json::Text),
            "[\\x00-\\x20\"\\\\/bnu0-9]{0,9}".prop_map(Json::Text),
        ];
        leaf.prop_recursive(4, 24, 4, |inner| {
            let members = prop::collection::btree_map(any::<String>(), inner.clone(), 0..4);
            prop_oneof![
                prop::collection::vec(inner, 0..4).prop_map(Json::Array),
                members.prop_map(|members| Json::Object(Object(members.into_iter().collect()))),
            ]
        })
    }

    /// The same value as `serde_json` reads it; `None` for numbers that are not whole, and `null`.
    fn from_serde(value: serde_json::Value) -> Option<Json> {
        Some(match value {
            serde_json::Value::Null => return None,
            serde_json::Value::Bool(flag) => Json::Boolean(flag),
            serde_json::Value::Number(number) => Json::Integer(number.as_i64()?),
            serde_json::Value::String(text) => Json::Text(text),
            serde_json::Value::Array(items) => Json::Array(items.into_iter().map(from_serde).collect::<Option<_>>()?),
            serde_json::Value::Object(members) => {
                let members = members.into_iter().map(|(name, value)| Some((name, from_serde(value)?)));
                Json::Object(Object(members.collect::<Option<_>>()?))
            }
        })
    }

    fn sorted(json: Json) -> Json {
        match json {
            Json::Array(items) => Json::Array(items.into_iter().map(sorted).collect()),
            Json::Object(Object(members)) => {
                let mut members: Vec<_> = members.into_iter().map(|(name, value)| (name, sorted(value))).collect();
                members.sort_by(|(one, _), (other, _)| one.cmp(other));
                Json::Object(Object(members))
            }
            other @ (Json::Boolean(_) | Json::Integer(_) | Json::Text(_)) => other,
        }
    }

    const VALUES: [&str; 24] = [
        "[", "]", "{", "}", ",", ":", "[]", "[1,", "{\"a\":", ",\"b\":", "\"a\"", "0", "01", "-0", "-1", "-", "1.5",
        "1e3", "true", "tru", "null", " ", "\n", "\u{a0}",
    ];

    const CHARACTERS: [&str; 14] = [
        "a",
        "é",
        "\\n",
        "\\/",
        "\\x",
        "\\",
        "\\u00e9",
        "\\u+0e9",
        "\\ud83d",
        "\\ude00",
        "\\ud83d\\ude00",
        "\n",
        "\x7f",
        "\"",
    ];

    fn tokens(of: &'static [&str]) -> impl Strategy<Value = String> {
        prop::collection::vec(prop::sample::select(of), 0..5).prop_map(|tokens| tokens.concat())
    }

    proptest! {
        #[test]
        fn round_trip(value in json()) {
            let mut text = String::new();
            value.write(&mut text);
            prop_assert_eq!(parse(&text), Ok(value.clone()), "{}", text);
            prop_assert_eq!(from_serde(serde_json::from_str(&text).unwrap()).map(sorted), Some(sorted(value)));
        }

        /// What is read is what `serde_json` reads.
        #[test]
        fn same_as_serde_json(text in prop_oneof![tokens(&VALUES), tokens(&CHARACTERS).prop_map(|text| format!("\"{text}\""))]) {
            let theirs = serde_json::from_str::<serde_json::Value>(&text).ok().and_then(from_serde).map(sorted);
            match parse(&text) {
                Ok(ours) => prop_assert_eq!(Some(sorted(ours)), theirs),
                Err(at) => {
                    prop_assert!(at <= text.len());
                    // `serde_json` takes the last of members with the same name.
                    prop_assert!(theirs.is_none() || text.contains('{'), "{}", text);
                }
            }
        }
    }

    #[test]
    fn escapes() {
        let text = r#""\"\\\/\b\f\n\r\t\u0041\ud83d\ude00""#;
        assert_eq!(parse(text), Ok(Json::Text("\"\\/\u{8}\u{c}\n\r\tA😀".into())));
    }

    #[test]
    fn refused_texts() {
        for (text, at) in [
            ("", 0),
            ("null", 0),
            ("1.5", 0),
            ("1e3", 0),
            ("01", 0),
            ("[1,]", 3),
            ("[1 2]", 3),
            ("1 x", 2),
            ("\"\\ud800\"", 7),
            ("{\"a\":1,\"a\":2}", 13),
            ("[[[[[[[[[[1]]]]]]]]]]", 9),
            ("-0", 0),
            ("9223372036854775808", 0),
        ] {
            assert_eq!(parse(text), Err(at), "{text}");
        }
    }
}
