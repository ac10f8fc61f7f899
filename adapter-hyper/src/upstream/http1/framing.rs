//! Where an answer's body ends ([RFC 9112 §6, §7.1](https://www.rfc-editor.org/rfc/rfc9112#section-6)). Bytes in, data out.

use bytes::{Buf as _, Bytes, BytesMut};

/// Chunk extensions, trailers and leading zeros mean nothing here; this many bytes of them in a body are somebody's attack.
const IGNORED_MAX: usize = 16 * 1024;

/// Why a body can't be read on.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
pub enum FramingError {
    /// A chunk's size is no number, or none that fits.
    #[error("a chunk's size is invalid")]
    Size,
    /// Something stands where a line should end.
    #[error("a chunk's line does not end as it should")]
    Line,
    /// There is no end of what means nothing.
    #[error("chunk extensions, trailers or leading zeros are too long")]
    TooLong,
}

/// Finds a body in the bytes of a connection.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Decoder {
    /// This many bytes are still to come.
    Length(u64),
    /// In chunks.
    Chunked(Chunked),
    /// To the connection's end.
    UntilClose,
}

/// How far a body in chunks has come.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Chunked {
    at: At,
    /// Bytes of extensions, trailers and leading zeros so far.
    ignored: usize,
}

/// What comes next.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum At {
    FirstDigit,
    Digits(u64),
    Extension(u64),
    SizeLf(u64),
    Data(u64),
    DataCr,
    DataLf,
    /// A trailer's first byte, or the CR of the line that ends all.
    Trailer,
    TrailerRest,
    TrailerLf,
    LastLf,
    End,
    /// Something that does not belong there.
    Broken(FramingError),
}

impl Decoder {
    /// Data in chunks.
    #[must_use]
    pub fn chunked() -> Self {
        Self::Chunked(Chunked { at: At::FirstDigit, ignored: 0 })
    }

    /// Takes what belongs to the body off the front of `buffer` and returns the data in it, in one piece.
    ///
    /// # Errors
    /// [`FramingError`]; the body is then broken, and so is the connection.
    pub fn decode(&mut self, buffer: &mut BytesMut) -> Result<Bytes, FramingError> {
        match self {
            Self::Length(left) => {
                let data = buffer.split_to(usize::try_from(*left).unwrap_or(usize::MAX).min(buffer.len()));
                *left -= data.len() as u64;
                Ok(data.freeze())
            }
            Self::Chunked(chunked) => chunked.decode(buffer),
            Self::UntilClose => Ok(buffer.split().freeze()),
        }
    }

    /// Whether all of the body was taken.
    #[must_use]
    pub fn is_done(&self) -> bool {
        matches!(self, Self::Length(0) | Self::Chunked(Chunked { at: At::End, .. }))
    }

    /// Whether the connection's end is the body's end.
    #[must_use]
    pub fn ends_with_connection(&self) -> bool {
        *self == Self::UntilClose
    }

    /// How many bytes are still to come, where that is known.
    #[must_use]
    pub fn left(&self) -> Option<u64> {
        if let Self::Length(left) = self { Some(*left) } else { self.is_done().then_some(0) }
    }
}

impl Chunked {
    /// Moves the data of all chunks behind that of the first, so that it leaves in one piece.
    fn decode(&mut self, buffer: &mut BytesMut) -> Result<Bytes, FramingError> {
        let mut read = 0;
        let mut data = 0..0;
        while let (Some(byte), true) = (buffer.get(read).copied(), self.at != At::End) {
            if let At::Data(left) = self.at {
                let length = usize::try_from(left).unwrap_or(usize::MAX).min(buffer.len() - read);
                if data.is_empty() {
                    data = read..read;
                }
                // Where it stands already, some C libraries would move it all the same.
                if read != data.end {
                    buffer.copy_within(read..read + length, data.end);
                }
                data.end += length;
                read += length;
                let left = left - length as u64;
                self.at = if left == 0 { At::DataCr } else { At::Data(left) };
            } else {
                match self.next(byte) {
                    Ok(at) => self.at = at,
                    Err(error) if data.is_empty() => return Err(error),
                    // What came before it is told first.
                    Err(error) => {
                        self.at = At::Broken(error);
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

    fn next(&mut self, byte: u8) -> Result<At, FramingError> {
        Ok(match (self.at, byte) {
            (At::FirstDigit, _) => At::Digits(digit(byte).ok_or(FramingError::Size)?),
            (At::Digits(size) | At::Extension(size), b'\r') => At::SizeLf(size),
            (At::Digits(size), b';' | b' ' | b'\t') => At::Extension(size),
            (At::Digits(0), b'0') => self.ignore(self.at)?,
            (At::Digits(size), _) => {
                let digit = digit(byte).ok_or(FramingError::Size)?;
                At::Digits(size.checked_mul(16).and_then(|size| size.checked_add(digit)).ok_or(FramingError::Size)?)
            }
            (At::Extension(_) | At::Trailer | At::TrailerRest, b'\n') => return Err(FramingError::Line),
            (At::Extension(_), _) => self.ignore(self.at)?,
            (At::SizeLf(0) | At::TrailerLf, b'\n') => At::Trailer,
            (At::SizeLf(size), b'\n') => At::Data(size),
            (At::DataCr, b'\r') => At::DataLf,
            (At::DataLf, b'\n') => At::FirstDigit,
            (At::Trailer, b'\r') => At::LastLf,
            (At::TrailerRest, b'\r') => At::TrailerLf,
            (At::Trailer | At::TrailerRest, _) => self.ignore(At::TrailerRest)?,
            (At::LastLf, b'\n') => At::End,
            (At::SizeLf(_) | At::DataCr | At::DataLf | At::TrailerLf | At::LastLf, _) => {
                return Err(FramingError::Line);
            }
            (At::Broken(error), _) => return Err(error),
            (At::Data(_) | At::End, _) => self.at,
        })
    }

    fn ignore(&mut self, next: At) -> Result<At, FramingError> {
        self.ignored += 1;
        if self.ignored > IGNORED_MAX { Err(FramingError::TooLong) } else { Ok(next) }
    }
}

fn digit(byte: u8) -> Option<u64> {
    char::from(byte).to_digit(16).map(u64::from)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Everything that a body in chunks gives, fed in these pieces; and what is left over.
    fn fed(pieces: &[&[u8]]) -> Result<(Vec<u8>, bool, Vec<u8>), FramingError> {
        let (mut decoder, mut buffer, mut data) = (Decoder::chunked(), BytesMut::new(), Vec::new());
        for piece in pieces {
            buffer.extend_from_slice(piece);
            while !buffer.is_empty() && !decoder.is_done() {
                data.extend(decoder.decode(&mut buffer)?);
            }
        }
        Ok((data, decoder.is_done(), buffer.to_vec()))
    }

    #[test]
    fn chunks_come_together() {
        let all = b"3\r\nabc\r\n4;x=\"y\"\r\ndefg\r\n00A \t\r\n0123456789\r\n0\r\nx: y\r\n\r\nHTTP";
        let (data, done, rest) = fed(&[all]).unwrap();
        assert_eq!((&data[..], done, &rest[..]), (&b"abcdefg0123456789"[..], true, &b"HTTP"[..]));
    }

    #[test]
    fn what_is_no_chunk_is_an_error() {
        for (bytes, error) in [
            ("x", FramingError::Size),
            ("\r\n", FramingError::Size),
            ("-1\r\n", FramingError::Size),
            ("+1\r\n", FramingError::Size),
            ("0x1\r\n", FramingError::Size),
            ("1_0\r\n", FramingError::Size),
            (" 1\r\n", FramingError::Size),
            ("10000000000000000\r\n", FramingError::Size),
            ("1\n", FramingError::Size),
            ("1\rx", FramingError::Line),
            ("1;a\n", FramingError::Line),
            ("1\r\nab", FramingError::Line),
            ("1\r\na\n", FramingError::Line),
            ("1\r\na\rb", FramingError::Line),
            ("0\r\n\n", FramingError::Line),
            ("0\r\na: b\n", FramingError::Line),
            ("0\r\na: b\rc", FramingError::Line),
            ("0\r\n\rx", FramingError::Line),
        ] {
            assert_eq!(fed(&[bytes.as_bytes()]), Err(error), "{bytes:?}");
        }
    }

    #[test]
    fn what_never_ends_is_an_error() {
        for (begin, more) in [("1;", b'x'), ("1 ", b' '), ("0", b'0'), ("0\r\n", b'x'), ("0\r\na:", b'x')] {
            let endless = [begin.as_bytes(), &vec![more; IGNORED_MAX + 1]].concat();
            assert_eq!(fed(&[&endless]), Err(FramingError::TooLong), "{begin:?}");
        }
        let many = "0;xxxxxxxx\r\n".replace('0', "1").replace("\r\n", "\r\na\r\n").repeat(IGNORED_MAX / 8 + 1);
        assert_eq!(fed(&[many.as_bytes()]), Err(FramingError::TooLong), "of many chunks together");
    }

    #[test]
    fn what_came_before_an_error_is_told() {
        let (mut decoder, mut buffer) = (Decoder::chunked(), BytesMut::from("3\r\nabc\r\nx"));
        assert_eq!(decoder.decode(&mut buffer).unwrap(), "abc");
        assert!(!buffer.is_empty(), "so that it is asked again");
        assert_eq!(decoder.decode(&mut buffer), Err(FramingError::Size));
    }

    #[test]
    fn a_length_takes_no_more() {
        let (mut decoder, mut buffer) = (Decoder::Length(5), BytesMut::from("hello world"));
        assert_eq!(decoder.decode(&mut buffer).unwrap(), "hello");
        assert!(decoder.is_done() && buffer == " world");
        assert!(Decoder::Length(0).is_done() && !Decoder::UntilClose.is_done());
    }

    proptest! {
        #[test]
        fn any_split_gives_the_same(
            chunks in prop::collection::vec(prop::collection::vec(any::<u8>(), 1..40), 0..8),
            cuts in prop::collection::vec(any::<prop::sample::Index>(), 0..12),
        ) {
            let mut bytes = Vec::new();
            for chunk in &chunks {
                bytes.extend(format!("{:x};e\r\n", chunk.len()).as_bytes());
                bytes.extend(chunk);
                bytes.extend(b"\r\n");
            }
            bytes.extend(b"0\r\nt: u\r\n\r\nnext");
            let mut cuts: Vec<_> = cuts.iter().map(|cut| cut.index(bytes.len())).collect();
            cuts.extend([0, bytes.len()]);
            cuts.sort_unstable();
            let pieces: Vec<_> = cuts.windows(2).map(|cut| &bytes[cut[0]..cut[1]]).collect();
            prop_assert_eq!(fed(&pieces), Ok((chunks.concat(), true, b"next".to_vec())));
        }

        #[test]
        fn whatever_comes_is_taken_or_refused_alike_in_any_split(
            bytes in prop::collection::vec(prop_oneof![Just(b'\r'), Just(b'\n'), Just(b'0'), Just(b'2'), any::<u8>()], 0..40),
            cut in any::<prop::sample::Index>(),
        ) {
            let cut = cut.index(bytes.len() + 1);
            prop_assert_eq!(fed(&[&bytes[..cut], &bytes[cut..]]), fed(&[&bytes]));
        }
    }
}
