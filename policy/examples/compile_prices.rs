//! Writes `prices.json` from `prices.toml`: `cargo run -p sparekey-policy --example compile_prices`. Run it after each change of
//! the prices.

use std::{error::Error, fs, path::Path};

use sparekey_policy::PriceTable;

fn main() -> Result<(), Box<dyn Error>> {
    let table = PriceTable::from_source()?;
    fs::write(Path::new(env!("CARGO_MANIFEST_DIR")).join("prices.json"), table.to_json(|_| true) + "\n")?;
    Ok(())
}
