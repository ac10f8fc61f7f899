//! Finds events that may have usage, without parsing them.

use memchr::memchr_iter;

/// The key, and how many bytes of it are before the rarest one in a chunk.
const KEY: &[u8] = b"\"usage\"";
const BEFORE_G: usize = 4;

/// Whether a text may have a key `usage` with another value than `null`. A string cannot contain the key, because its quotes
/// are escaped there.
pub(super) fn has_usage(text: &[u8]) -> bool {
    usages(text).any(|(_, value)| !value.starts_with(b"null"))
}

/// Returns the positions of the keys `usage`, and the text from their values on. A part of a longer key may be among them.
pub(super) fn usages(text: &[u8]) -> impl Iterator<Item = (usize, &[u8])> {
    memchr_iter(b'g', text).filter_map(|at| {
        let start = at.checked_sub(BEFORE_G)?;
        let value = text.get(start..)?.strip_prefix(KEY)?.trim_ascii_start().strip_prefix(b":")?;
        Some((start, value.trim_ascii_start()))
    })
}
