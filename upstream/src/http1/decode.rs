//! Decodes a response body ([RFC 9112 §6, §7.1](https://www.rfc-editor.org/rfc/rfc9112#section-6)), without I/O.

use bytes::{Buf as _, Bytes, BytesMut};

/// Bytes of chunk extensions, trailers and leading zeros in a body. They are ignored, so more than 16 KiB are an attack
/// ([RFC 9112 §7.1.1](https://www.rfc-editor.org/rfc/rfc9112#section-7.1.1)).
const IGNORED_MAX: usize = 16 * 1024;

/// Why a body is invalid.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum DecodeError {
    /// A chunk size is not a hexadecimal number of at most 64 bits.
    #[error("invalid chunk size")]
    Size,
    /// A line of the chunked coding does not end with CR LF.
    #[error("missing CR LF in the chunked coding")]
    Line,
    /// Too many ignored bytes.
    #[error("chunk extensions, trailers or leading zeros are too long")]
    TooLong,
}

/// Finds the data of a body in the bytes of a connection
/// ([RFC 9112 §6.3](https://www.rfc-editor.org/rfc/rfc9112#section-6.3)). Exhaustive: HTTP/1.1 has these three.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Decoder {
    /// `Content-Length`: the bytes that remain.
    Length(u64),
    /// The chunked transfer coding.
    Chunked(Chunked),
    /// The body ends when the connection closes.
    UntilClose,
}

/// The state of the chunked coding ([RFC 9112 §7.1](https://www.rfc-editor.org/rfc/rfc9112#section-7.1)).
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Chunked {
    state: ChunkState,
    /// Ignored bytes so far.
    ignored: usize,
}

/// What is expected next.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum ChunkState {
    FirstDigit,
    Digits(u64),
    Extension(u64),
    SizeLf(u64),
    Data(u64),
    DataCr,
    DataLf,
    /// The first byte of a trailer, or the CR of the final line.
    Trailer,
    TrailerRest,
    TrailerLf,
    LastLf,
    End,
    /// Invalid; the error is returned at the next call.
    Broken(DecodeError),
}

impl Decoder {
    /// A decoder for the chunked coding.
    #[must_use]
    pub fn chunked() -> Self {
        Self::Chunked(Chunked { state: ChunkState::FirstDigit, ignored: 0 })
    }

    /// Removes the body's bytes from the front of `buffer` and returns their data in one piece.
    ///
    /// # Errors
    /// [`DecodeError`]; the connection cannot be used further.
    pub fn decode(&mut self, buffer: &mut BytesMut) -> Result<Bytes, DecodeError> {
        match self {
            Self::Length(remaining) => {
                let data = buffer.split_to(usize::try_from(*remaining).unwrap_or(usize::MAX).min(buffer.len()));
                *remaining -= data.len() as u64;
                Ok(data.freeze())
            }
            Self::Chunked(chunked) => chunked.decode(buffer),
            Self::UntilClose => Ok(buffer.split().freeze()),
        }
    }

    /// Whether the body is complete.
    #[must_use]
    pub fn is_end_stream(&self) -> bool {
        matches!(self, Self::Length(0) | Self::Chunked(Chunked { state: ChunkState::End, .. }))
    }

    /// Whether the body ends when the connection closes.
    #[must_use]
    pub fn ends_at_close(&self) -> bool {
        *self == Self::UntilClose
    }

    /// The bytes of data that remain, if known.
    #[must_use]
    pub fn remaining(&self) -> Option<u64> {
        if let Self::Length(remaining) = self { Some(*remaining) } else { self.is_end_stream().then_some(0) }
    }
}

impl Chunked {
    /// Moves the data of all chunks behind that of the first, so that it is written in one piece: one system call
    /// instead of one per chunk.
    fn decode(&mut self, buffer: &mut BytesMut) -> Result<Bytes, DecodeError> {
        let mut read = 0;
        let mut data = 0..0;
        while let (Some(byte), true) = (buffer.get(read).copied(), self.state != ChunkState::End) {
            if let ChunkState::Data(remaining) = self.state {
                let length = usize::try_from(remaining).unwrap_or(usize::MAX).min(buffer.len() - read);
                if data.is_empty() {
                    data = read..read;
                }
                // The first chunk stays: musl's `memmove` would copy it onto itself, byte by byte.
                if read != data.end {
                    buffer.copy_within(read..read + length, data.end);
                }
                data.end += length;
                read += length;
                let remaining = remaining - length as u64;
                self.state = if remaining == 0 { ChunkState::DataCr } else { ChunkState::Data(remaining) };
            } else if let Some((state, length)) = self.next_usual(&buffer[read..]) {
                self.state = state;
                read += length;
            } else {
                match self.next(byte) {
                    Ok(state) => self.state = state,
                    Err(error) if data.is_empty() => return Err(error),
                    // The data before the error is returned first.
                    Err(error) => {
                        self.state = ChunkState::Broken(error);
                        break;
                    }
                }
                read += 1;
            }
        }
        let mut taken = buffer.split_to(read);
        taken.truncate(data.end);
        taken.advance(data.start);
        Ok(taken.freeze())
    }

    /// The usual bytes between the data of two chunks, read at once: this takes half the instructions of the same steps by
    /// [`next`](Self::next). Returns the next state and how many bytes were read.
    fn next_usual(&self, bytes: &[u8]) -> Option<(ChunkState, usize)> {
        match self.state {
            ChunkState::DataCr if bytes.starts_with(b"\r\n") => Some((ChunkState::FirstDigit, 2)),
            ChunkState::FirstDigit => usual_size(bytes),
            _ => None,
        }
    }

    fn next(&mut self, byte: u8) -> Result<ChunkState, DecodeError> {
        Ok(match (self.state, byte) {
            (ChunkState::FirstDigit, _) => ChunkState::Digits(digit(byte).ok_or(DecodeError::Size)?),
            (ChunkState::Digits(size) | ChunkState::Extension(size), b'\r') => ChunkState::SizeLf(size),
            (ChunkState::Digits(size), b';' | b' ' | b'\t') => ChunkState::Extension(size),
            (ChunkState::Digits(0), b'0') => self.ignore(self.state)?,
            (ChunkState::Digits(size), _) => {
                let digit = digit(byte).ok_or(DecodeError::Size)?;
                ChunkState::Digits(
                    size.checked_mul(16).and_then(|size| size.checked_add(digit)).ok_or(DecodeError::Size)?,
                )
            }
            (ChunkState::Extension(_) | ChunkState::Trailer | ChunkState::TrailerRest, b'\n') => {
                return Err(DecodeError::Line);
            }
            (ChunkState::Extension(_), _) => self.ignore(self.state)?,
            (ChunkState::SizeLf(0) | ChunkState::TrailerLf, b'\n') => ChunkState::Trailer,
            (ChunkState::SizeLf(size), b'\n') => ChunkState::Data(size),
            (ChunkState::DataCr, b'\r') => ChunkState::DataLf,
            (ChunkState::DataLf, b'\n') => ChunkState::FirstDigit,
            (ChunkState::Trailer, b'\r') => ChunkState::LastLf,
            (ChunkState::TrailerRest, b'\r') => ChunkState::TrailerLf,
            (ChunkState::Trailer | ChunkState::TrailerRest, _) => self.ignore(ChunkState::TrailerRest)?,
            (ChunkState::LastLf, b'\n') => ChunkState::End,
            (
                ChunkState::SizeLf(_)
                | ChunkState::DataCr
                | ChunkState::DataLf
                | ChunkState::TrailerLf
                | ChunkState::LastLf,
                _,
            ) => {
                return Err(DecodeError::Line);
            }
            (ChunkState::Broken(error), _) => return Err(error),
            (ChunkState::Data(_) | ChunkState::End, _) => self.state,
        })
    }

    fn ignore(&mut self, next: ChunkState) -> Result<ChunkState, DecodeError> {
        self.ignored += 1;
        if self.ignored > IGNORED_MAX { Err(DecodeError::TooLong) } else { Ok(next) }
    }
}

/// Reads the size of a chunk with data, without extension or leading zeros.
fn usual_size(bytes: &[u8]) -> Option<(ChunkState, usize)> {
    const DIGITS_MAX: usize = 8;
    let (mut size, mut rest) = (0, bytes);
    while let Some((digit, next)) = rest.split_first().and_then(|(byte, next)| Some((digit(*byte)?, next))) {
        (size, rest) = (size * 16 + digit, next);
        if size == 0 || bytes.len() - rest.len() > DIGITS_MAX {
            return None;
        }
    }
    let data = rest.strip_prefix(b"\r\n").filter(|_| size > 0)?;
    Some((ChunkState::Data(size), bytes.len() - data.len()))
}

fn digit(byte: u8) -> Option<u64> {
    char::from(byte).to_digit(16).map(u64::from)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Decodes these pieces: the data, whether the body is complete, and the bytes after it.
    fn decode_all(pieces: &[&[u8]]) -> Result<(Vec<u8>, bool, Vec<u8>), DecodeError> {
        let (mut decoder, mut buffer, mut data) = (Decoder::chunked(), BytesMut::new(), Vec::new());
        for piece in pieces {
            buffer.extend_from_slice(piece);
            while !buffer.is_empty() && !decoder.is_end_stream() {
                data.extend(decoder.decode(&mut buffer)?);
            }
        }
        Ok((data, decoder.is_end_stream(), buffer.to_vec()))
    }

    #[test]
    fn chunks_are_joined() {
        let all = b"3\r\nabc\r\n4;x=\"y\"\r\ndefg\r\n00A \t\r\n0123456789\r\n0\r\nx: y\r\n\r\nHTTP";
        let (data, done, rest) = decode_all(&[all]).unwrap();
        assert_eq!((&data[..], done, &rest[..]), (&b"abcdefg0123456789"[..], true, &b"HTTP"[..]));
    }

    #[test]
    fn invalid_chunks() {
        for (bytes, error) in [
            ("x", DecodeError::Size),
            ("\r\n", DecodeError::Size),
            ("-1\r\n", DecodeError::Size),
            ("+1\r\n", DecodeError::Size),
            ("0x1\r\n", DecodeError::Size),
            ("1_0\r\n", DecodeError::Size),
            (" 1\r\n", DecodeError::Size),
            ("10000000000000000\r\n", DecodeError::Size),
            ("1\n", DecodeError::Size),
            ("1\rx", DecodeError::Line),
            ("1;a\n", DecodeError::Line),
            ("1\r\nab", DecodeError::Line),
            ("1\r\na\n", DecodeError::Line),
            ("1\r\na\rb", DecodeError::Line),
            ("0\r\n\n", DecodeError::Line),
            ("0\r\na: b\n", DecodeError::Line),
            ("0\r\na: b\rc", DecodeError::Line),
            ("0\r\n\rx", DecodeError::Line),
        ] {
            assert_eq!(decode_all(&[bytes.as_bytes()]), Err(error), "{bytes:?}");
        }
    }

    #[test]
    fn ignored_bytes_are_limited() {
        for (start, more) in [("1;", b'x'), ("1 ", b' '), ("0", b'0'), ("0\r\n", b'x'), ("0\r\na:", b'x')] {
            let endless = [start.as_bytes(), &vec![more; IGNORED_MAX + 1]].concat();
            assert_eq!(decode_all(&[&endless]), Err(DecodeError::TooLong), "{start:?}");
        }
        let most = [b"1;", &vec![b'x'; 16 * 1024][..], b"\r\na\r\n0\r\n\r\n"].concat();
        assert_eq!(decode_all(&[&most]), Ok((b"a".to_vec(), true, Vec::new())));
        let many = "0;xxxxxxxx\r\n".replace('0', "1").replace("\r\n", "\r\na\r\n").repeat(IGNORED_MAX / 8 + 1);
        assert_eq!(decode_all(&[many.as_bytes()]), Err(DecodeError::TooLong), "extensions of many chunks");
    }

    #[test]
    fn data_before_an_error_is_returned() {
        let (mut decoder, mut buffer) = (Decoder::chunked(), BytesMut::from("3\r\nabc\r\nx"));
        assert_eq!(decoder.decode(&mut buffer).unwrap(), "abc");
        assert!(!buffer.is_empty(), "the error is still to come");
        assert_eq!(decoder.decode(&mut buffer), Err(DecodeError::Size));
    }

    #[test]
    fn remaining_data() {
        let mut ended = Decoder::chunked();
        ended.decode(&mut BytesMut::from("0\r\n\r\n")).unwrap();
        let decoders = [Decoder::Length(5), Decoder::Length(0), Decoder::chunked(), ended, Decoder::UntilClose];
        assert_eq!(decoders.map(|decoder| decoder.remaining()), [Some(5), Some(0), None, Some(0), None]);
    }

    #[test]
    fn length_leaves_the_rest() {
        let (mut decoder, mut buffer) = (Decoder::Length(5), BytesMut::from("hello world"));
        assert_eq!(decoder.decode(&mut buffer).unwrap(), "hello");
        assert!(decoder.is_end_stream() && buffer == " world");
        assert!(Decoder::Length(0).is_end_stream() && !Decoder::UntilClose.is_end_stream());
    }

    proptest! {
        #[test]
        fn valid_bodies_split_invariance(
            chunks in prop::collection::vec(prop::collection::vec(any::<u8>(), 1..40), 0..8),
            cuts in prop::collection::vec(any::<prop::sample::Index>(), 0..12),
        ) {
            let mut bytes = Vec::new();
            for chunk in &chunks {
                let extension = if chunk.len() % 2 == 0 { ";e" } else { "" };
                bytes.extend(format!("{:x}{extension}\r\n", chunk.len()).as_bytes());
                bytes.extend(chunk);
                bytes.extend(b"\r\n");
            }
            bytes.extend(b"0\r\nt: u\r\n\r\nnext");
            let mut cuts: Vec<_> = cuts.iter().map(|cut| cut.index(bytes.len())).collect();
            cuts.extend([0, bytes.len()]);
            cuts.sort_unstable();
            let pieces: Vec<_> = cuts.windows(2).map(|cut| &bytes[cut[0]..cut[1]]).collect();
            prop_assert_eq!(decode_all(&pieces), Ok((chunks.concat(), true, b"next".to_vec())));
        }

        #[test]
        fn split_invariance(
            bytes in prop::collection::vec(prop_oneof![Just(b'\r'), Just(b'\n'), Just(b'0'), Just(b'2'), any::<u8>()], 0..40),
            cut in any::<prop::sample::Index>(),
        ) {
            let cut = cut.index(bytes.len() + 1);
            prop_assert_eq!(decode_all(&[&bytes[..cut], &bytes[cut..]]), decode_all(&[&bytes]));
        }
    }
}
