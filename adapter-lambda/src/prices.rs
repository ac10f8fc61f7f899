//! The price table: the one that ships with the release, with the prices of `PRICES`.

use sparekey_core::ConfigProblem;
use sparekey_policy::PriceTable;

/// The owner's prices in TOML, or what names a parameter or secret with them.
pub(crate) const PRICES: &str = "PRICES";

/// Adds the owner's prices to those of the release.
///
/// # Errors
/// All problems, with their lines.
pub(crate) fn own(text: &str) -> Result<PriceTable, Vec<ConfigProblem>> {
    let own = shipped()?.with_overrides(text);
    own.map_err(|error| {
        let problems = error.problems().iter();
        problems.map(|problem| ConfigProblem::Adapter(format!("{PRICES} {problem}"))).collect()
    })
}

/// Returns the prices of the release.
///
/// # Errors
/// The problem of the release.
pub(crate) fn shipped() -> Result<PriceTable, Vec<ConfigProblem>> {
    PriceTable::shipped().map_err(|error| vec![ConfigProblem::Adapter(format!("the built-in price table: {error}"))])
}
