//! Finds the lines of a response head.

use memchr::memchr_iter;

use super::head_error::HeadError;

/// The longest head, in bytes: positions fit 16 bits, so a [`Line`] has 4 bytes. OpenAI's heads have about 2 KB.
pub(super) const HEAD_MAX: usize = u16::MAX as usize;
/// The most headers. OpenAI's heads have about 30.
pub(super) const HEADERS_MAX: usize = 128;

/// The position of a line in a head, without its line break.
#[derive(Clone, Copy, Default)]
pub(crate) struct Line {
    start: u16,
    end: u16,
}

impl Line {
    /// The text of the line.
    pub(crate) fn of(self, head: &[u8]) -> &[u8] {
        &head[usize::from(self.start)..usize::from(self.end)]
    }
}

/// Finds the lines of a head ([RFC 9112 §2.2](https://www.rfc-editor.org/rfc/rfc9112#section-2.2): a lone LF ends a
/// line too); returns their count and the head's length. `None` if its empty last line has not arrived.
pub(super) fn find(bytes: &[u8], lines: &mut [Line]) -> Result<Option<(usize, usize)>, HeadError> {
    let mut start = 0;
    for (count, end) in memchr_iter(b'\n', bytes).enumerate() {
        let line = &bytes[start..end];
        let line = line.strip_suffix(b"\r").unwrap_or(line);
        if line.is_empty() {
            return Ok(Some((count, end + 1)));
        }
        *lines.get_mut(count).ok_or(HeadError::TooLong)? =
            Line { start: to_u16(start)?, end: to_u16(start + line.len())? };
        start = end + 1;
    }
    if bytes.len() > HEAD_MAX { Err(HeadError::TooLong) } else { Ok(None) }
}

fn to_u16(position: usize) -> Result<u16, HeadError> {
    u16::try_from(position).map_err(|_| HeadError::TooLong)
}
