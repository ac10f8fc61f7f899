//! The entry of a user, and its fields.

use toml_edit::{DocumentMut, InlineTable, Item, Key, Table, Value};

use super::EditError;

/// Returns the entry of a user.
///
/// # Errors
/// [`EditError::NoEntry`].
pub(super) fn find<'a>(document: &'a mut DocumentMut, user: &str) -> Result<&'a mut Item, EditError> {
    let users = document.get_mut("users").and_then(Item::as_table_like_mut);
    users.and_then(|users| users.get_mut(user)).filter(|entry| !entry.is_none()).ok_or(EditError::NoEntry)
}

/// Sets a field. The comments above it and on its line stay.
///
/// # Errors
/// [`EditError::Malformed`].
pub(super) fn put(entry: &mut Item, field: &str, value: Value) -> Result<(), EditError> {
    match entry {
        Item::Table(table) => put_line(table, field, value),
        Item::Value(Value::InlineTable(table)) => put_inline(table, field, value),
        Item::None | Item::Value(_) | Item::ArrayOfTables(_) => return Err(EditError::Malformed),
    }
    Ok(())
}

/// Sets a field of a table with lines of its own.
pub(super) fn put_line(table: &mut Table, field: &str, mut value: Value) {
    if let Some(Item::Value(old)) = table.get_mut(field) {
        *value.decor_mut() = old.decor().clone();
        *old = value;
        return;
    }
    table.remove(field);
    let indent = table.get_values().last().and_then(|(path, _)| path.last().copied()).map(indent).unwrap_or_default();
    table.insert(field, Item::Value(value));
    if let Some(mut key) = table.key_mut(field) {
        key.leaf_decor_mut().set_prefix(indent);
    }
}

/// The white space between the start of a key's line and the key.
fn indent(key: &Key) -> String {
    let prefix = key.leaf_decor().prefix().and_then(|prefix| prefix.as_str()).unwrap_or_default();
    prefix.rsplit('\n').next().unwrap_or_default().to_owned()
}

/// Sets a field of an inline table.
pub(super) fn put_inline(table: &mut InlineTable, field: &str, mut value: Value) {
    if let Some(old) = table.get_mut(field) {
        *value.decor_mut() = old.decor().clone();
        *old = value;
        return;
    }
    // The white space before the closing bracket stays there.
    if let Some((_, last)) = table.iter_mut().last()
        && !matches!(last, Value::InlineTable(last) if last.is_dotted())
    {
        let suffix = last.decor().suffix().cloned().unwrap_or_else(|| " ".into());
        last.decor_mut().set_suffix("");
        value.decor_mut().set_prefix(" ");
        value.decor_mut().set_suffix(suffix);
    }
    table.insert(field, value);
}

/// Removes a field of an inline table; returns whether it was there.
pub(super) fn remove_inline(table: &mut InlineTable, field: &str) -> bool {
    let Some(removed) = table.remove(field) else { return false };
    if let Some((_, last)) = table.iter_mut().last() {
        let has_suffix = last.decor().suffix().and_then(|suffix| suffix.as_str()).is_some_and(|text| !text.is_empty());
        if let Some(suffix) = removed.decor().suffix().cloned().filter(|_| !has_suffix) {
            last.decor_mut().set_suffix(suffix);
        }
    }
    true
}
