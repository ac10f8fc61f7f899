//! Formats that a decoder may find in a file of another format, if it guesses from the content.

use super::frame;

/// Bytes in which a decoder guesses. FFmpeg reads less than this before it decides.
const WINDOW: usize = 1 << 20;

/// Frames in a row that FFmpeg takes for a format. AAC needs less at the beginning; elsewhere quiet samples have three by chance.
const RUN: usize = 7;
const FIRST_RUN: usize = 3;
/// Beginnings of frames of DTS anywhere. Quiet samples have one by chance.
const DTS_FRAMES: usize = 4;
/// Packets in a row that are not there by chance.
const PACKETS: usize = 8;

/// Strides of the packets of an MPEG transport stream, plain, with times, and with error correction.
const STRIDES: [usize; 3] = [188, 192, 204];

/// The beginning of packets of an MPEG program stream.
const PROGRAM_STREAM: [u8; 4] = [0x00, 0x00, 0x01, 0xba];

/// The beginnings of frames of TrueHD and MLP.
const TRUE_HD: [[u8; 4]; 2] = [[0xf8, 0x72, 0x6f, 0xba], [0xf8, 0x72, 0x6f, 0xbb]];

/// Whether 16-bit samples may be frames of compressed audio.
pub(super) fn may_have_frames(samples: &[u8]) -> bool {
    // FFmpeg skips a tag before it guesses.
    samples.starts_with(b"ID3")
        || is_run(samples, FIRST_RUN, frame::adts)
        || is_run(samples, FIRST_RUN, frame::loas)
        || has_dts(samples)
        || suffixes(samples).any(|rest| has_frames(rest) || is_run(rest, RUN, |bytes| Some(frame::mpeg(bytes)?.0)))
}

/// Whether a file with frames of MPEG audio may be a stream of another format.
pub(super) fn may_have_streams(file: &[u8]) -> bool {
    has_dts(file)
        || suffixes(file).any(|rest| match rest.first() {
            Some(0x47) => STRIDES.iter().any(|stride| is_transport_stream(rest, *stride)),
            _ => has_frames(rest) || rest.starts_with(&PROGRAM_STREAM),
        })
}

/// Whether frames of another format than MPEG audio begin here.
fn has_frames(rest: &[u8]) -> bool {
    match rest.first() {
        Some(0xff) if is_run(rest, RUN, frame::adts) => true,
        Some(0x56) => is_run(rest, RUN, frame::loas),
        Some(0x0b) => is_run(rest, RUN, frame::ac3),
        _ => TRUE_HD.iter().any(|word| rest.starts_with(word)),
    }
}

/// Whether frames of DTS begin, in one of its four forms (ETSI TS 102 114 §5.3).
fn has_dts(bytes: &[u8]) -> bool {
    let begins = |rest: &&[u8]| {
        matches!(
            **rest,
            [0x7f, 0xfe, 0x80, 0x01, ..]
                | [0xfe, 0x7f, 0x01, 0x80, ..]
                | [0x1f, 0xff, 0xe8, 0x00, 0x07, 0xf0..=0xff, ..]
                | [0xff, 0x1f, 0x00, 0xe8, 0xf0..=0xff, 0x07, ..]
        )
    };
    suffixes(bytes).filter(begins).count() >= DTS_FRAMES
}

/// Each position in the window, with what follows it.
fn suffixes(bytes: &[u8]) -> impl Iterator<Item = &[u8]> {
    (0..bytes.len().min(WINDOW)).filter_map(|at| bytes.get(at..))
}

fn is_run(mut bytes: &[u8], frames: usize, length: impl Fn(&[u8]) -> Option<usize>) -> bool {
    (0..frames).all(|_| {
        let Some(length) = length(bytes) else { return false };
        bytes = bytes.get(length..).unwrap_or_default();
        true
    })
}

fn is_transport_stream(bytes: &[u8], stride: usize) -> bool {
    let packets = bytes.iter().step_by(stride).take(PACKETS);
    packets.clone().count() == PACKETS && packets.clone().all(|byte| *byte == 0x47)
}
