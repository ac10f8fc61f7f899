//! The problems of a file.

use std::fmt;

use super::tree::Node;

/// One problem. Its `Display` is a sentence such as `line 7: users.Tom.networks must not be empty`.
#[derive(Clone, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub struct Problem {
    /// The line, counted from 1.
    pub line: usize,
    /// The path of the field.
    pub field: String,
    /// What is wrong, and what is allowed. It contains no secret.
    pub message: String,
}

/// Collects problems.
pub(crate) struct Problems<'t> {
    text: &'t str,
    found: Vec<Problem>,
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "line {}: {} {}", self.line, self.field, self.message)
    }
}

impl<'t> Problems<'t> {
    pub(crate) fn new(text: &'t str) -> Self {
        Self { text, found: Vec::new() }
    }

    pub(crate) fn add(&mut self, node: &Node, message: &str) {
        let problem = Problem { line: self.line(node), field: node.path.clone(), message: message.to_owned() };
        // A default that does not fit is found again for each user.
        if !self.found.contains(&problem) {
            self.found.push(problem);
        }
    }

    /// The line on which a value begins.
    pub(crate) fn line(&self, node: &Node) -> usize {
        line_of(self.text, node.offset)
    }

    /// # Errors
    /// All problems, in the order of their lines.
    pub(crate) fn finish(mut self) -> Result<(), Vec<Problem>> {
        self.found.sort_by_key(|problem| problem.line);
        if self.found.is_empty() { Ok(()) } else { Err(self.found) }
    }
}

/// The line of the byte at `offset`, counted from 1.
pub(crate) fn line_of(text: &str, offset: usize) -> usize {
    let before = text.get(..offset).unwrap_or(text);
    before.split('\n').count()
}
