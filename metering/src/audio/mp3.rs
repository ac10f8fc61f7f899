//! MP3: frames of MPEG audio, layer III, behind at most one
//! [ID3v2 tag](https://id3.org/id3v2.4.0-structure).

use super::{
    foreign,
    frame::{self, Layer},
};

/// Frames at the beginning, in a row: with 7, FFmpeg takes a file for MP3 whatever follows.
const FRAMES: usize = 8;

/// Bytes of the header of a tag.
const TAG_HEADER: usize = 10;

/// Returns the longest duration of a file: a byte is a millisecond at 8 kbit/s, the lowest rate of a frame. `None`: it is not
/// MP3, or may be something else too.
pub(super) fn milliseconds(file: &[u8]) -> Option<u64> {
    let mut rest = without_tag(file)?;
    for _ in 0..FRAMES {
        let (length, layer) = frame::mpeg(rest)?;
        if layer != Layer::Three {
            return None;
        }
        rest = rest.get(length..)?;
    }
    if foreign::may_have_streams(file) { None } else { u64::try_from(file.len()).ok() }
}

/// Returns what follows the tag. `None`: readers may find different ends of it.
fn without_tag(file: &[u8]) -> Option<&[u8]> {
    let Some(tag) = file.strip_prefix(b"ID3") else { return Some(file) };
    let [_major, _minor, flags, size @ ..] = tag.first_chunk::<7>()?;
    let has_footer = flags & 0x10 != 0;
    let is_safe = size.iter().all(u8::is_ascii);
    if has_footer || !is_safe {
        return None;
    }
    let size = size.iter().fold(0_usize, |size, byte| size << 7 | usize::from(*byte));
    file.get(TAG_HEADER.checked_add(size)?..)
}
