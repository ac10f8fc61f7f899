//! WAV ([Multiple channel audio data](https://learn.microsoft.com/windows-hardware/drivers/audio/extensible-wave-format-descriptors))
//! with samples that are not compressed.
//!
//! ```text
//! "RIFF" SIZE "WAVE"
//! "fmt " 16   FORMAT:2 CHANNELS:2 RATE:4 BYTES_PER_SECOND:4 BYTES_PER_BLOCK:2 BITS_PER_SAMPLE:2
//! "data" SIZE SAMPLES
//! ```
//!
//! Other chunks may stand before `data`. A size is 4 bytes, the lowest first. What contradicts itself is not read.

use super::foreign;

pub(super) const MAGIC: &[u8] = b"RIFF";

/// Chunks without samples, or what decodes them.
const SKIPPED: [&[u8; 4]; 14] = [
    b"LIST", b"JUNK", b"junk", b"PAD ", b"FLLR", b"bext", b"iXML", b"PEAK", b"cue ", b"smpl", b"inst", b"id3 ",
    b"cart", b"DISP",
];

const PCM: u16 = 1;
const FLOAT: u16 = 3;
/// The format follows as a GUID, whose first two bytes are one of those above.
const EXTENSIBLE: u16 = 0xfffe;
const GUID_END: [u8; 14] = [0, 0, 0, 0, 0x10, 0, 0x80, 0, 0, 0xaa, 0, 0x38, 0x9b, 0x71];

const SECOND_MILLISECONDS: u64 = 1_000;

/// How samples are stored.
struct Format {
    bytes_per_second: u64,
    bytes_per_block: u64,
    /// Whether decoders look for compressed audio in the samples.
    is_16_bit: bool,
}

/// Returns the longest duration of a file: all that follows the header of `data` counts as samples.
pub(super) fn milliseconds(file: &[u8]) -> Option<u64> {
    let (_size, rest) = file.strip_prefix(MAGIC)?.split_first_chunk::<4>()?;
    let mut rest = rest.strip_prefix(b"WAVE")?;
    let (mut format, mut blocks) = (None, None);
    loop {
        let (id, after) = rest.split_first_chunk::<4>()?;
        let (size, content) = after.split_first_chunk::<4>()?;
        let size = u32::from_le_bytes(*size);
        if id == b"data" {
            return duration(&format?, blocks, size, content);
        }
        let (chunk, after) = content.split_at_checked(usize::try_from(size).ok()?)?;
        match id {
            b"fmt " if format.is_none() => format = Some(read_format(chunk)?),
            b"fact" if blocks.is_none() => blocks = Some(u32::from_le_bytes(*chunk.first_chunk()?)),
            _ if SKIPPED.contains(&id) => {}
            _ => return None,
        }
        rest = if size % 2 == 0 { after } else { after.get(1..)? };
    }
}

fn read_format(chunk: &[u8]) -> Option<Format> {
    let (&[f0, f1, c0, c1, r0, r1, r2, r3, s0, s1, s2, s3, b0, b1, w0, w1], extension) =
        chunk.split_first_chunk::<16>()?;
    let number = |bytes| u64::from(u16::from_le_bytes(bytes));
    let format = match u16::from_le_bytes([f0, f1]) {
        EXTENSIBLE => {
            let [_, _, _, _, _, _, _, _, g0, g1, end @ ..] = *extension.first_chunk::<24>()?;
            Some(u16::from_le_bytes([g0, g1])).filter(|_| end == GUID_END)?
        }
        format => format,
    };
    let (channels, bits) = (number([c0, c1]), number([w0, w1]));
    let is_known = match format {
        PCM => [8, 16, 24, 32].contains(&bits),
        FLOAT => [32, 64].contains(&bits),
        _ => false,
    };
    let bytes_per_block = number([b0, b1]);
    let bytes_per_second = u64::from(u32::from_le_bytes([s0, s1, s2, s3]));
    let rate = u64::from(u32::from_le_bytes([r0, r1, r2, r3]));
    let is_whole = is_known
        && bytes_per_block == channels.saturating_mul(bits / 8)
        && bytes_per_second == rate.saturating_mul(bytes_per_block)
        && bytes_per_second > 0;
    is_whole.then_some(Format { bytes_per_second, bytes_per_block, is_16_bit: bits == 16 })
}

fn duration(format: &Format, blocks: Option<u32>, size: u32, samples: &[u8]) -> Option<u64> {
    // Programs that write to a pipe cannot go back to set a size.
    let is_open = |size: u32| size == 0 || size == u32::MAX;
    let length = u64::try_from(samples.len()).ok()?;
    let is_within = |size: u32, bytes: u64| is_open(size) || u64::from(size).saturating_mul(bytes) <= length;
    if !is_within(size, 1) || !blocks.is_none_or(|blocks| is_within(blocks, format.bytes_per_block)) {
        return None;
    }
    if format.is_16_bit && foreign::may_have_frames(samples) {
        return None;
    }
    Some(length.saturating_mul(SECOND_MILLISECONDS).div_ceil(format.bytes_per_second))
}
