//! A string or number that may arrive in pieces.

/// Bytes of the longest token that is kept. A model's name has at most 512, and each may be an escape of two.
pub(super) const TOKEN_MAX: usize = 1_024;

/// The pieces of a token but the last one.
#[derive(Debug, Default)]
pub(super) struct Token {
    bytes: Vec<u8>,
    is_too_long: bool,
}

impl Token {
    pub(super) fn clear(&mut self) {
        self.bytes.clear();
        self.is_too_long = false;
    }

    /// Whether no byte was appended.
    pub(super) fn is_at_start(&self) -> bool {
        self.bytes.is_empty() && !self.is_too_long
    }

    /// Adds a piece.
    pub(super) fn append(&mut self, piece: &[u8]) {
        self.is_too_long |= self.bytes.len().saturating_add(piece.len()) > TOKEN_MAX;
        if !self.is_too_long {
            self.bytes.extend_from_slice(piece);
        }
    }

    /// Adds the last piece, and returns the token. A token that is not split is not copied. `None`: it is too long.
    pub(super) fn complete<'t>(&'t mut self, last: &'t [u8]) -> Option<&'t [u8]> {
        if self.is_at_start() {
            return (last.len() <= TOKEN_MAX).then_some(last);
        }
        self.append(last);
        (!self.is_too_long).then_some(&self.bytes)
    }
}
