//! Events of one line of data that arrive in one piece: nearly all events of a stream.

use memchr::memchr;

/// The field of a line of data.
pub(super) const DATA: &[u8] = b"data:";

/// An event of one line, in the piece that has all of it.
#[derive(Clone, Copy, Debug)]
pub(super) struct DataEvent<'a> {
    /// The bytes of the event, with the empty line that ends it.
    pub(super) bytes: &'a [u8],
    /// What follows `data:`, up to the end of the line.
    pub(super) data: &'a [u8],
}

impl<'a> DataEvent<'a> {
    /// Splits the event at the beginning off, and returns what follows it.
    pub(super) fn split(piece: &'a [u8]) -> Option<(Self, &'a [u8])> {
        let line = piece.strip_prefix(DATA)?;
        let (data, rest) = line.split_at_checked(memchr(b'\n', line)?)?;
        let rest = rest.strip_prefix(b"\n\n").or_else(|| rest.strip_prefix(b"\n\r\n"))?;
        let (bytes, rest) = piece.split_at_checked(piece.len().checked_sub(rest.len())?)?;
        Some((Self { bytes, data }, rest))
    }
}
