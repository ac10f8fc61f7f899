//! Integers of variable length: [LEB128](https://en.wikipedia.org/wiki/LEB128), signed ones with the sign in the lowest
//! bit.

pub(super) fn put_unsigned(out: &mut Vec<u8>, mut value: u64) {
    while value >= 0x80 {
        out.push(0x80 | low_bits(value));
        value = value.wrapping_shr(7);
    }
    out.push(low_bits(value));
}

pub(super) fn put_signed(out: &mut Vec<u8>, value: i64) {
    let bits = value.wrapping_shl(1) ^ value.wrapping_shr(63);
    put_unsigned(out, u64::from_ne_bytes(bits.to_ne_bytes()));
}

/// Reads an integer of at most 64 bits from the front of `input`.
pub(super) fn take_unsigned(input: &mut &[u8]) -> Option<u64> {
    let mut value = 0_u64;
    for shift in (0..64).step_by(7) {
        let (byte, rest) = input.split_first()?;
        *input = rest;
        let bits = u64::from(byte & 0x7f);
        if bits.wrapping_shl(shift).wrapping_shr(shift) != bits {
            return None;
        }
        value |= bits.wrapping_shl(shift);
        if byte & 0x80 == 0 {
            return Some(value);
        }
    }
    None
}

pub(super) fn take_signed(input: &mut &[u8]) -> Option<i64> {
    let bits = take_unsigned(input)?;
    let value = i64::from_ne_bytes(bits.wrapping_shr(1).to_ne_bytes());
    Some(if bits & 1 == 1 { !value } else { value })
}

fn low_bits(value: u64) -> u8 {
    let [lowest, ..] = value.to_le_bytes();
    lowest & 0x7f
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn round_trip(unsigned: u64, signed: i64) {
            let mut out = Vec::new();
            put_unsigned(&mut out, unsigned);
            put_signed(&mut out, signed);
            let mut input = &out[..];
            prop_assert_eq!(take_unsigned(&mut input), Some(unsigned));
            prop_assert_eq!(take_signed(&mut input), Some(signed));
            prop_assert!(input.is_empty());
        }
    }

    #[test]
    fn more_than_64_bits() {
        let mut longest = [0xff; 10];
        longest[9] = 1;
        assert_eq!(take_unsigned(&mut &longest[..]), Some(u64::MAX));
        longest[9] = 2;
        assert_eq!(take_unsigned(&mut &longest[..]), None);
        assert_eq!(take_unsigned(&mut &[0x80; 11][..]), None);
        assert_eq!(take_unsigned(&mut &[0x80][..]), None);
    }
}
