//! The values that a field can be set to.

use toml_edit::{Array, InlineTable, Value};

use super::Moment;
use crate::{limits::Budgets, usd::Usd};

/// A new value of a field.
#[derive(Clone, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub enum NewValue {
    /// `"unlimited"`: lifts a default of `[limits]`.
    Unlimited,
    /// A whole number.
    Number(u32),
    /// `true` or `false`.
    Flag(bool),
    /// A text.
    Text(String),
    /// A list of texts.
    List(Vec<String>),
    /// Budgets.
    Budgets(Budgets),
    /// A date or a time.
    Moment(Moment),
}

impl NewValue {
    pub(super) fn to_toml(&self) -> Value {
        match self {
            Self::Unlimited => "unlimited".into(),
            Self::Number(number) => i64::from(*number).into(),
            Self::Flag(flag) => (*flag).into(),
            Self::Text(text) => text.as_str().into(),
            Self::List(texts) => Value::Array(Array::from_iter(texts)),
            Self::Budgets(budgets) => Value::Array(
                budgets
                    .iter()
                    .map(|(period, usd)| InlineTable::from_iter([("usd", amount(usd)), ("per", period.name().into())]))
                    .collect(),
            ),
            Self::Moment(moment) => moment.datetime().into(),
        }
    }
}

/// Whole dollars are a number; others are in quotes, because a TOML float could round them.
fn amount(usd: Usd) -> Value {
    let text = usd.to_string();
    text.strip_suffix(".00").and_then(|dollars| dollars.parse::<i64>().ok()).map_or(text.into(), Value::from)
}
