//! Fields by their names in the price table.

/// A field: its name, and its place in a `T`.
pub(crate) type Field<T, V> = (&'static str, fn(&mut T) -> &mut V);
