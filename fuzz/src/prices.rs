//! The owner's prices.

use std::sync::LazyLock;

use sparekey_policy::{PriceTable, Tier, Tokens, Usd};

static SHIPPED: LazyLock<PriceTable> = LazyLock::new(|| PriceTable::shipped().expect("valid prices"));

/// Checks that problems have a line of the file, that prices are not negative, and that a table survives its compact form.
pub(crate) fn prices_file(input: &[u8]) {
    let Ok(text) = std::str::from_utf8(input) else { return };
    match SHIPPED.with_overrides(text) {
        Ok(table) => {
            assert_eq!(PriceTable::from_json(&table.to_json(|_| true)).as_ref(), Ok(&table));
            let tokens = Tokens { input: 1_000, cached: 10, output: 1_000, ..Tokens::default() };
            for (name, _) in table.models() {
                assert!(table.cost(name, Tier::Standard, &tokens.into()).is_none_or(|cost| cost >= Usd::ZERO));
            }
        }
        Err(error) => {
            let lines = text.split('\n').count();
            assert!(!error.problems().is_empty());
            assert!(error.problems().iter().all(|problem| (1..=lines).contains(&problem.line)), "{error}");
        }
    }
}
