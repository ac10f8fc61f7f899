//! Prices in TOML: the shipped table, and the owner's prices in the same form.
//!
//! Everything is checked when the text is read, and all problems are reported at once.

mod amount;
mod model;

use std::collections::BTreeMap;

use crate::{
    prices::{Factors, Field, ModelPrices, PriceTable, RowName, ToolPrices, is_snapshot_of},
    timestamp::Timestamp,
    toml_file::{
        Problem,
        problem::Problems,
        syntax_problem,
        tree::{Node, Tree, Value},
    },
    users_file::date,
    zone::Zone,
};

/// The prices of this version.
const SOURCE: &str = include_str!("../prices.toml");

/// All problems of a text with prices. Its `Display` prints one per line.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[error("{}", self.problems.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n"))]
pub struct PricesFileError {
    problems: Vec<Problem>,
}

/// Which text is read.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Scope {
    /// The shipped table, which has every part.
    Shipped,
    /// The owner's prices.
    Overrides,
}

impl PricesFileError {
    /// Returns the problems, in the order of their lines.
    #[must_use]
    pub fn problems(&self) -> &[Problem] {
        &self.problems
    }
}

impl PriceTable {
    /// Reads the source of the table that ships with this version. [`PriceTable::shipped`] is the same, compiled.
    ///
    /// # Errors
    /// None: a test reads it.
    pub fn from_source() -> Result<Self, PricesFileError> {
        let empty = Self {
            version: String::new(),
            date: Timestamp::default(),
            long_context_above: 0,
            factors: Factors::default(),
            tools: ToolPrices::default(),
            is_regional: false,
            models: BTreeMap::new(),
        };
        empty.merge(SOURCE, Scope::Shipped)
    }

    /// Adds the owner's prices. A model that has prices in them loses its other prices; its sizes stay unless they are
    /// set. Snapshots that are listed with the same prices, and are not in the text, get the new ones too.
    ///
    /// # Errors
    /// All problems, with their lines. A text that is not TOML has one.
    pub fn with_overrides(&self, text: &str) -> Result<Self, PricesFileError> {
        let mut table = self.clone().merge(text, Scope::Overrides)?;
        table.version = format!("{}+{:08x}", self.version, checksum(text));
        Ok(table)
    }

    fn merge(mut self, text: &str, scope: Scope) -> Result<Self, PricesFileError> {
        let tree =
            Tree::parse(text).map_err(|error| PricesFileError { problems: vec![syntax_problem(text, &error)] })?;
        let mut problems = Problems::new(text);
        for (name, node) in tree.entries() {
            match (name.as_str(), scope) {
                ("models", _) => self.merge_models(node, scope, &mut problems),
                ("tools", _) => fields(node, &ToolPrices::FIELDS, &mut self.tools, amount::per_call, &mut problems),
                ("factors", Scope::Shipped) => {
                    fields(node, &Factors::FIELDS, &mut self.factors, amount::per_mille, &mut problems);
                }
                ("version", Scope::Shipped) => node.text().unwrap_or_default().clone_into(&mut self.version),
                ("date", Scope::Shipped) => {
                    self.date = date::read(node, &Zone::utc(), &mut problems).unwrap_or_default();
                }
                ("long_context_above", Scope::Shipped) => {
                    self.long_context_above = amount::count(node, &mut problems).unwrap_or_default().into();
                }
                _ => problems.add(node, "is not part of a prices file, which has [models.\"NAME\"] and [tools]"),
            }
        }
        problems.finish().map_err(|problems| PricesFileError { problems })?;
        Ok(self)
    }

    fn merge_models(&mut self, models: &Node, scope: Scope, problems: &mut Problems<'_>) {
        if !matches!(models.value, Value::Table(_)) {
            problems.add(models, "must be a table");
        }
        let before = self.models.clone();
        for (name, node) in models.entries() {
            let listed = self.models.get(name).cloned().unwrap_or_default();
            let mut model = model::read(name, node, listed, problems);
            model.is_shipped |= scope == Scope::Shipped;
            self.models.insert(name.clone(), model);
        }
        let with_prices = models.entries().iter().filter(|(_, node)| model::has_prices(node));
        for (name, _) in with_prices {
            let (Some(listed), Some(new)) = (before.get(name), self.models.get(name).cloned()) else { continue };
            let is_own = |snapshot: &str| models.entries().iter().any(|(own, _)| own == snapshot);
            for (snapshot, prices) in self.models.iter_mut().filter(|(snapshot, _)| is_snapshot_of(snapshot, name)) {
                if !is_own(snapshot) && before.get(snapshot).is_some_and(|snapshot| has_prices_of(snapshot, listed)) {
                    take_prices(prices, &new);
                }
            }
        }
    }
}

/// Whether most requests have the same prices.
fn has_prices_of(model: &ModelPrices, other: &ModelPrices) -> bool {
    let prices =
        |model: &ModelPrices| (model.row(RowName::STANDARD).cloned(), model.per_minute_audio, model.per_character);
    prices(model) == prices(other)
}

fn take_prices(model: &mut ModelPrices, other: &ModelPrices) {
    model.rows.clone_from(&other.rows);
    (model.per_minute_audio, model.per_character) = (other.per_minute_audio, other.per_character);
    model.web_search_call = other.web_search_call;
}

/// Reads a table whose fields have values of one type.
fn fields<T, V: Copy>(
    table: &Node,
    fields: &[Field<T, V>],
    target: &mut T,
    read: fn(&Node, &mut Problems<'_>) -> Option<V>,
    problems: &mut Problems<'_>,
) {
    if !matches!(table.value, Value::Table(_)) {
        problems.add(table, "must be a table");
    }
    for (name, node) in table.entries() {
        if let Some((_, field)) = fields.iter().find(|(field, _)| field == name) {
            let place = field(target);
            *place = read(node, problems).unwrap_or(*place);
        } else {
            let names = fields.iter().map(|(name, _)| *name).collect::<Vec<_>>().join(", ");
            problems.add(node, &format!("is not a field here; the fields are {names}"));
        }
    }
}

/// Distinguishes the owner's prices in rows of usage: 32-bit
/// [FNV-1a](https://datatracker.ietf.org/doc/html/draft-eastlake-fnv).
fn checksum(text: &str) -> u32 {
    text.bytes().fold(0x811c_9dc5, |hash, byte| (hash ^ u32::from(byte)).wrapping_mul(0x0100_0193))
}
