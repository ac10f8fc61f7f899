//! Values of limits: numbers, amounts, lists.

use std::num::NonZeroU32;

use crate::{
    limits::Budgets,
    period::Period,
    toml_file::{
        problem::Problems,
        tree::{Node, Value},
    },
    usd::Usd,
};

/// Lifts a default of `[limits]`.
const UNLIMITED: &str = "unlimited";

/// A limit that is set.
#[derive(Clone, Debug)]
pub(super) enum Setting<T> {
    Unlimited,
    Limited(T),
}

impl<T> Setting<T> {
    /// Reads `"unlimited"`, or a value.
    pub(super) fn read(node: &Node, read: impl FnOnce(&Node) -> Option<T>) -> Option<Self> {
        if node.text() == Some(UNLIMITED) { Some(Self::Unlimited) } else { read(node).map(Self::Limited) }
    }

    pub(super) fn limited(self) -> Option<T> {
        match self {
            Self::Unlimited => None,
            Self::Limited(value) => Some(value),
        }
    }
}

/// Reads a whole number from 1 to `max`.
pub(super) fn number(node: &Node, max: u32, problems: &mut Problems<'_>) -> Option<NonZeroU32> {
    let number = if let Value::Integer(number) = node.value { u32::try_from(number).ok() } else { None };
    let number = number.filter(|number| *number <= max).and_then(NonZeroU32::new);
    if number.is_none() {
        problems.add(node, &format!("must be a whole number from 1 to {max}, or \"{UNLIMITED}\""));
    }
    number
}

pub(super) fn boolean(node: &Node, problems: &mut Problems<'_>) -> Option<bool> {
    if let Value::Boolean(flag) = node.value {
        return Some(flag);
    }
    problems.add(node, "must be true or false");
    None
}

/// Reads a list of texts that is not empty. Each item that `parse` refuses is a problem with the message that it returns.
pub(super) fn list<T>(
    node: &Node,
    form: &str,
    parse: impl Fn(&str) -> Result<T, String>,
    problems: &mut Problems<'_>,
) -> Option<Vec<T>> {
    let Some(items) = node.items().filter(|items| !items.is_empty()) else {
        problems.add(node, &format!("must be a list of {form}, with one at least, or \"{UNLIMITED}\""));
        return None;
    };
    let mut values = Vec::with_capacity(items.len());
    for item in items {
        match item.text().map(&parse) {
            Some(Ok(value)) => values.push(value),
            Some(Err(message)) => problems.add(item, &message),
            None => problems.add(item, "must be a text in quotes"),
        }
    }
    Some(values)
}

/// Reads `budgets`. An empty list lifts a default.
pub(super) fn budgets(node: &Node, problems: &mut Problems<'_>) -> Option<Budgets> {
    let Some(items) = node.items() else {
        problems.add(node, "must be a list such as [{ usd = 5, per = \"month\" }], or \"unlimited\"");
        return None;
    };
    let mut budgets = Budgets::default();
    for item in items {
        if let Some((period, amount)) = budget(item, problems)
            && budgets.set(period, amount).is_some()
        {
            problems.add(item, &format!("is the second budget per {}; a user has at most one", period.name()));
        }
    }
    Some(budgets)
}

fn budget(node: &Node, problems: &mut Problems<'_>) -> Option<(Period, Usd)> {
    let entries = node.entries();
    let (mut amount, mut period) = (None, None);
    for (name, value) in entries {
        match name.as_str() {
            "usd" => amount = usd(value, problems),
            "per" => {
                period = value.text().and_then(Period::from_name);
                if period.is_none() {
                    problems.add(value, "must be \"day\", \"week\", \"month\" or \"total\"");
                }
            }
            _ => problems.add(value, "is not a field of a budget; its fields are usd and per"),
        }
    }
    if !["usd", "per"].iter().all(|field| entries.iter().any(|(name, _)| name == field)) {
        problems.add(node, "must have an amount and a period, such as { usd = 5, per = \"month\" }");
    }
    Some((period?, amount?))
}

fn usd(node: &Node, problems: &mut Problems<'_>) -> Option<Usd> {
    let amount = match &node.value {
        Value::Integer(dollars) => Usd::from_dollars(*dollars),
        Value::String(text) => Usd::parse(text),
        Value::Float => {
            problems.add(node, "must be a whole number or in quotes, such as \"0.50\", so that no fraction is rounded");
            return None;
        }
        Value::Boolean(_) | Value::Datetime(_) | Value::Array(_) | Value::Table(_) => None,
    };
    let amount = amount.filter(|amount| *amount > Usd::ZERO);
    if amount.is_none() {
        problems.add(node, "must be an amount of US dollars above 0 and up to 9000000, such as 5 or \"0.50\"");
    }
    amount
}
