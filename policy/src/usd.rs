//! Amounts of money.

use std::fmt;

/// Digits after the point of an amount in dollars: a pico-dollar is 10⁻¹² dollars.
const DECIMALS: usize = 12;

/// Pico-dollars of a dollar.
const DOLLAR: i64 = 1_000_000_000_000;

/// An amount of US dollars, in whole pico-dollars. Its `Display` is a decimal number such as `0.50`.
///
/// A price per million tokens with six decimals is a whole number of pico-dollars per token, so that no amount is ever
/// rounded. Amounts reach 9.2 million dollars, and saturate there.
#[derive(Clone, Copy, Debug, Default, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct Usd(i64);

impl Usd {
    /// No money.
    pub const ZERO: Self = Self(0);
    /// The largest amount.
    pub const MAX: Self = Self(i64::MAX);

    /// Returns an amount of pico-dollars.
    #[must_use]
    pub const fn from_pico(pico: i64) -> Self {
        Self(pico)
    }

    /// Returns an amount of whole dollars, or `None` above 9.2 million.
    #[must_use]
    pub const fn from_dollars(dollars: i64) -> Option<Self> {
        match dollars.checked_mul(DOLLAR) {
            Some(pico) => Some(Self(pico)),
            None => None,
        }
    }

    /// Returns the amount in pico-dollars.
    #[must_use]
    pub const fn as_pico(self) -> i64 {
        self.0
    }

    /// Parses a decimal number of dollars such as `5` or `0.50`: digits, and at most 12 more after a point.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let (dollars, fraction) = text.split_once('.').map_or((text, "0"), |(dollars, fraction)| (dollars, fraction));
        if fraction.len() > DECIMALS {
            return None;
        }
        let pico = digits(fraction)?
            .checked_mul(10_i64.checked_pow(u32::try_from(DECIMALS.checked_sub(fraction.len())?).ok()?)?)?;
        digits(dollars)?.checked_mul(DOLLAR)?.checked_add(pico).map(Self)
    }

    /// Adds. It saturates.
    #[must_use]
    pub const fn plus(self, other: Self) -> Self {
        Self(self.0.saturating_add(other.0))
    }

    /// Subtracts. It saturates, and the result may be negative.
    #[must_use]
    pub const fn minus(self, other: Self) -> Self {
        Self(self.0.saturating_sub(other.0))
    }
}

/// At least two decimals, and no more than needed.
impl fmt::Display for Usd {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let sign = if self.0 < 0 { "-" } else { "" };
        let pico = self.0.unsigned_abs();
        let dollar = DOLLAR.unsigned_abs();
        let fraction = format!("{:012}", pico.checked_rem(dollar).unwrap_or(0));
        let kept = fraction.trim_end_matches('0').len().max(2);
        let dollars = pico.checked_div(dollar).unwrap_or(0);
        write!(f, "{sign}{dollars}.{}", fraction.get(..kept).unwrap_or_default())
    }
}

fn digits(text: &str) -> Option<i64> {
    text.bytes().all(|byte| byte.is_ascii_digit()).then(|| text.parse().ok())?
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn decimal_numbers() {
        for (text, pico, shown) in [
            ("5", 5_000_000_000_000, "5.00"),
            ("0.50", 500_000_000_000, "0.50"),
            ("0.000000000001", 1, "0.000000000001"),
            ("9223372.036854775807", i64::MAX, "9223372.036854775807"),
        ] {
            assert_eq!(Usd::parse(text), Some(Usd(pico)));
            assert_eq!(Usd(pico).to_string(), shown);
        }
        for text in
            ["", ".", "5.", ".5", "-5", "+5", "1e3", "0.0000000000001", "9223372.036854775808", "5,00", "$5", " 5"]
        {
            assert_eq!(Usd::parse(text), None, "{text:?}");
        }
        assert_eq!(Usd(-1_500_000_000_000).to_string(), "-1.50");
        assert_eq!(Usd(i64::MIN).to_string(), "-9223372.036854775808");
    }

    proptest! {
        #[test]
        fn round_trip(pico in 0..=i64::MAX) {
            prop_assert_eq!(Usd::parse(&Usd(pico).to_string()), Some(Usd(pico)));
        }
    }
}
