//! Amounts for people, with at most six decimals. JSON and CSV have them in full.

use sparekey_policy::Usd;

/// Decimals of a rounded amount: a token of the cheapest models costs less, a request more.
const DECIMALS: usize = 6;
/// Pico-dollars of the last decimal.
const UNIT: i64 = 1_000_000;

/// Writes an amount such as `0.50`, with as many decimals as it needs.
pub(crate) fn short(usd: Usd) -> String {
    rounded(usd).to_string()
}

/// Writes an amount such as `0.500000`, for a column.
pub(crate) fn fixed(usd: Usd) -> String {
    let text = short(usd);
    let decimals = text.rsplit('.').next().map_or(0, str::len);
    format!("{text}{}", "0".repeat(DECIMALS.saturating_sub(decimals)))
}

/// Rounds to the nearest amount, a half away from zero.
fn rounded(usd: Usd) -> Usd {
    let pico = usd.as_pico();
    let half = UNIT / 2 * pico.signum();
    // The largest amounts are cut.
    Usd::from_pico(pico.checked_add(half).unwrap_or(pico) / UNIT * UNIT)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn amounts_are_rounded() {
        for (pico, expected, column) in [
            (0, "0.00", "0.000000"),
            (499_999, "0.00", "0.000000"),
            (500_000, "0.000001", "0.000001"),
            (1_200_000_000_000, "1.20", "1.200000"),
            (-1_234_567_500_000, "-1.234568", "-1.234568"),
            (i64::MAX, "9223372.036854", "9223372.036854"),
        ] {
            assert_eq!((&*short(Usd::from_pico(pico)), &*fixed(Usd::from_pico(pico))), (expected, column));
        }
    }
}
