//! Numbers of JSON as whole numbers of a smaller unit, without floats.

/// A number times a power of ten.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Scaled {
    /// Rounded up.
    pub value: u64,
    /// Whether it was not rounded.
    pub is_exact: bool,
}

/// Returns a valid number of JSON times 10 to the power of `decimals`. `None`: it is negative or too large, or has more digits
/// than any figure.
#[must_use]
pub fn scaled(number: &[u8], decimals: i32) -> Option<Scaled> {
    let mut exponent_at = number.iter().enumerate().filter(|(_, byte)| matches!(byte, b'e' | b'E'));
    let (mantissa, exponent) = match exponent_at.next() {
        Some((at, _)) => (number.get(..at)?, std::str::from_utf8(number.get(at..)?.get(1..)?).ok()?.parse().ok()?),
        None => (number, 0_i32),
    };
    let mut digits = 0_u128;
    let mut power = exponent.checked_add(decimals)?;
    let mut is_fraction = false;
    for byte in mantissa {
        if *byte == b'.' {
            is_fraction = true;
            continue;
        }
        digits = digits.checked_mul(10)?.checked_add(char::from(*byte).to_digit(10)?.into())?;
        if is_fraction {
            power = power.checked_sub(1)?;
        }
    }
    if digits == 0 {
        return Some(Scaled { value: 0, is_exact: true });
    }
    let shift = 10_u128.checked_pow(power.unsigned_abs());
    let (value, is_exact) = if power >= 0 {
        (digits.checked_mul(shift?)?, true)
    } else {
        // A divisor that does not fit is above all digits.
        let divisor = shift.unwrap_or(u128::MAX);
        (digits.div_ceil(divisor), digits.checked_rem(divisor) == Some(0))
    };
    Some(Scaled { value: u64::try_from(value).ok()?, is_exact })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers() {
        for (number, decimals, expected) in [
            ("0", 0, Some((0, true))),
            ("0.000", 0, Some((0, true))),
            ("0e999999", 0, Some((0, true))),
            ("1234", 0, Some((1_234, true))),
            ("12.0", 0, Some((12, true))),
            ("1.2e3", 0, Some((1_200, true))),
            ("1200e-2", 0, Some((12, true))),
            ("1.5", 0, Some((2, false))),
            ("1e-400", 0, Some((1, false))),
            ("9.5", 3, Some((9_500, true))),
            ("8.470000114440918", 3, Some((8_471, false))),
            ("0.00014", 12, Some((140_000_000, true))),
            ("1.2E-05", 12, Some((12_000_000, true))),
            ("1e-13", 12, Some((1, false))),
            ("18446744073709551615", 0, Some((u64::MAX, true))),
            ("18446744073709551616", 0, None),
            ("1e20", 0, None),
            ("1e400", 0, None),
            ("1e99999999999", 0, None),
            ("-1", 0, None),
            ("-0", 0, None),
            ("1234567890123456789012345678901234567890", 0, None),
        ] {
            let scaled = scaled(number.as_bytes(), decimals).map(|scaled| (scaled.value, scaled.is_exact));
            assert_eq!(scaled, expected, "{number}");
        }
    }
}
