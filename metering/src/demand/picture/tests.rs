#![allow(clippy::arithmetic_side_effects, reason = "a test may panic")]

use super::*;

fn encode(bytes: &[u8]) -> String {
    const ALPHABET: &[u8] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut text = String::new();
    for group in bytes.chunks(3) {
        let bits = group.iter().chain([&0; 2]).take(3).fold(0_u32, |bits, byte| bits << 8 | u32::from(*byte));
        let characters = (0..4).map(|at| char::from(ALPHABET[(bits >> (18 - 6 * at) & 63) as usize]));
        text.extend(characters.take(group.len() + 1));
        text.push_str(&"=".repeat(3 - group.len()));
    }
    text
}

fn url(bytes: &[u8]) -> String {
    format!("data:image/x;base64,{}", encode(bytes))
}

fn patches_of(bytes: &[u8]) -> Option<u64> {
    patches(url(bytes).as_bytes())
}

fn chunk(kind: &[u8], data: &[u8]) -> Vec<u8> {
    [&u32::try_from(data.len()).unwrap().to_be_bytes(), kind, data, &[0; 4]].concat()
}

fn header(width: u32, height: u32) -> Vec<u8> {
    chunk(b"IHDR", &[&width.to_be_bytes()[..], &height.to_be_bytes(), &[8, 6, 0, 0, 0]].concat())
}

fn png(chunks: &[Vec<u8>]) -> Vec<u8> {
    [PNG, &chunks.concat()].concat()
}

fn segment(marker: u8, data: &[u8]) -> Vec<u8> {
    [&[0xff, marker][..], &u16::try_from(data.len() + 2).unwrap().to_be_bytes(), data].concat()
}

fn frame(marker: u8, width: u16, height: u16) -> Vec<u8> {
    segment(marker, &[&[8][..], &height.to_be_bytes(), &width.to_be_bytes(), &[3; 10]].concat())
}

fn jpeg(segments: &[Vec<u8>]) -> Vec<u8> {
    [&[0xff, 0xd8][..], &segments.concat()].concat()
}

fn webp(kind: &[u8], data: &[u8]) -> Vec<u8> {
    [&b"RIFF\0\0\0\0WEBP"[..], kind, &[0; 4], data, &[0; 12]].concat()
}

#[test]
fn sizes() {
    let data = || chunk(b"IDAT", &[0; 40]);
    let scan = || segment(0xda, &[0; 10]);
    for (name, bytes, expected) in [
        ("png", png(&[header(1, 1), data()]), Some(1)),
        ("png of 12 megapixels", png(&[header(4_032, 3_024), data()]), Some(126 * 95)),
        ("png with chunks before the data", png(&[header(64, 33), chunk(b"iCCP", &[7; 3_000]), data()]), Some(4)),
        ("the largest png", png(&[header(u32::MAX, u32::MAX), data()]), Some((1 << 27) * (1 << 27))),
        ("png with two headers", png(&[header(1, 1), header(9_999, 9_999), data()]), None),
        ("png without data", png(&[header(1, 1)]), None),
        ("png of no size", png(&[header(0, 9), data()]), None),
        ("png without a header", png(&[data()]), None),
        ("jpeg", jpeg(&[segment(0xe0, b"JFIF"), frame(0xc0, 640, 480), scan()]), Some(20 * 15)),
        (
            "progressive jpeg",
            jpeg(&[
                segment(0xe1, &vec![0xff; 60_000]),
                segment(0xdb, &[1; 65]),
                frame(0xc2, 33, 32),
                segment(0xc4, &[0; 30]),
                scan(),
            ]),
            Some(2),
        ),
        ("jpeg with two frames", jpeg(&[frame(0xc0, 1, 1), frame(0xc0, 9_999, 9_999), scan()]), None),
        ("jpeg whose height follows", jpeg(&[frame(0xc0, 640, 0), scan()]), None),
        ("jpeg without a scan", jpeg(&[frame(0xc0, 640, 480)]), None),
        ("jpeg without a frame", jpeg(&[segment(0xe0, b"JFIF"), scan()]), None),
        (
            "jpeg of too many segments",
            jpeg(&[vec![segment(0xfe, b""); 1_001].concat(), frame(0xc0, 1, 1), scan()]),
            None,
        ),
        ("webp", webp(b"VP8 ", &[0, 0, 0, 0x9d, 0x01, 0x2a, 0x80, 0x42, 0xe0, 0x01]), Some(20 * 15)),
        ("lossless webp", webp(b"VP8L", &[0x2f, 0x7f, 0xc2, 0x77, 0x00]), Some(20 * 15)),
        ("extended webp", webp(b"VP8X", &[0, 0, 0, 0, 0x7f, 0x02, 0, 0xdf, 0x01, 0]), Some(20 * 15)),
        ("webp of another kind", webp(b"VP9 ", &[0; 20]), None),
        ("gif", b"GIF89a\x01\0\x01\0\0\0\0,\0\0\0\0\x01\0\x01\0\0".to_vec(), None),
        ("nothing", Vec::new(), None),
    ] {
        assert_eq!(patches_of(&bytes), expected, "{name}");
    }
}

#[test]
fn other_readings_of_the_text() {
    let picture = png(&[header(40, 33), chunk(b"tEXt", &[9; 300]), chunk(b"IDAT", &[0; 40])]);
    let text = url(&picture);
    assert_eq!(patches(text.as_bytes()), Some(4));
    assert_eq!(patches(text.replacen("data:", "DATA:", 1).as_bytes()), Some(4));
    assert_eq!(patches(text.replace('/', "\\/").as_bytes()), Some(4), "as PHP writes it");
    for other in [
        text.replacen("data:", "https:", 1),
        text.replacen(";base64", "", 1),
        text.replacen("base64,", "base64,\\n", 1),
        text.replace('/', "\\u002f"),
        text.replacen("image/x", &"x".repeat(200), 1),
    ] {
        assert_eq!(patches(other.as_bytes()), None, "{other}");
    }
    // A decoder that skips what is not base64 reads the chunk behind at another place.
    let shifted = text.replacen("CQkJ", "!!!!", 1);
    assert_eq!(patches(shifted.as_bytes()), None);
}

#[test]
fn long_text_with_escapes() {
    let picture = png(&[header(40, 33), chunk(b"IDAT", &[0; 40])]);
    let data = encode(&picture).trim_end_matches('=').len();
    for cut in 0..4 {
        // The escape stands around the end of what is copied.
        let length = COPIED_MAX - data - cut;
        let text = format!("{}{}\\/AAA", url(&picture).trim_end_matches('='), "A".repeat(length));
        assert_eq!(patches(text.as_bytes()), Some(4), "{cut}");
    }
}

#[test]
fn truncated() {
    let pictures = [
        png(&[header(40, 33), chunk(b"tEXt", &[9; 30]), chunk(b"IDAT", &[0; 9])]),
        jpeg(&[segment(0xe0, b"JFIF"), frame(0xc0, 640, 480), segment(0xda, &[0; 10])]),
        webp(b"VP8X", &[0; 10]),
    ];
    for picture in pictures {
        let text = url(&picture);
        let whole = patches(text.as_bytes());
        assert!(whole.is_some());
        for end in 0..text.len() {
            let found = patches(&text.as_bytes()[..end]);
            assert!(found.is_none() || found == whole, "{end}");
        }
    }
}
