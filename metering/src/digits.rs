//! Whole numbers as digits.

/// Returns a whole number that is not negative. One that is too large is the largest. `None`: there is another character than
/// digits, or nothing.
pub(crate) fn parse(text: &[u8]) -> Option<u64> {
    let add = |number: u64, digit: &u8| number.saturating_mul(10).saturating_add(digit.wrapping_sub(b'0').into());
    let is_number = !text.is_empty() && text.iter().all(u8::is_ascii_digit);
    is_number.then(|| text.iter().fold(0, add))
}
