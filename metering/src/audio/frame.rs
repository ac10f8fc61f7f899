//! Frames of compressed audio: their lengths, as their headers have them.

/// A layer of MPEG audio.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Layer {
    One,
    Two,
    Three,
}

/// Rates in kbit/s, from the index 1 on. Index 0 is a free rate, 15 none.
type Rates = [u32; 14];

const ONE: Rates = [32, 64, 96, 128, 160, 192, 224, 256, 288, 320, 352, 384, 416, 448];
const TWO: Rates = [32, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320, 384];
const THREE: Rates = [32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320];
/// Of MPEG-2 and 2.5.
const LOW_ONE: Rates = [32, 48, 56, 64, 80, 96, 112, 128, 144, 160, 176, 192, 224, 256];
const LOW: Rates = [8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160];

/// Rates of AC-3 in kbit/s.
const AC3: [u32; 19] = [32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320, 384, 448, 512, 576, 640];

/// Returns the length of a frame of MPEG audio (ISO/IEC 11172-3 §2.4.2.3, 13818-3), and its layer.
pub(super) fn mpeg(bytes: &[u8]) -> Option<(usize, Layer)> {
    let [0xff, kind @ 0xe0..=0xff, rate, ..] = *bytes else { return None };
    let (version, layer) = (kind >> 3 & 3, kind >> 1 & 3);
    let (is_first, halved) = match version {
        0 => (false, 2),
        2 => (false, 1),
        3 => (true, 0),
        _ => return None,
    };
    let (layer, rates) = match (layer, is_first) {
        (1, true) => (Layer::Three, THREE),
        (2, true) => (Layer::Two, TWO),
        (3, true) => (Layer::One, ONE),
        (1, false) => (Layer::Three, LOW),
        (2, false) => (Layer::Two, LOW),
        (3, false) => (Layer::One, LOW_ONE),
        _ => return None,
    };
    let bits_per_second = rates.get(usize::from(rate >> 4).checked_sub(1)?)?.saturating_mul(1_000);
    let samples_per_second = [44_100_u32, 48_000, 32_000].get(usize::from(rate >> 2 & 3))? >> halved;
    let padding = u32::from(rate >> 1 & 1);
    let slots = |per_frame: u32| per_frame.saturating_mul(bits_per_second).checked_div(samples_per_second);
    let length = match layer {
        Layer::One => slots(12)?.saturating_add(padding).saturating_mul(4),
        Layer::Three if !is_first => slots(72)?.saturating_add(padding),
        Layer::Two | Layer::Three => slots(144)?.saturating_add(padding),
    };
    Some((usize::try_from(length).ok()?, layer))
}

/// Returns the length of a frame of AAC in ADTS (ISO/IEC 13818-7 §6.2).
pub(super) fn adts(bytes: &[u8]) -> Option<usize> {
    let [0xff, sync, _, high, middle, low, ..] = *bytes else { return None };
    let length = usize::from(high & 3) << 11 | usize::from(middle) << 3 | usize::from(low >> 5);
    (sync & 0xf6 == 0xf0 && length >= 7).then_some(length)
}

/// Returns the length of a frame of AAC in LOAS (ISO/IEC 14496-3 §1.7.2).
pub(super) fn loas(bytes: &[u8]) -> Option<usize> {
    let [0x56, high @ 0xe0..=0xff, low, ..] = *bytes else { return None };
    Some((usize::from(high & 0x1f) << 8 | usize::from(low)).saturating_add(3))
}

/// Returns the length of a frame of AC-3 or E-AC-3 (ETSI TS 102 366 §4.3 and annex E).
pub(super) fn ac3(bytes: &[u8]) -> Option<usize> {
    let [0x0b, 0x77, high, low, size, version, ..] = *bytes else { return None };
    let words = if version >> 3 > 10 {
        (u32::from(high & 7) << 8 | u32::from(low)).saturating_add(1)
    } else {
        let rate = *AC3.get(usize::from((size & 0x3f) >> 1))?;
        match size >> 6 {
            0 => rate.saturating_mul(2),
            1 => rate.saturating_mul(320).checked_div(147)?.saturating_add(u32::from(size & 1)),
            2 => rate.saturating_mul(3),
            _ => return None,
        }
    };
    usize::try_from(words.saturating_mul(2)).ok()
}
