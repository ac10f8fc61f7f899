//! The comments above what is removed: to where they move.

use toml_edit::{Decor, DocumentMut, Item, Key, RawString, Table};

/// Where a removed line stood.
#[derive(Clone, Copy, Debug)]
pub(super) struct Place(isize);

impl Place {
    pub(super) fn of(entry: &Item) -> Self {
        Self(entry.as_table().and_then(Table::position).unwrap_or(0))
    }
}

/// Returns the text between the line before an item and the item: white space and comments.
pub(super) fn above(key: &Key, item: &Item) -> String {
    let decor = match item {
        Item::Table(table) if table.is_dotted() => {
            table.get_values().first().and_then(|(path, _)| path.last().map(|key| key.leaf_decor()))
        }
        Item::Table(table) => Some(table.decor()),
        Item::None | Item::Value(_) | Item::ArrayOfTables(_) => Some(key.leaf_decor()),
    };
    decor.map(prefix).unwrap_or_default()
}

/// Returns the comments above an item that are separated from it by an empty line.
pub(super) fn detached(above: &str) -> &str {
    let mut start = 0_usize;
    let mut end = 0;
    for line in above.split_inclusive('\n') {
        start = start.saturating_add(line.len());
        if line.trim().is_empty() && line.ends_with('\n') {
            end = start;
        }
    }
    whole(above.get(..end).unwrap_or_default())
}

/// Returns the comments of a text, up to the end of the last one.
pub(super) fn whole(above: &str) -> &str {
    let last = above.rfind('#').unwrap_or(0);
    let end = above.get(last..).and_then(|rest| rest.find('\n')).map_or(last, |length| last.saturating_add(length));
    if above.contains('#') { above.get(..=end).unwrap_or(above) } else { "" }
}

/// Removes an item of a table. The kept comments move to the next line of the table, or are returned if there is none.
pub(super) fn remove_from(table: &mut Table, name: &str, kept: &str) -> String {
    let next = table.iter().skip_while(|(key, _)| *key != name).nth(1);
    let next = next.filter(|(_, item)| item.is_value()).map(|(key, _)| key.to_owned());
    let removed = table.remove(name);
    // The lines of a table come before the tables below it.
    let is_line = removed.is_some_and(|item| item.is_value());
    if let Some(mut next) = next.filter(|_| is_line).as_deref().and_then(|next| table.key_mut(next)) {
        prepend(next.leaf_decor_mut(), kept);
        return String::new();
    }
    kept.to_owned()
}

/// Puts comments in front of the table that follows, or at the end of the file.
pub(super) fn keep(document: &mut DocumentMut, place: Place, kept: &str) {
    if kept.is_empty() {
        return;
    }
    let mut next: Option<isize> = None;
    visit(document.as_table_mut(), &mut |table| {
        next = [next, table.position().filter(|position| *position > place.0)].into_iter().flatten().min();
    });
    let Some(next) = next else {
        let trailing = document.trailing().as_str().unwrap_or_default().to_owned();
        document.set_trailing(format!("{kept}{trailing}"));
        return;
    };
    visit(document.as_table_mut(), &mut |table| {
        if table.position() == Some(next) {
            prepend(table.decor_mut(), kept);
        }
    });
}

/// Returns the position of the last table.
pub(super) fn last_position(root: &mut Table) -> isize {
    let mut last = 0;
    visit(root, &mut |table| last = last.max(table.position().unwrap_or(0)));
    last
}

/// Puts text in front of what a decor begins with.
fn prepend(decor: &mut Decor, kept: &str) {
    let text = format!("{kept}{}", prefix(decor));
    if !kept.is_empty() {
        decor.set_prefix(text);
    }
}

fn prefix(decor: &Decor) -> String {
    decor.prefix().and_then(RawString::as_str).unwrap_or_default().to_owned()
}

/// Calls `see` with each table that has a header.
fn visit(table: &mut Table, see: &mut dyn FnMut(&mut Table)) {
    if !table.is_dotted() {
        see(table);
    }
    for (_, item) in table.iter_mut() {
        match item {
            Item::Table(table) => visit(table, see),
            Item::ArrayOfTables(tables) => tables.iter_mut().for_each(|table| visit(table, see)),
            Item::None | Item::Value(_) => {}
        }
    }
}
