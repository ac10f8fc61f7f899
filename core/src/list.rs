//! Settings that are lists.

/// The items of a list separated by commas or newlines, with their positions, counted from 1. Empty items are skipped.
pub(crate) fn items(list: &str) -> impl Iterator<Item = (usize, &str)> {
    (1..).zip(list.split([',', '\n']).map(str::trim).filter(|item| !item.is_empty()))
}
