//! JSON strings ([RFC 8259 §7](https://www.rfc-editor.org/rfc/rfc8259#section-7)).

use super::{Reader, Result};

/// Bytes that are looked at together.
const WORD: usize = size_of::<u64>();

impl<'a> Reader<'a> {
    /// Reads a string. Returns its content as it was sent, escapes included.
    pub(crate) fn string(&mut self) -> Result<&'a [u8]> {
        self.expect(b'"')?;
        let start = self.rest;
        loop {
            self.rest = self.rest.get(plain_prefix(self.rest)..).unwrap_or_default();
            match self.peek()? {
                b'"' => break,
                b'\\' => self.escape()?,
                _control => return Err(self.invalid()),
            }
        }
        let content = start.get(..start.len().saturating_sub(self.rest.len())).unwrap_or_default();
        self.expect(b'"')?;
        Ok(content)
    }

    fn escape(&mut self) -> Result<()> {
        let start = self.rest;
        self.expect(b'\\')?;
        let is_valid = match self.next()? {
            b'"' | b'\\' | b'/' | b'b' | b'f' | b'n' | b'r' | b't' => true,
            b'u' => match self.code_unit()? {
                // A pair of surrogates, or none: OpenAI and most upstreams refuse a lone one.
                0xd800..=0xdbff => {
                    self.literal(b"\\u")?;
                    matches!(self.code_unit()?, 0xdc00..=0xdfff)
                }
                0xdc00..=0xdfff => false,
                _ => true,
            },
            _ => false,
        };
        if is_valid {
            return Ok(());
        }
        self.rest = start;
        Err(self.invalid())
    }

    /// Reads four hexadecimal digits.
    fn code_unit(&mut self) -> Result<u32> {
        let mut unit = 0;
        for _ in 0..4 {
            let digit = char::from(self.peek()?).to_digit(16).ok_or_else(|| self.invalid())?;
            unit = unit << 4 | digit;
            self.next()?;
        }
        Ok(unit)
    }
}

/// The number of bytes before the first quote, backslash or control character.
pub(crate) fn plain_prefix(text: &[u8]) -> usize {
    // A key ends in its first word or two.
    let mut position = 0_usize;
    if let Some((words, _)) = text.split_first_chunk::<{ 2 * WORD }>() {
        for word in words.as_chunks::<WORD>().0 {
            let found = special(*word);
            if found != 0 {
                return position.wrapping_add((found.trailing_zeros() / u8::BITS) as usize);
            }
            position = position.wrapping_add(WORD);
        }
    }
    // Four words at a time, for long strings such as images.
    let (blocks, _) = text.get(position..).unwrap_or_default().as_chunks::<{ 4 * WORD }>();
    for block in blocks {
        let (words, _) = block.as_chunks::<WORD>();
        if words.iter().fold(0, |found, word| found | special(*word)) != 0 {
            break;
        }
        position = position.wrapping_add(4 * WORD);
    }
    let (words, _) = text.get(position..).unwrap_or_default().as_chunks::<WORD>();
    for word in words {
        let found = special(*word);
        if found != 0 {
            return position.wrapping_add((found.trailing_zeros() / u8::BITS) as usize);
        }
        position = position.wrapping_add(WORD);
    }
    let rest = text.get(position..).unwrap_or_default();
    let is_special = |byte: &u8| matches!(byte, b'"' | b'\\' | ..=0x1f);
    position.wrapping_add(rest.iter().position(is_special).unwrap_or(rest.len()))
}

/// Sets the highest bit of the first special byte, and of none before it
/// ([Bit Twiddling Hacks](https://graphics.stanford.edu/~seander/bithacks.html#HasLessInWord)).
fn special(word: [u8; WORD]) -> u64 {
    const ONES: u64 = u64::MAX / 0xff;
    const HIGH: u64 = ONES << 7;
    let word = u64::from_le_bytes(word);
    let less = |word: u64, bound: u8| word.wrapping_sub(ONES.wrapping_mul(bound.into())) & !word & HIGH;
    let equal = |byte: u8| less(word ^ ONES.wrapping_mul(byte.into()), 1);
    less(word, b' ') | equal(b'"') | equal(b'\\')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn special_bytes_at_each_position() {
        for length in 0..80 {
            for byte in 0..=u8::MAX {
                for at in 0..length {
                    let mut text = vec![b'a'; length];
                    text[at] = byte;
                    let is_special = byte < 0x20 || byte == b'"' || byte == b'\\';
                    assert_eq!(plain_prefix(&text), if is_special { at } else { length }, "{byte} at {at} of {length}");
                }
            }
        }
    }

    #[test]
    fn neighbours_do_not_hide_each_other() {
        for first in 0..=u8::MAX {
            for second in 0..=u8::MAX {
                let text = [b'a', first, second, b'a', b'a', b'a', b'a', b'a'];
                let is_special = |byte: &u8| *byte < 0x20 || *byte == b'"' || *byte == b'\\';
                assert_eq!(plain_prefix(&text), text.iter().position(is_special).unwrap_or(8), "{text:?}");
            }
        }
    }
}
