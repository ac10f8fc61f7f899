//! Reads JSON ([RFC 8259](https://www.rfc-editor.org/rfc/rfc8259)) without building a tree.
//!
//! [`Reader`] validates the whole text in one pass. Its caller visits the objects and arrays that it has to read
//! (`visit.rs`); everything else is only validated (`skip.rs`), without recursion.

mod names;
mod number;
mod scalar;
mod skip;
mod string;
mod visit;

pub(crate) use names::Names;
pub(crate) use string::plain_prefix;

use crate::error::BodyError;

/// Arrays and objects in each other, the body's own object included. `serde_json` has the same limit, and no client comes
/// near it: a schema of 30 levels is unusual.
const MAX_DEPTH: u32 = 127;

pub(crate) type Result<T> = std::result::Result<T, BodyError>;

/// A position in a JSON text.
#[derive(Debug)]
pub(crate) struct Reader<'a> {
    length: usize,
    rest: &'a [u8],
    /// The objects and arrays that the caller visits at the moment.
    depth: u32,
}

impl<'a> Reader<'a> {
    /// Starts at the first value.
    ///
    /// # Errors
    ///
    /// [`BodyError::Utf8`]. UTF-8 is checked here at once, because that is faster than in each string.
    pub(crate) fn new(text: &'a [u8]) -> Result<Self> {
        std::str::from_utf8(text).map_err(|error| BodyError::Utf8 { at: error.valid_up_to() })?;
        let mut reader = Self { length: text.len(), rest: text, depth: 0 };
        reader.whitespace();
        Ok(reader)
    }

    /// Checks that nothing follows.
    ///
    /// # Errors
    ///
    /// [`BodyError::Json`].
    pub(crate) fn end(&mut self) -> Result<()> {
        self.whitespace();
        if self.rest.is_empty() { Ok(()) } else { Err(self.invalid()) }
    }

    /// Returns the first byte of the value.
    ///
    /// # Errors
    ///
    /// [`BodyError::Json`]: the text ends here.
    pub(crate) fn peek(&self) -> Result<u8> {
        self.rest.first().copied().ok_or_else(|| self.invalid())
    }

    /// Whether the value is a list without items.
    pub(crate) fn is_empty_list(&self) -> bool {
        self.rest.strip_prefix(b"[").is_some_and(|rest| rest.trim_ascii_start().first() == Some(&b']'))
    }

    /// Returns the number of bytes before the current position.
    pub(crate) fn position(&self) -> usize {
        self.length.saturating_sub(self.rest.len())
    }

    /// The error at the current position.
    fn invalid(&self) -> BodyError {
        BodyError::Json { at: self.position() }
    }

    fn whitespace(&mut self) {
        while let [b' ' | b'\n' | b'\r' | b'\t', rest @ ..] = self.rest {
            self.rest = rest;
        }
    }

    fn next(&mut self) -> Result<u8> {
        let (byte, rest) = self.rest.split_first().ok_or_else(|| self.invalid())?;
        self.rest = rest;
        Ok(*byte)
    }

    /// Reads the byte, if it is the next one.
    fn take(&mut self, byte: u8) -> bool {
        let rest = self.rest.strip_prefix(&[byte]);
        self.rest = rest.unwrap_or(self.rest);
        rest.is_some()
    }

    fn expect(&mut self, byte: u8) -> Result<()> {
        if self.take(byte) { Ok(()) } else { Err(self.invalid()) }
    }

    fn literal(&mut self, literal: &[u8]) -> Result<()> {
        self.rest = self.rest.strip_prefix(literal).ok_or_else(|| self.invalid())?;
        Ok(())
    }
}

#[cfg(test)]
mod tests;
