#![allow(clippy::arithmetic_side_effects, reason = "a test may panic")]

use super::*;

/// An MP3 frame of MPEG-1 at 128 kbit/s and 44.1 kHz, and one of MPEG-2.5 at 8 kbit/s and 8 kHz.
fn frame(header: [u8; 4], length: usize) -> Vec<u8> {
    let mut frame = vec![0x55; length];
    frame[..4].copy_from_slice(&header);
    frame
}

fn mp3() -> Vec<u8> {
    frame([0xff, 0xfb, 0x90, 0x00], 417).repeat(9)
}

/// A tag with so many bytes.
fn tag(size: u8) -> Vec<u8> {
    [&b"ID3\x04\x00\x00\x00\x00\x00"[..], &[size], &vec![0; size.into()]].concat()
}

fn chunk(id: &str, content: &[u8]) -> Vec<u8> {
    let size = u32::try_from(content.len()).unwrap().to_le_bytes();
    let padding = vec![0; content.len() % 2];
    [id.as_bytes(), &size, content, &padding].concat()
}

fn format(format: u16, channels: u16, rate: u32, bits: u16) -> Vec<u8> {
    let block = channels * bits / 8;
    [
        &format.to_le_bytes()[..],
        &channels.to_le_bytes(),
        &rate.to_le_bytes(),
        &(rate * u32::from(block)).to_le_bytes(),
        &block.to_le_bytes(),
        &bits.to_le_bytes(),
    ]
    .concat()
}

fn wav(chunks: &[Vec<u8>]) -> Vec<u8> {
    let size = u32::try_from(chunks.iter().map(Vec::len).sum::<usize>()).unwrap() + 4;
    [&b"RIFF"[..], &size.to_le_bytes(), b"WAVE", &chunks.concat()].concat()
}

/// A second of 16-bit samples at 8 kHz.
fn pcm(samples: &[u8]) -> Vec<u8> {
    wav(&[chunk("fmt ", &format(1, 1, 8_000, 16)), chunk("data", samples)])
}

#[test]
fn mp3_files() {
    let low = frame([0xff, 0xe3, 0x18, 0x00], 72);
    let (mp3, length) = (mp3(), 9 * 417);
    for (file, expected) in [
        (mp3.clone(), Some(length)),
        ([tag(100), mp3.clone()].concat(), Some(length + 110)),
        ([mp3.clone(), b"fLaC".repeat(1_000)].concat(), Some(length + 4_000)),
        // 72 ms each.
        (low.repeat(10), Some(720)),
        ([tag(4), b"fLaC".to_vec()].concat(), None),
        ([tag(4), b"fLaC".to_vec(), mp3.clone()].concat(), None),
        ([tag(4), tag(4), mp3.clone()].concat(), None),
        ([tag(4), vec![0], mp3.clone()].concat(), None),
        ([tag(4), pcm(&[0; 16_000])].concat(), None),
        ([vec![0], mp3.clone()].concat(), None),
        ([&b"ID3\x04\x00\x10\x00\x00\x00\x00"[..], &mp3].concat(), None),
        ([&b"ID3\x04\x00\x00\x00\x00\x00\x80"[..], &[0; 128], &mp3].concat(), None),
        (mp3[..417 * 7].to_vec(), None),
        (tag(100)[..50].to_vec(), None),
        (Vec::new(), None),
        (b"ID3".to_vec(), None),
        (b"fLaC\0\0\0\x22".repeat(100), None),
        (b"OggS\0\x02".repeat(100), None),
        (b"\x1aE\xdf\xa3".repeat(100), None),
        (b"\0\0\0\x20ftypM4A ".repeat(100), None),
        // A reserved version, layer II, a free rate, no rate, a reserved sample rate.
        (frame([0xff, 0xeb, 0x90, 0x00], 417).repeat(9), None),
        (frame([0xff, 0xfd, 0x80, 0x00], 417).repeat(9), None),
        (frame([0xff, 0xfb, 0x00, 0x00], 417).repeat(9), None),
        (frame([0xff, 0xfb, 0xf0, 0x00], 417).repeat(9), None),
        (frame([0xff, 0xfb, 0x9c, 0x00], 417).repeat(9), None),
    ] {
        let expected = expected.map_or(AudioFile::Unknown, |ms| AudioFile::AtMost(u64::try_from(ms).unwrap()));
        assert_eq!(read(&file), expected, "{}", file[..file.len().min(40)].escape_ascii());
    }
}

#[test]
fn lengths_of_frames() {
    for (header, expected) in [
        ([0xff, 0xfb, 0x90, 0x00], Some((417, frame::Layer::Three))),
        ([0xff, 0xfb, 0x92, 0x00], Some((418, frame::Layer::Three))),
        ([0xff, 0xf3, 0x40, 0x00], Some((104, frame::Layer::Three))),
        ([0xff, 0xe3, 0x18, 0x00], Some((72, frame::Layer::Three))),
        ([0xff, 0xfd, 0xe4, 0x00], Some((1_152, frame::Layer::Two))),
        ([0xff, 0xff, 0xe4, 0x00], Some((448, frame::Layer::One))),
        ([0xff, 0xf9, 0x90, 0x00], None),
    ] {
        assert_eq!(frame::mpeg(&header), expected, "{header:?}");
    }
    assert_eq!(frame::adts(&[0xff, 0xf1, 0x50, 0x80, 0x02, 0x1f]), Some(16));
    assert_eq!(frame::loas(&[0x56, 0xe0, 0x10]), Some(19));
    // 192 kbit/s at 48 and 44.1 kHz; E-AC-3.
    assert_eq!(frame::ac3(&[0x0b, 0x77, 0, 0, 0x14, 0x40]), Some(768));
    assert_eq!(frame::ac3(&[0x0b, 0x77, 0, 0, 0x55, 0x40]), Some(836));
    assert_eq!(frame::ac3(&[0x0b, 0x77, 0, 0x0f, 0x3f, 0x80]), Some(32));
}

#[test]
fn wav_files() {
    let fmt = || chunk("fmt ", &format(1, 1, 8_000, 16));
    let data = || chunk("data", &[0; 16_000]);
    let fact = |samples: u32| chunk("fact", &samples.to_le_bytes());
    let with_size = |size: u32| [b"data", &size.to_le_bytes()[..], &[0; 16_000]].concat();
    let extensible = |sub: u16, end: &[u8]| {
        let extension = [&[22, 0, 16, 0, 4, 0, 0, 0][..], &sub.to_le_bytes(), end].concat();
        chunk("fmt ", &[format(0xfffe, 1, 8_000, 16), extension].concat())
    };
    let guid = [0, 0, 0, 0, 0x10, 0, 0x80, 0, 0, 0xaa, 0, 0x38, 0x9b, 0x71];
    let with = |at: usize, byte: u8| {
        let mut format = format(1, 1, 8_000, 16);
        format[at] = byte;
        chunk("fmt ", &format)
    };
    for (name, chunks, expected) in [
        ("plain", vec![fmt(), data()], Some(1_000)),
        ("chunks before", vec![chunk("JUNK", &[0; 27]), fmt(), chunk("LIST", b"INFO"), data()], Some(1_000)),
        ("what follows counts", vec![fmt(), chunk("data", &[0; 8_000]), vec![0; 8_000]], Some(1_000)),
        ("rounded up", vec![fmt(), chunk("data", &[0; 16_002])], Some(1_001)),
        ("stereo, 24 bits", vec![chunk("fmt ", &format(1, 2, 8_000, 24)), chunk("data", &[0; 48_000])], Some(1_000)),
        ("float", vec![chunk("fmt ", &format(3, 1, 8_000, 32)), fact(4_000), data()], Some(500)),
        ("extensible", vec![extensible(1, &guid), data()], Some(1_000)),
        ("open", vec![fmt(), with_size(u32::MAX)], Some(1_000)),
        ("open, 0", vec![fmt(), fact(u32::MAX), with_size(0)], Some(1_000)),
        ("no format", vec![data()], None),
        ("two formats", vec![fmt(), fmt(), data()], None),
        ("no data", vec![fmt()], None),
        ("more data than bytes", vec![fmt(), with_size(16_001)], None),
        ("more samples than bytes", vec![fmt(), fact(8_001), data()], None),
        ("unknown chunk", vec![fmt(), chunk("XMA2", &[0; 4]), data()], None),
        ("a chunk beyond the end", vec![fmt(), chunk("LIST", &[0; 40])[..20].to_vec()], None),
        ("ADPCM", vec![chunk("fmt ", &format(2, 1, 8_000, 16)), data()], None),
        ("MP3", vec![chunk("fmt ", &format(0x55, 1, 8_000, 16)), data()], None),
        ("float of 16 bits", vec![chunk("fmt ", &format(3, 1, 8_000, 16)), data()], None),
        ("4 bits", vec![chunk("fmt ", &format(1, 2, 8_000, 4)), data()], None),
        ("another GUID", vec![extensible(1, &[0; 14]), data()], None),
        ("extensible ADPCM", vec![extensible(2, &guid), data()], None),
        ("no extension", vec![chunk("fmt ", &format(0xfffe, 1, 8_000, 16)), data()], None),
        ("rate of bytes", vec![with(10, 9), data()], None),
        ("size of a block", vec![with(12, 4), data()], None),
        ("no channel", vec![chunk("fmt ", &format(1, 0, 8_000, 16)), data()], None),
        ("short format", vec![chunk("fmt ", &format(1, 1, 8_000, 16)[..14]), data()], None),
    ] {
        let expected = expected.map_or(AudioFile::Unknown, AudioFile::AtMost);
        assert_eq!(read(&wav(&chunks)), expected, "{name}");
    }
    assert_eq!(read(&[b"RIFX", &pcm(&[0; 16_000])[4..]].concat()), AudioFile::Unknown);
}

#[test]
fn other_formats_inside() {
    let silence = vec![0; 1_002];
    let adts = [0xff, 0xf1, 0x50, 0x80, 0x02, 0x1f, 0xfc, 9, 9, 9, 9, 9, 9, 9, 9, 9].repeat(7);
    let loas = [&[0x56, 0xe0, 0x04][..], &[9; 4]].concat().repeat(7);
    let ac3 = [&[0x0b, 0x77, 0, 0x0f, 0x3f, 0x80][..], &[9; 26]].concat().repeat(7);
    for first in [&adts[..48], &loas[..21], b"ID3"] {
        let name = first[..3].escape_ascii();
        assert_eq!(read(&pcm(&[first, &silence].concat())), AudioFile::Unknown, "at the beginning: {name}");
    }
    let dts = [&b"\x7f\xfe\x80\x01"[..], b"\xff\x1f\x00\xe8\xf1\x07"].map(|word| [word, &[9; 96]].concat().repeat(4));
    let true_hd = b"\xf8\x72\x6f\xba".to_vec();
    let inside = [adts, loas, ac3, true_hd].into_iter().chain(dts);
    for format in inside {
        let name = format[..4].escape_ascii().to_string();
        assert_eq!(read(&pcm(&[&silence, &*format].concat())), AudioFile::Unknown, "WAV: {name}");
        let ended = [mp3(), silence.clone(), format].concat();
        assert_eq!(read(&ended), AudioFile::Unknown, "MP3: {name}");
    }
    assert_eq!(read(&pcm(&[&silence, &*mp3()].concat())), AudioFile::Unknown);
    for stride in [188, 192, 204] {
        let packets = [vec![0x47], vec![9; stride - 1]].concat().repeat(8);
        assert_eq!(read(&[mp3(), packets].concat()), AudioFile::Unknown, "{stride}");
    }
    assert_eq!(read(&[&*mp3(), b"\0\0\x01\xba"].concat()), AudioFile::Unknown);

    // Samples of speech-like noise, of both signs.
    let mut state = 1_u32;
    let noise = (0..500_000).flat_map(|at| {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        let sample = i16::try_from(state >> 24).unwrap() - if at % 300 < 150 { 100 } else { 1 };
        sample.to_le_bytes()
    });
    let noise: Vec<_> = noise.collect();
    assert_eq!(read(&pcm(&noise)), AudioFile::AtMost(62_500));
    assert_eq!(read(&pcm(&[0xff; 16_000])), AudioFile::AtMost(1_000));
}
