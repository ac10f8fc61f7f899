//! Finds the row of a model's name.

use super::{PriceTable, model::ModelPrices};

/// The form of the end of a snapshot's name; `0` stands for any digit.
const DATE: &[u8] = b"-0000-00-00";

impl PriceTable {
    /// Returns the prices of a model: of this name, else of the name without its date, else of the model that was
    /// fine-tuned. No other prefix counts: `gpt-5-pro` costs twelve times as much as `gpt-5`.
    #[must_use]
    pub fn find(&self, model: &str) -> Option<&ModelPrices> {
        self.find_entry(model).map(|(_, prices)| prices)
    }

    /// Returns the same, with the name in the table.
    #[must_use]
    pub fn find_entry(&self, model: &str) -> Option<(&str, &ModelPrices)> {
        let find = |name| self.models.get_key_value(name).map(|(name, prices)| (name.as_str(), prices));
        let exact = find(model).or_else(|| find(without_date(model)?));
        exact.or_else(|| {
            // `ft:{base}:{organization}:{name}:{id}`.
            let base = model.strip_prefix("ft:")?.split(':').next()?;
            let base = model.get(..base.len().saturating_add("ft:".len()))?;
            find(base).or_else(|| find(without_date(base)?))
        })
    }
}

/// Digits of the shortest date or version: `0613`.
const VERSION_DIGITS: usize = 4;

/// Whether a model is another, or a snapshot of it: `gpt-5-2025-08-07` of `gpt-5`, `grok-4-0709` of `grok-4`,
/// `gpt-3.5-turbo-instruct:20230824-v2` of `gpt-3.5-turbo-instruct`.
#[must_use]
pub fn is_snapshot_of(name: &str, model: &str) -> bool {
    let Some(version) = name.strip_prefix(model).filter(|_| !model.is_empty()) else { return false };
    let is_part = |byte: u8| byte.is_ascii_digit() || matches!(byte, b'-' | b'v');
    match version.as_bytes() {
        [] => true,
        [b'-' | b':' | b'@', parts @ ..] => {
            parts.iter().all(|byte| is_part(*byte))
                && parts.split(|byte| !byte.is_ascii_digit()).any(|digits| digits.len() >= VERSION_DIGITS)
        }
        _ => false,
    }
}

fn without_date(name: &str) -> Option<&str> {
    let (base, date) = name.split_at_checked(name.len().checked_sub(DATE.len())?)?;
    let is_like = |(form, byte): (&u8, u8)| if *form == b'0' { byte.is_ascii_digit() } else { *form == byte };
    (!base.is_empty() && DATE.iter().zip(date.bytes()).all(is_like)).then_some(base)
}
