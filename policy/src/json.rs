//! JSON ([RFC 8259](https://www.rfc-editor.org/rfc/rfc8259)) as the compiled users need it: whole numbers only, no `null`.

use std::fmt::Write as _;

/// A value.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) enum Json {
    Boolean(bool),
    Integer(i64),
    Text(String),
    Array(Vec<Json>),
    Object(Object),
}

/// The members of an object. No name occurs twice.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub(crate) struct Object(pub(crate) Vec<(String, Json)>);

impl Json {
    pub(crate) fn text(self) -> Option<String> {
        if let Self::Text(text) = self { Some(text) } else { None }
    }

    pub(crate) fn integer(self) -> Option<i64> {
        if let Self::Integer(number) = self { Some(number) } else { None }
    }

    pub(crate) fn boolean(self) -> Option<bool> {
        if let Self::Boolean(flag) = self { Some(flag) } else { None }
    }

    pub(crate) fn array(self) -> Option<Vec<Self>> {
        if let Self::Array(items) = self { Some(items) } else { None }
    }

    pub(crate) fn object(self) -> Option<Object> {
        if let Self::Object(object) = self { Some(object) } else { None }
    }

    /// Appends the value to a text, without spaces.
    pub(crate) fn write(&self, out: &mut String) {
        match self {
            Self::Boolean(flag) => out.push_str(if *flag { "true" } else { "false" }),
            // Writing to a string cannot fail.
            Self::Integer(number) => _ = write!(out, "{number}"),
            Self::Text(text) => write_text(text, out),
            Self::Array(items) => write_list(out, ['[', ']'], items, Self::write),
            Self::Object(Object(members)) => write_list(out, ['{', '}'], members, |(name, value), out| {
                write_text(name, out);
                out.push(':');
                value.write(out);
            }),
        }
    }
}

impl Object {
    /// Adds a member.
    pub(crate) fn put(&mut self, name: &str, value: Json) {
        self.0.push((name.to_owned(), value));
    }

    /// Removes a member, and returns its value.
    pub(crate) fn take(&mut self, name: &str) -> Option<Json> {
        let index = self.0.iter().position(|(member, _)| member == name)?;
        Some(self.0.swap_remove(index).1)
    }

    /// Whether no member is left.
    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

fn write_list<T>(out: &mut String, [open, close]: [char; 2], items: &[T], write: impl Fn(&T, &mut String)) {
    out.push(open);
    for (item, number) in items.iter().zip(0_usize..) {
        if number > 0 {
            out.push(',');
        }
        write(item, out);
    }
    out.push(close);
}

fn write_text(text: &str, out: &mut String) {
    out.push('"');
    for c in text.chars() {
        match c {
            '"' | '\\' => out.extend(['\\', c]),
            '\0'..='\x1f' => _ = write!(out, "\\u{:04x}", u32::from(c)),
            _ => out.push(c),
        }
    }
    out.push('"');
}
