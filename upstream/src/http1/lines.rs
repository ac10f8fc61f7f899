//! Finds the lines of a response head.

use memchr::memchr;

use super::head_error::HeadError;

/// The longest head, in bytes: positions fit 16 bits, so a [`Line`] has 6 bytes. OpenAI's heads have about 2 KB.
pub(super) const HEAD_MAX: usize = u16::MAX as usize;
/// The most headers. OpenAI's heads have about 30.
pub(super) const HEADERS_MAX: usize = 128;

/// The position of a line in a head, without its line break.
#[derive(Clone, Copy, Default)]
pub(crate) struct Line {
    start: u16,
    end: u16,
    /// Whether it is the expected one.
    pub(super) is_expected: bool,
}

impl Line {
    /// The text of the line.
    pub(crate) fn of(self, head: &[u8]) -> &[u8] {
        &head[usize::from(self.start)..usize::from(self.end)]
    }
}

/// Finds the lines of a head ([RFC 9112 §2.2](https://www.rfc-editor.org/rfc/rfc9112#section-2.2): a lone LF ends a
/// line too); returns their count and the head's length. `None` if its empty last line has not arrived. `expected` are
/// the header lines of the last head: comparing one takes less than finding its end.
pub(super) fn find(
    bytes: &[u8],
    expected: &[Box<[u8]>],
    lines: &mut [Line],
) -> Result<Option<(usize, usize)>, HeadError> {
    let (mut start, mut count) = (0, 0_usize);
    loop {
        let rest = &bytes[start..];
        let expected = count.checked_sub(1).and_then(|index| expected.get(index));
        let expected =
            expected.filter(|line| rest.strip_prefix(&***line).is_some_and(|rest| rest.starts_with(b"\r\n")));
        let (length, next) = if let Some(line) = expected {
            (line.len(), line.len() + 2)
        } else {
            let Some(end) = memchr(b'\n', rest) else { break };
            let line = &rest[..end];
            (line.strip_suffix(b"\r").unwrap_or(line).len(), end + 1)
        };
        if length == 0 {
            return Ok(Some((count, start + next)));
        }
        *lines.get_mut(count).ok_or(HeadError::TooLong)? =
            Line { start: to_u16(start)?, end: to_u16(start + length)?, is_expected: expected.is_some() };
        start += next;
        count += 1;
    }
    if bytes.len() > HEAD_MAX { Err(HeadError::TooLong) } else { Ok(None) }
}

fn to_u16(position: usize) -> Result<u16, HeadError> {
    u16::try_from(position).map_err(|_| HeadError::TooLong)
}

/// Trims optional whitespace ([RFC 9110 §5.6.3](https://www.rfc-editor.org/rfc/rfc9110#section-5.6.3)).
pub(super) fn trim(mut value: &[u8]) -> &[u8] {
    while let [b' ' | b'\t', rest @ ..] | [rest @ .., b' ' | b'\t'] = value {
        value = rest;
    }
    value
}

/// Whether it has no control character but tabs, as the value of a header and a reason phrase must
/// ([RFC 9110 §5.5](https://www.rfc-editor.org/rfc/rfc9110#section-5.5)).
pub(super) fn is_text(bytes: &[u8]) -> bool {
    bytes.iter().all(|byte| !byte.is_ascii_control() || *byte == b'\t')
}
