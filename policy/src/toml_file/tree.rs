//! The TOML document as a tree of values with their places.

use toml_edit::{Datetime, Document, Item, TableLike, TomlError};

/// A document.
#[derive(Debug)]
pub(crate) struct Tree(Node);

/// A value, the path to it, and where it stands.
#[derive(Debug)]
pub(crate) struct Node {
    /// As shown in messages, such as `users.Tom.keys item 2`.
    pub(crate) path: String,
    /// Bytes of the document before it.
    pub(crate) offset: usize,
    pub(crate) value: Value,
}

/// A value of TOML.
#[derive(Debug)]
pub(crate) enum Value {
    String(String),
    Integer(i64),
    Float,
    Boolean(bool),
    Datetime(Datetime),
    Array(Vec<Node>),
    Table(Vec<(String, Node)>),
}

impl Tree {
    /// Parses a document, up to the first error of syntax.
    pub(crate) fn parse(text: &str) -> Result<Self, TomlError> {
        let document = Document::parse(text)?;
        let value = Value::Table(entries("", document.as_table(), 0));
        Ok(Self(Node { path: String::new(), offset: 0, value }))
    }

    pub(crate) fn entries(&self) -> &[(String, Node)] {
        self.0.entries()
    }
}

impl Node {
    /// Returns the entries of a table, in their order; of another value none.
    pub(crate) fn entries(&self) -> &[(String, Self)] {
        if let Value::Table(entries) = &self.value { entries } else { &[] }
    }

    /// Returns the items of an array.
    pub(crate) fn items(&self) -> Option<&[Self]> {
        if let Value::Array(items) = &self.value { Some(items) } else { None }
    }

    /// Returns the text of a string.
    pub(crate) fn text(&self) -> Option<&str> {
        if let Value::String(text) = &self.value { Some(text) } else { None }
    }
}

/// Returns a name if it can be shown: not if it contains what may be a part of a key or a digest.
fn shown(name: &str) -> Option<&str> {
    let is_random = |run: &str| {
        let has = |is_kind: fn(&u8) -> bool| run.as_bytes().iter().any(is_kind);
        let is_mixed = has(u8::is_ascii_digit) && has(u8::is_ascii_uppercase) && has(u8::is_ascii_lowercase);
        run.len() > 20 || (run.len() >= 12 && is_mixed)
    };
    let is_secret = name.contains("sk-")
        || name.contains("sha256")
        || name.split(|c: char| !c.is_ascii_alphanumeric()).any(is_random);
    Some(name).filter(|_| !is_secret)
}

fn entries(path: &str, table: &dyn TableLike, offset: usize) -> Vec<(String, Node)> {
    let node = |(name, item): (&str, &Item)| {
        let is_bare =
            |name: &&str| !name.is_empty() && name.bytes().all(|b| b.is_ascii_alphanumeric() || b"_-".contains(&b));
        let shown = shown(name).map_or("…".to_owned(), |name| match Some(name).filter(is_bare) {
            Some(name) => name.to_owned(),
            None => format!("{name:?}"),
        });
        let path = if path.is_empty() { shown } else { format!("{path}.{shown}") };
        let key = table.key(name).and_then(toml_edit::Key::span).or_else(|| item.span());
        let offset = key.map_or(offset, |span| span.start);
        Some((name.to_owned(), Node { value: value(&path, item, offset)?, path, offset }))
    };
    table.iter().filter_map(node).collect()
}

fn value(path: &str, item: &Item, offset: usize) -> Option<Value> {
    Some(match item {
        Item::None => return None,
        Item::Table(table) => Value::Table(entries(path, table, offset)),
        Item::ArrayOfTables(tables) => {
            let spans = tables.iter().map(|table| (table.span(), table));
            items(path, offset, spans, |path, table, offset| Value::Table(entries(path, table, offset)))
        }
        Item::Value(value) => self::inline(path, value, offset),
    })
}

fn inline(path: &str, value: &toml_edit::Value, offset: usize) -> Value {
    match value {
        toml_edit::Value::String(text) => Value::String(text.value().clone()),
        toml_edit::Value::Integer(number) => Value::Integer(*number.value()),
        toml_edit::Value::Float(_) => Value::Float,
        toml_edit::Value::Boolean(flag) => Value::Boolean(*flag.value()),
        toml_edit::Value::Datetime(datetime) => Value::Datetime(*datetime.value()),
        toml_edit::Value::Array(array) => items(path, offset, array.iter().map(|value| (value.span(), value)), inline),
        toml_edit::Value::InlineTable(table) => Value::Table(entries(path, table, offset)),
    }
}

fn items<'t, T: 't + ?Sized>(
    path: &str,
    offset: usize,
    items: impl Iterator<Item = (Option<std::ops::Range<usize>>, &'t T)>,
    value: impl Fn(&str, &'t T, usize) -> Value,
) -> Value {
    let node = |(number, (span, item)): (usize, (Option<std::ops::Range<usize>>, &'t T))| {
        let path = format!("{path} item {number}");
        let offset = span.map_or(offset, |span| span.start);
        Node { value: value(&path, item, offset), path, offset }
    };
    Value::Array((1..).zip(items).map(node).collect())
}
