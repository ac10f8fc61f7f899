//! The price table: the built-in one, with the prices of `PRICES_FILE`.

use std::{fs, path::Path};

use sparekey_policy::{PriceTable, PricesFileError};

use super::sources::{Values, read_text};

/// The setting that names the file.
pub(crate) const SETTING: &str = "PRICES_FILE";

/// Reads the prices of a command's settings.
///
/// # Errors
/// All problems, one sentence each.
pub(crate) fn of_command(values: &Values) -> Result<PriceTable, Vec<String>> {
    match values.problem(SETTING) {
        Some(problem) => Err(vec![problem.to_owned()]),
        None => read(values.get(SETTING).map(Path::new)),
    }
}

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
    let text = read_text(file);
    let text = text.map_err(|error| vec![format!("{SETTING} names {path}, which cannot be read: {error}")])?;
    if text.trim().is_empty() {
        return Err(vec![format!("{SETTING} names {path}, which is empty")]);
    }
    shipped.with_overrides(&text).map_err(|error| problems(&format!("{SETTING} {path}"), &error))
}

fn problems(source: &str, error: &PricesFileError) -> Vec<String> {
    error.problems().iter().map(|problem| format!("{source} {problem}")).collect()
}
