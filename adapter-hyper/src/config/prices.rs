//! The price table: the built-in one, with the prices of `PRICES_FILE`.

use std::{fs, path::Path};

use sparekey_policy::{PriceTable, PricesFileError};

/// The setting that names the file.
pub(crate) const SETTING: &str = "PRICES_FILE";

/// Reads the prices.
///
/// # Errors
/// All problems of the file, one sentence each, with their lines.
pub(crate) fn read(file: Option<&Path>) -> Result<PriceTable, Vec<String>> {
    let shipped = PriceTable::shipped().map_err(|error| vec![format!("the built-in price table: {error}")])?;
    let Some(file) = file else { return Ok(shipped) };
    let path = file.display();
    // A pipe can be read once, and a reload would wait for it.
    if fs::metadata(file).is_ok_and(|metadata| !metadata.is_file()) {
        return Err(vec![format!("{SETTING} names {path}, which is no regular file")]);
    }
    let text = fs::read_to_string(file);
    let text = text.map_err(|error| vec![format!("{SETTING} names {path}, which cannot be read: {error}")])?;
    if text.trim().is_empty() {
        return Err(vec![format!("{SETTING} names {path}, which is empty")]);
    }
    shipped.with_overrides(&text).map_err(|error| problems(&format!("{SETTING} {path}"), &error))
}

fn problems(source: &str, error: &PricesFileError) -> Vec<String> {
    error.problems().iter().map(|problem| format!("{source} {problem}")).collect()
}
