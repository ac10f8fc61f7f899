//! Settings that are lists.

use std::fmt;

/// Where an item of a list stands.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Position {
    /// The item's number in the list, counted from 1.
    pub number: usize,
    /// Its line, counted from 1, in a list of several lines.
    pub line: Option<usize>,
}

/// The items of a list separated by commas or newlines, with their positions. Empty items are skipped, and a `#` begins a
/// comment up to the end of the line.
pub fn items(list: &str) -> impl Iterator<Item = (Position, &str)> {
    let has_lines = list.trim().contains('\n');
    let lines = (1..).zip(list.lines().map(|line| line.split('#').next().unwrap_or_default()));
    let items = lines.flat_map(|(line, text)| text.split(',').map(move |item| (line, item.trim())));
    let items = (1..).zip(items.filter(|(_, item)| !item.is_empty()));
    items.map(move |(number, (line, item))| (Position { number, line: has_lines.then_some(line) }, item))
}

impl fmt::Display for Position {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "item {}", self.number)?;
        self.line.map_or(Ok(()), |line| write!(f, " (line {line})"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn positions(list: &str) -> Vec<(String, &str)> {
        items(list).map(|(position, item)| (position.to_string(), item)).collect()
    }

    #[test]
    fn items_and_lines() {
        let item = |position: &str, item| (position.to_owned(), item);
        assert_eq!(positions(" a,, b\n"), [item("item 1", "a"), item("item 2", "b")]);
        assert_eq!(
            positions("# Tom's\na, b # old\n\n c\r\n#d"),
            [item("item 1 (line 2)", "a"), item("item 2 (line 2)", "b"), item("item 3 (line 4)", "c")]
        );
        assert_eq!(positions("#"), []);
    }
}
