//! Header blocks of a client over HTTP/2 that are not complete
//! ([RFC 9113 §4.3](https://www.rfc-editor.org/rfc/rfc9113#section-4.3)), because they take memory.

/// Bytes of the preface ([RFC 9113 §3.4](https://www.rfc-editor.org/rfc/rfc9113#section-3.4)).
const PREFACE: usize = 24;
/// Bytes of a frame's header ([RFC 9113 §4.1](https://www.rfc-editor.org/rfc/rfc9113#section-4.1)).
const FRAME_HEADER: usize = 9;
/// Frame types and the flag `END_HEADERS` ([RFC 9113 §6](https://www.rfc-editor.org/rfc/rfc9113#section-6)).
const HEADERS: u8 = 1;
const CONTINUATION: u8 = 9;
const END_HEADERS: u8 = 4;
/// Bytes of memory for a byte of a header block: HPACK can repeat a header by one byte. h2 took 300 KiB for 4,019 bytes.
const EXPANSION: usize = 75;

/// Follows the frames of a connection.
#[derive(Debug)]
pub(crate) struct HeaderBlocks {
    part: Part,
    /// Bytes of the part that have arrived.
    arrived: usize,
    /// The header of the current frame, as far as it has arrived.
    header: [u8; FRAME_HEADER],
    /// Bytes of complete frames of an incomplete block.
    block: usize,
    /// The memory that a block takes at most, because h2 refuses larger ones.
    max: usize,
}

/// The memory of what is incomplete.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) struct Unfinished {
    /// Of the header block.
    pub(crate) block: usize,
    /// Of the current frame.
    pub(crate) frame: usize,
}

/// What the next bytes belong to.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Part {
    Preface,
    FrameHeader,
    Payload { length: usize },
}

impl HeaderBlocks {
    pub(crate) fn new(max: usize) -> Self {
        Self { part: Part::Preface, arrived: 0, header: [0; FRAME_HEADER], block: 0, max }
    }

    /// Reads what the client has sent.
    pub(crate) fn read(&mut self, mut bytes: &[u8]) -> Unfinished {
        while !bytes.is_empty() {
            let count = bytes.len().min(self.part.length() - self.arrived);
            let (taken, rest) = bytes.split_at(count);
            if self.part == Part::FrameHeader {
                self.header[self.arrived..self.arrived + count].copy_from_slice(taken);
            }
            self.arrived += count;
            bytes = rest;
            if self.arrived == self.part.length() {
                (self.part, self.arrived) = (self.next(), 0);
            }
        }
        Unfinished { block: (EXPANSION * self.block).min(self.max), frame: self.arrived }
    }

    /// The part after a complete one.
    fn next(&mut self) -> Part {
        let [high, middle, low, kind, flags, ..] = self.header;
        let length = match self.part {
            Part::Preface => return Part::FrameHeader,
            Part::FrameHeader => usize::from(high) << 16 | usize::from(middle) << 8 | usize::from(low),
            Part::Payload { length } => length,
        };
        if self.part == Part::FrameHeader && length > 0 {
            return Part::Payload { length };
        }
        if [HEADERS, CONTINUATION].contains(&kind) {
            self.block = if flags & END_HEADERS == 0 { self.block + length } else { 0 };
        }
        Part::FrameHeader
    }
}

impl Part {
    fn length(self) -> usize {
        match self {
            Self::Preface => PREFACE,
            Self::FrameHeader => FRAME_HEADER,
            Self::Payload { length } => length,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn frame(kind: u8, flags: u8, payload: usize) -> Vec<u8> {
        let length = u32::try_from(payload).unwrap().to_be_bytes();
        [&length[1..], &[kind, flags, 0, 0, 0, 1], &vec![0; payload]].concat()
    }

    #[test]
    fn incomplete_blocks_count() {
        for split in [1, 5, 1000] {
            let mut blocks = HeaderBlocks::new(105 * EXPANSION);
            let mut read = |bytes: &[u8]| {
                let Unfinished { block, frame } = bytes.chunks(split).map(|part| blocks.read(part)).last().unwrap();
                (block, frame)
            };
            assert_eq!(read(&[0; PREFACE]), (0, 0));
            assert_eq!(read(&frame(4, 0, 0)), (0, 0));
            assert_eq!(read(&frame(HEADERS, END_HEADERS, 300)), (0, 0));
            assert_eq!(read(&frame(0, 0, 16_384)), (0, 0));
            assert_eq!(read(&frame(HEADERS, 0, 100)), (100 * EXPANSION, 0));
            assert_eq!(read(&frame(CONTINUATION, 0, 10)), (105 * EXPANSION, 0));
            assert_eq!(read(&frame(CONTINUATION, END_HEADERS, 10)), (0, 0));
            assert_eq!(read(&frame(99, 0, 500)[..FRAME_HEADER + 400]), (0, 400));
        }
    }
}
