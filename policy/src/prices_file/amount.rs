//! Prices, factors and counts.

use std::ops::RangeInclusive;

use crate::{
    toml_file::{
        problem::Problems,
        tree::{Node, Value},
    },
    usd::Usd,
};

/// Tokens, or characters, of a price.
const MILLION: i64 = 1_000_000;

/// The highest price of a token in pico-dollars: 0.01 dollars.
const PER_TOKEN_MAX: i64 = 10_000_000_000;

/// The highest price of a call, a minute or a picture, in dollars.
const PER_CALL_MAX: i64 = 1_000;

/// A factor of 0.001 as [`Usd`] reads it.
const MILLE: i64 = 1_000_000_000;

/// Factors, per mille.
const FACTORS: RangeInclusive<u32> = 1..=100_000;

/// Reads a price per million tokens. Returns that of one token.
pub(super) fn per_token(node: &Node, problems: &mut Problems<'_>) -> Option<Usd> {
    let price = |dollars: Usd| exact_quotient(dollars, MILLION).filter(|pico| *pico <= PER_TOKEN_MAX);
    let form = "must be 0, or US dollars per million from \"0.000001\" to \"10000\" with at most six decimals";
    decimal(node, price, form, problems).map(Usd::from_pico)
}

/// Reads a price per call, per minute or per picture.
pub(super) fn per_call(node: &Node, problems: &mut Problems<'_>) -> Option<Usd> {
    let price = |dollars| Some(dollars).filter(|_| Some(dollars) <= Usd::from_dollars(PER_CALL_MAX));
    let form = format!("must be US dollars from 0 to {PER_CALL_MAX}, with at most twelve decimals");
    decimal(node, price, &form, problems)
}

/// Reads a factor such as `"0.5"`. Returns it per mille.
pub(super) fn per_mille(node: &Node, problems: &mut Problems<'_>) -> Option<u32> {
    let factor = |factor| u32::try_from(exact_quotient(factor, MILLE)?).ok().filter(|mille| FACTORS.contains(mille));
    decimal(node, factor, "must be a factor from \"0.001\" to \"100\" with at most three decimals", problems)
}

/// Reads a whole number of tokens.
pub(super) fn count(node: &Node, problems: &mut Problems<'_>) -> Option<u32> {
    let count = if let Value::Integer(count) = node.value { u32::try_from(count).ok() } else { None };
    if count.is_none() {
        problems.add(node, &format!("must be a whole number from 0 to {}", u32::MAX));
    }
    count
}

/// Reads a size or a speed in tokens. One of 0 would bound what a request costs to nothing.
pub(super) fn size(node: &Node, problems: &mut Problems<'_>) -> Option<u32> {
    let size = if let Value::Integer(size) = node.value { u32::try_from(size).ok() } else { None };
    let size = size.filter(|size| *size > 0);
    if size.is_none() {
        problems.add(node, &format!("must be a whole number from 1 to {}; leave it out if it is not known", u32::MAX));
    }
    size
}

/// Reads a decimal number, in quotes or whole, and converts it.
fn decimal<T>(
    node: &Node,
    convert: impl FnOnce(Usd) -> Option<T>,
    form: &str,
    problems: &mut Problems<'_>,
) -> Option<T> {
    let amount = match &node.value {
        Value::Integer(number) => Usd::from_dollars(*number).filter(|amount| *amount >= Usd::ZERO),
        Value::String(text) => Usd::parse(text),
        Value::Float => {
            problems.add(node, "must be in quotes, such as \"0.25\", so that no fraction is rounded");
            return None;
        }
        Value::Boolean(_) | Value::Datetime(_) | Value::Array(_) | Value::Table(_) => None,
    };
    let value = amount.and_then(convert);
    if value.is_none() {
        problems.add(node, form);
    }
    value
}

fn exact_quotient(amount: Usd, divisor: i64) -> Option<i64> {
    let is_exact = amount.as_pico().checked_rem(divisor) == Some(0);
    amount.as_pico().checked_div(divisor).filter(|_| is_exact)
}
