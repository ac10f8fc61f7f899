//! What the files of owners in TOML share: a document as a tree with places, and the problems that are found in it.

pub(crate) mod problem;
pub(crate) mod tree;

pub use problem::Problem;

use self::problem::line_of;

/// The problem of a text that is not TOML.
pub(crate) fn syntax_problem(text: &str, error: &toml_edit::TomlError) -> Problem {
    // The error's `Display` quotes the line, which can contain a key; its message does not.
    let line = line_of(text, error.span().map_or(0, |span| span.start));
    Problem { line, field: "the file".to_owned(), message: format!("cannot be read: {}", error.message()) }
}
