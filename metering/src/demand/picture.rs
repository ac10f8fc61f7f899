//! The size of a picture in a `data:` URL ([RFC 2397](https://www.rfc-editor.org/rfc/rfc2397)).
//!
//! The format follows from the first bytes, as for decoders; the media type of the URL is the client's claim. Only the headers
//! are decoded from base64. GIF is left out: a frame can be larger than the screen that its header names.

use std::borrow::Cow;

/// Pixels of the side of a square that is counted.
const PATCH: u64 = 32;

/// Segments or chunks before the size or the data. Cameras write less than 30.
const SEGMENTS_MAX: usize = 1_000;

/// Bytes of a text with escapes that are copied. Headers of pictures end far before.
const COPIED_MAX: usize = 1 << 20;

const PNG: &[u8] = b"\x89PNG\r\n\x1a\n";

/// Returns the number of squares that cover the picture. `None`: the URL is of another form, or the picture's size cannot be
/// read in one way only.
pub(super) fn patches(url: &[u8]) -> Option<u64> {
    let (scheme, rest) = url.split_at_checked(5)?;
    let comma = rest.iter().take(128).position(|byte| *byte == b',')?;
    let (head, data) = rest.split_at_checked(comma)?;
    let head = without_escapes(head)?.to_ascii_lowercase();
    if !scheme.eq_ignore_ascii_case(b"data:") || !head.ends_with(b";base64") {
        return None;
    }
    let data = Base64(without_escapes(data.get(1..)?)?);
    let Size { width, height, read } = data.size()?;
    // A decoder that skips other characters would find other bytes behind them.
    if !data.0.get(..read.div_ceil(3).checked_mul(4)?)?.iter().all(|character| sextet(*character).is_some()) {
        return None;
    }
    let squares = |pixels: u32| u64::from(pixels).div_ceil(PATCH);
    Some(squares(width).saturating_mul(squares(height))).filter(|patches| *patches > 0)
}

/// The text of a JSON string whose only escape is `\/`, which PHP writes for each `/`; only its beginning, if it has escapes.
fn without_escapes(content: &[u8]) -> Option<Cow<'_, [u8]>> {
    if memchr::memchr(b'\\', content).is_none() {
        return Some(Cow::Borrowed(content));
    }
    let start = content.get(..COPIED_MAX).map_or(content, |start| start.strip_suffix(b"\\").unwrap_or(start));
    let mut text = Vec::with_capacity(start.len());
    let mut parts = start.split(|byte| *byte == b'\\');
    text.extend_from_slice(parts.next()?);
    for part in parts {
        text.extend_from_slice(part.starts_with(b"/").then_some(part)?);
    }
    Some(Cow::Owned(text))
}

/// The size of a picture.
struct Size {
    width: u32,
    height: u32,
    /// How many of its bytes say so.
    read: usize,
}

/// Base64 without line breaks ([RFC 4648 §4](https://www.rfc-editor.org/rfc/rfc4648#section-4)), decoded where it is read.
struct Base64<'a>(Cow<'a, [u8]>);

impl Base64<'_> {
    /// Returns the bytes from a position on.
    fn bytes<const N: usize>(&self, start: usize) -> Option<[u8; N]> {
        let mut bytes = [0; N];
        for (byte, at) in bytes.iter_mut().zip(start..) {
            *byte = self.byte(at)?;
        }
        Some(bytes)
    }

    fn byte(&self, at: usize) -> Option<u8> {
        let group = (at / 3).checked_mul(4)?.checked_add(at % 3)?;
        let [first, second] = *self.0.get(group..group.checked_add(2)?)? else { return None };
        let [first, second] = [sextet(first)?, sextet(second)?];
        Some(match at % 3 {
            0 => first << 2 | second >> 4,
            1 => first << 4 | second >> 2,
            _ => first << 6 | second,
        })
    }

    fn size(&self) -> Option<Size> {
        match self.bytes::<12>(0)? {
            start if start.starts_with(PNG) => self.png(),
            [0xff, 0xd8, 0xff, ..] => self.jpeg(),
            [b'R', b'I', b'F', b'F', _, _, _, _, b'W', b'E', b'B', b'P'] => self.webp(),
            _ => None,
        }
    }

    /// <https://www.w3.org/TR/png-3/#11IHDR>. Some decoders take the last of several headers.
    fn png(&self) -> Option<Size> {
        let side = |at| self.bytes(at).map(u32::from_be_bytes);
        let mut found = None;
        let mut at = PNG.len();
        for _ in 0..SEGMENTS_MAX {
            let length = u32::from_be_bytes(self.bytes(at)?);
            let data = at.checked_add(8)?;
            match (&self.bytes::<4>(at.checked_add(4)?)?, found) {
                (b"IHDR", None) => found = Some((side(data)?, side(data.checked_add(4)?)?)),
                (b"IHDR", Some(_)) => return None,
                (b"IDAT", found) => return found.map(|(width, height)| Size { width, height, read: data }),
                _ => {}
            }
            at = data.checked_add(usize::try_from(length).ok()?)?.checked_add(4)?;
        }
        None
    }

    /// [ITU T.81, annex B](https://www.w3.org/Graphics/JPEG/itu-t81.pdf): segments up to the scan, one of them with the size.
    fn jpeg(&self) -> Option<Size> {
        let mut found = None;
        let mut at = 2_usize;
        for _ in 0..SEGMENTS_MAX {
            let [0xff, marker] = self.bytes(at)? else { return None };
            let length = u16::from_be_bytes(self.bytes(at.checked_add(2)?)?);
            match marker {
                // The height 0 stands for one that follows the scan.
                0xc0..=0xc3 | 0xc5..=0xc7 | 0xc9..=0xcb | 0xcd..=0xcf => {
                    let [h0, h1, w0, w1] = self.bytes(at.checked_add(5)?)?;
                    let sides = (u16::from_be_bytes([w0, w1]), u16::from_be_bytes([h0, h1]));
                    if found.replace(sides).is_some() {
                        return None;
                    }
                }
                0xda => {
                    let (width, height) = found?;
                    return Some(Size { width: width.into(), height: height.into(), read: at.checked_add(4)? });
                }
                // Markers without a length, and fill bytes, do not stand here in files that encoders write.
                0x00 | 0x01 | 0xd0..=0xd9 | 0xff => return None,
                _ => {}
            }
            at = at.checked_add(2)?.checked_add(length.into())?;
        }
        None
    }

    /// <https://www.rfc-editor.org/rfc/rfc9649#section-2>
    fn webp(&self) -> Option<Size> {
        let (width, height) = match &self.bytes::<4>(12)? {
            b"VP8X" => {
                let [w0, w1, w2, h0, h1, h2] = self.bytes(24)?;
                let side = |low, middle, high| u32::from_le_bytes([low, middle, high, 0]).saturating_add(1);
                (side(w0, w1, w2), side(h0, h1, h2))
            }
            b"VP8L" => {
                let [0x2f, b0, b1, b2, b3] = self.bytes(20)? else { return None };
                let bits = u32::from_le_bytes([b0, b1, b2, b3]);
                ((bits & 0x3fff).saturating_add(1), (bits >> 14 & 0x3fff).saturating_add(1))
            }
            b"VP8 " => {
                let [0x9d, 0x01, 0x2a, w0, w1, h0, h1] = self.bytes(23)? else { return None };
                let side = |low, high| u32::from(u16::from_le_bytes([low, high]) & 0x3fff);
                (side(w0, w1), side(h0, h1))
            }
            _ => return None,
        };
        Some(Size { width, height, read: 30 })
    }
}

fn sextet(character: u8) -> Option<u8> {
    Some(match character {
        b'A'..=b'Z' => character.wrapping_sub(b'A'),
        b'a'..=b'z' => character.wrapping_sub(b'a').wrapping_add(26),
        b'0'..=b'9' => character.wrapping_sub(b'0').wrapping_add(52),
        b'+' => 62,
        b'/' => 63,
        _ => return None,
    })
}

#[cfg(test)]
mod tests;
