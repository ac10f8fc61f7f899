//! `keys` of an entry: in a list, or each in a table of its own (`[[users.Tom.keys]]`).

use toml_edit::{Array, Decor, InlineTable, Item, RawString, Table, TableLike, Value};

use super::{EditError, Moment, entry};
use crate::{user_field::UserField, users_file::date, zone::Zone};

const EXPIRES: &str = "expires";
const DIGEST: &str = "digest";
const LABEL: &str = "label";

/// Returns a list of one key.
pub(super) fn list(digest: &str, label: Option<&str>) -> Value {
    Value::Array(Array::from_iter([item(digest, label)]))
}

/// Returns an item of a list.
fn item(digest: &str, label: Option<&str>) -> Value {
    match label {
        None => digest.into(),
        Some(label) => Value::InlineTable(InlineTable::from_iter([(DIGEST, digest), (LABEL, label)])),
    }
}

/// Returns the number of keys.
pub(super) fn count(keys: &Item) -> usize {
    keys.as_array()
        .map(Array::len)
        .or_else(|| keys.as_array_of_tables().map(toml_edit::ArrayOfTables::len))
        .unwrap_or(0)
}

/// Adds a key after the others.
///
/// # Errors
/// [`EditError::Malformed`].
pub(super) fn add(entry: &mut Item, digest: &str, label: Option<&str>) -> Result<(), EditError> {
    match keys_of(entry)? {
        None => return entry::put(entry, UserField::Keys.name(), list(digest, label)),
        Some(Item::Value(Value::Array(keys))) => push(keys, item(digest, label)),
        Some(Item::ArrayOfTables(keys)) => {
            let mut key = Table::new();
            key.insert(DIGEST, digest.into());
            if let Some(label) = label {
                key.insert(LABEL, label.into());
            }
            keys.push(key);
        }
        Some(_) => return Err(EditError::Malformed),
    }
    Ok(())
}

/// Lets each key expire at an instant, but for those that expire earlier.
///
/// # Errors
/// [`EditError::Malformed`].
pub(super) fn expire(entry: &mut Item, at: &Moment, zone: &Zone) -> Result<(), EditError> {
    match keys_of(entry)? {
        None => {}
        Some(Item::Value(Value::Array(keys))) => {
            for key in keys.iter_mut() {
                expire_item(key, at, zone)?;
            }
        }
        Some(Item::ArrayOfTables(keys)) => keys.iter_mut().for_each(|key| expire_table(key, at, zone)),
        Some(_) => return Err(EditError::Malformed),
    }
    Ok(())
}

fn keys_of(entry: &mut Item) -> Result<Option<&mut Item>, EditError> {
    Ok(entry.as_table_like_mut().ok_or(EditError::Malformed)?.get_mut(UserField::Keys.name()))
}

/// Adds an item to a list. In a list of several lines it gets a line of its own.
fn push(keys: &mut Array, mut key: Value) {
    let text = |raw: Option<&RawString>| raw.and_then(RawString::as_str).unwrap_or_default().to_owned();
    let has_comma = keys.trailing_comma();
    let (first, end) = keys.iter().last().map_or_else(Default::default, |last| {
        let end = if has_comma { Some(keys.trailing()) } else { last.decor().suffix() };
        (text(last.decor().prefix()), text(end))
    });
    if let Some((_, indent)) = first.rsplit_once('\n') {
        // Comments after the last item stay in front of the new line.
        let (comments, end) = end.rsplit_once('\n').unwrap_or(("", &end));
        let end = format!("\n{end}");
        *key.decor_mut() = Decor::new(format!("{comments}\n{indent}"), if has_comma { "" } else { end.as_str() });
        if has_comma {
            keys.set_trailing(end);
        } else if let Some(last) = keys.iter_mut().last() {
            last.decor_mut().set_suffix("");
        }
    } else {
        let (before, after) = if keys.is_empty() { ("", "") } else { (" ", if has_comma { "" } else { end.as_str() }) };
        *key.decor_mut() = Decor::new(before, after);
        if let Some(last) = keys.iter_mut().last().filter(|_| !has_comma) {
            last.decor_mut().set_suffix("");
        }
    }
    keys.push_formatted(key);
}

fn expire_item(key: &mut Value, at: &Moment, zone: &Zone) -> Result<(), EditError> {
    if key.is_str() {
        let decor = std::mem::take(key.decor_mut());
        let mut digest = key.clone();
        *digest.decor_mut() = Decor::new(" ", " ");
        let mut table = InlineTable::new();
        table.insert(DIGEST, digest);
        *table.decor_mut() = decor;
        *key = Value::InlineTable(table);
    }
    let table = key.as_inline_table_mut().ok_or(EditError::Malformed)?;
    if !expires_before(table, at, zone) {
        entry::put_inline(table, EXPIRES, at.datetime().into());
    }
    Ok(())
}

fn expire_table(table: &mut Table, at: &Moment, zone: &Zone) {
    if !expires_before(table, at, zone) {
        entry::put_line(table, EXPIRES, at.datetime().into());
    }
}

/// Whether a key already expires at an instant, or earlier.
fn expires_before(key: &dyn TableLike, at: &Moment, zone: &Zone) -> bool {
    let current = key.get(EXPIRES).and_then(Item::as_datetime).and_then(|current| date::instant(current, zone));
    current.is_some_and(|current| current <= at.instant())
}
