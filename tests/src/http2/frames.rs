//! One end of a raw HTTP/2 connection ([RFC 9113 §4](https://www.rfc-editor.org/rfc/rfc9113#section-4)), which may send
//! frames that a library would not send.

use std::io;

use self::kind::{GOAWAY, HEADERS, RST_STREAM, SETTINGS};
use crate::raw_connection::RawConnection;

/// The client connection preface ([RFC 9113 §3.4](https://www.rfc-editor.org/rfc/rfc9113#section-3.4)).
pub const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

/// Frame types ([RFC 9113 §6](https://www.rfc-editor.org/rfc/rfc9113#section-6)).
#[expect(missing_docs, reason = "named as in the RFC")]
pub mod kind {
    pub const DATA: u8 = 0x0;
    pub const HEADERS: u8 = 0x1;
    pub const PRIORITY: u8 = 0x2;
    pub const RST_STREAM: u8 = 0x3;
    pub const SETTINGS: u8 = 0x4;
    pub const PUSH_PROMISE: u8 = 0x5;
    pub const PING: u8 = 0x6;
    pub const GOAWAY: u8 = 0x7;
    pub const WINDOW_UPDATE: u8 = 0x8;
    pub const CONTINUATION: u8 = 0x9;
}

/// Frame flags.
#[expect(missing_docs, reason = "named as in the RFC")]
pub mod flag {
    pub const ACK: u8 = 0x1;
    pub const END_STREAM: u8 = 0x1;
    pub const END_HEADERS: u8 = 0x4;
    pub const PADDED: u8 = 0x8;
}

/// `SETTINGS_HEADER_TABLE_SIZE` of 0: field blocks of the peer can be decoded without a dynamic table.
const NO_TABLE: &[u8] = &[0, 1, 0, 0, 0, 0];

/// One end of a connection.
pub struct Frames(RawConnection);

/// A received frame.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Frame {
    /// The type.
    pub kind: u8,
    /// The flags.
    pub flags: u8,
    /// The stream; 0 is the connection.
    pub stream: u32,
    /// Everything after the frame header.
    pub payload: Vec<u8>,
}

impl Frames {
    /// Starts a connection as a client.
    #[must_use]
    pub fn client(mut connection: RawConnection) -> Self {
        // The peer may have closed the connection already.
        let _ = connection.try_send([PREFACE, &frame(SETTINGS, 0, 0, NO_TABLE)].concat());
        Self(connection)
    }

    /// Starts a connection as a server.
    #[must_use]
    pub fn server(mut connection: RawConnection) -> Self {
        assert_eq!(connection.bytes(PREFACE.len()), PREFACE);
        let _ = connection.try_send(frame(SETTINGS, 0, 0, NO_TABLE));
        Self(connection)
    }

    /// Sends bytes unchanged; the peer may have closed the connection.
    ///
    /// # Errors
    /// The error of the socket.
    pub fn send(&mut self, bytes: impl AsRef<[u8]>) -> io::Result<()> {
        self.0.try_send(bytes)
    }

    /// Waits for the next frame; `None` at the end of the connection.
    pub fn receive(&mut self) -> Option<Frame> {
        let head = self.0.try_bytes(9)?;
        let length = u32::from_be_bytes([0, head[0], head[1], head[2]]) as usize;
        let stream = u32::from_be_bytes([head[5] & 0x7f, head[6], head[7], head[8]]);
        let payload = self.0.try_bytes(length)?;
        Some(Frame { kind: head[3], flags: head[4], stream, payload })
    }

    /// Waits for the outcome of a stream.
    pub fn outcome(&mut self, stream: u32) -> Outcome {
        while let Some(frame) = self.receive() {
            match frame.kind {
                HEADERS if frame.stream == stream => return Outcome::Status(status(&frame.payload)),
                RST_STREAM if frame.stream == stream => return Outcome::Reset(number(&frame.payload)),
                GOAWAY if number(&frame.payload[4..]) != 0 => return Outcome::Goaway(number(&frame.payload[4..])),
                _ => {}
            }
        }
        Outcome::Closed
    }

    /// The underlying connection.
    #[must_use]
    pub fn connection(&self) -> &RawConnection {
        &self.0
    }
}

/// The outcome of a stream.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Outcome {
    /// A response head with this status.
    Status(u16),
    /// The stream is reset, with this error code.
    Reset(u32),
    /// The connection ends by GOAWAY, with this error code.
    Goaway(u32),
    /// The connection ends without GOAWAY.
    Closed,
}

/// Encodes a frame.
#[must_use]
pub fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let length = u32::try_from(payload.len()).expect("a frame's length fits");
    [&length.to_be_bytes()[1..], &[kind, flags], &stream.to_be_bytes(), payload].concat()
}

/// Encodes `SETTINGS_INITIAL_WINDOW_SIZE` of 0
/// ([RFC 9113 §6.5.2](https://www.rfc-editor.org/rfc/rfc9113#section-6.5.2)): the peer may send no data.
#[must_use]
pub fn no_window() -> Vec<u8> {
    frame(SETTINGS, 0, 0, &[0, 4, 0, 0, 0, 0])
}

/// Encodes a field block of literal fields without indexing
/// ([RFC 7541 §6.2.2](https://www.rfc-editor.org/rfc/rfc7541#section-6.2.2)). Each character is a byte.
#[must_use]
pub fn block<'a>(fields: impl IntoIterator<Item = (&'a str, &'a str)>) -> Vec<u8> {
    let field = |(name, value): (&str, &str)| [vec![0], string(name), string(value)].concat();
    fields.into_iter().flat_map(field).collect()
}

/// Encodes a string literal ([RFC 7541 §5.2](https://www.rfc-editor.org/rfc/rfc7541#section-5.2)).
#[must_use]
pub fn string(text: &str) -> Vec<u8> {
    let mut bytes = Vec::new();
    integer(text.chars().count(), 7, &mut bytes);
    bytes.extend(text.chars().map(|c| u8::try_from(u32::from(c)).expect("a byte")));
    bytes
}

/// Encodes an integer with a prefix of this many bits ([RFC 7541
/// §5.1](https://www.rfc-editor.org/rfc/rfc7541#section-5.1)).
fn integer(mut number: usize, bits: u32, out: &mut Vec<u8>) {
    let most = (1 << bits) - 1;
    if number < most {
        out.push(low_byte(number));
        return;
    }
    out.push(low_byte(most));
    number -= most;
    while number >= 0x80 {
        out.push(low_byte(number % 0x80) | 0x80);
        number /= 0x80;
    }
    out.push(low_byte(number));
}

fn low_byte(number: usize) -> u8 {
    u8::try_from(number & 0xff).expect("a byte")
}

/// The first four bytes of a payload as a number.
fn number(payload: &[u8]) -> u32 {
    u32::from_be_bytes(payload[..4].try_into().expect("four bytes"))
}

/// Decodes the status, the first field: from the static table, or its digits in the Huffman code.
fn status(block: &[u8]) -> u16 {
    // A dynamic table size update may precede it.
    let at = block.iter().position(|byte| byte >> 5 != 1).expect("a field");
    if let index @ 0x88..=0x8e = block[at] {
        return [200, 204, 206, 304, 400, 404, 500][usize::from(index - 0x88)];
    }
    let bits = block[at + 2..].iter().take(3).fold(0, |bits, byte| bits << 8 | u32::from(*byte));
    let (mut left, mut status) = (24, 0);
    for _ in 0..3 {
        let five = bits >> (left - 5) & 0x1f;
        let (digit, length) = if five < 3 { (five, 5) } else { ((bits >> (left - 6) & 0x3f) - 0x16, 6) };
        left -= length;
        status = status * 10 + digit;
    }
    u16::try_from(status).expect("three digits")
}
