//! The compact form of the price table: JSON for platforms without a TOML parser.
//!
//! ```json
//! {"version":"2026-11-26","date":1795651200000000,"long_context_above":272000,
//!  "factors":{"batch":500,"flex":500,"priority":2000,"ultrafast":6000,"regional":1100},"tools":{"web_search":10000000000},
//!  "models":{"gpt-5":{"mode":"chat","max_input":272000,"rows":{"standard":{"input":1250000,"output":10000000}}}}}
//! ```
//!
//! Prices are pico-dollars per token, character, call, minute or picture; factors are per mille; instants are microseconds
//! since 1970-01-01 00:00 UTC. A field that this version does not have is an error.

use std::collections::BTreeMap;

use super::{
    PriceTable,
    factors::{Factors, ToolPrices},
    field::Field,
    model::{ModelMode, ModelPrices},
    row::{RowName, TokenKind, TokenPrices},
};
use crate::{
    json::{Json, Object},
    json_parser,
    timestamp::Timestamp,
    usd::Usd,
};

/// A text that is not the compact form of a price table.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[error("the price table is not as this version writes it; compile it again with the same version")]
#[non_exhaustive]
pub struct CompiledPricesError;

/// The whole numbers of a model that are counts: names and fields.
const COUNTS: [Field<ModelPrices, Option<u32>>; 3] = [
    ("max_input", |model| &mut model.max_input),
    ("max_output", |model| &mut model.max_output),
    ("output_tokens_per_second", |model| &mut model.output_tokens_per_second),
];

/// The single prices of a model: names and fields.
const PRICES: [Field<ModelPrices, Option<Usd>>; 3] = [
    ("web_search_call", |model| &mut model.web_search_call),
    ("per_minute_audio", |model| &mut model.per_minute_audio),
    ("per_character", |model| &mut model.per_character),
];

/// The table of this version, compiled from `prices.toml`: a parser of TOML leaves 2 MB of memory behind.
const SHIPPED: &str = include_str!("../../prices.json");

impl PriceTable {
    /// Reads the table that ships with this version.
    ///
    /// # Errors
    /// None: a test reads it.
    pub fn shipped() -> Result<Self, CompiledPricesError> {
        Self::from_json(SHIPPED)
    }

    /// Writes the compact form of the models that are kept.
    #[must_use]
    pub fn to_json(&self, is_kept: impl Fn(&str) -> bool) -> String {
        let (mut factors, mut tools, mut models) = (Object::default(), Object::default(), Object::default());
        let mut table = self.clone();
        for (name, field) in Factors::FIELDS {
            factors.put(name, Json::Integer((*field(&mut table.factors)).into()));
        }
        for (name, field) in ToolPrices::FIELDS {
            tools.put(name, price(*field(&mut table.tools)));
        }
        for (name, model) in table.models.iter_mut().filter(|(name, _)| is_kept(name)) {
            models.put(name, write_model(model));
        }
        let mut root = Object::default();
        root.put("version", Json::Text(table.version));
        root.put("date", Json::Integer(table.date.as_micros()));
        root.put("long_context_above", Json::Integer(i64::try_from(table.long_context_above).unwrap_or(i64::MAX)));
        root.put("factors", Json::Object(factors));
        root.put("tools", Json::Object(tools));
        root.put("models", Json::Object(models));
        let mut out = String::new();
        Json::Object(root).write(&mut out);
        out
    }

    /// Reads the compact form.
    ///
    /// # Errors
    /// [`CompiledPricesError`].
    pub fn from_json(text: &str) -> Result<Self, CompiledPricesError> {
        json_parser::parse(text).ok().and_then(Json::object).and_then(read_table).ok_or(CompiledPricesError)
    }
}

fn price(price: Usd) -> Json {
    Json::Integer(price.as_pico())
}

fn prices<'p>(prices: impl Iterator<Item = (&'p str, Usd)>) -> Json {
    let mut object = Object::default();
    for (name, amount) in prices {
        object.put(name, price(amount));
    }
    Json::Object(object)
}

fn write_model(model: &mut ModelPrices) -> Json {
    let mut object = Object::default();
    object.put("mode", Json::Text(model.mode.name().to_owned()));
    for (name, field) in COUNTS {
        if let Some(count) = *field(model) {
            object.put(name, Json::Integer(count.into()));
        }
    }
    for (name, field) in PRICES {
        if let Some(amount) = *field(model) {
            object.put(name, price(amount));
        }
    }
    if let Some(ends) = model.ends {
        object.put("ends", Json::Integer(ends.as_micros()));
    }
    if model.has_regional_factor {
        object.put("regional", Json::Boolean(true));
    }
    if model.is_shipped {
        object.put("shipped", Json::Boolean(true));
    }
    if !model.pictures.is_empty() {
        object.put("pictures", prices(model.pictures.iter().map(|(name, price)| (name.as_str(), *price))));
    }
    let mut rows = Object::default();
    for (name, row) in model.rows() {
        rows.put(&name.name(), prices(row.listed().map(|(kind, price)| (kind.name(), price))));
    }
    object.put("rows", Json::Object(rows));
    Json::Object(object)
}

fn read_table(mut root: Object) -> Option<PriceTable> {
    let mut table = PriceTable {
        version: root.take("version")?.text()?,
        date: Timestamp::from_micros(root.take("date")?.integer()?),
        long_context_above: u64::try_from(root.take("long_context_above")?.integer()?).ok()?,
        factors: Factors::default(),
        tools: ToolPrices::default(),
        is_regional: false,
        models: BTreeMap::new(),
    };
    let mut factors = root.take("factors")?.object()?;
    for (name, field) in Factors::FIELDS {
        *field(&mut table.factors) = u32::try_from(factors.take(name)?.integer()?).ok()?;
    }
    let mut tools = root.take("tools")?.object()?;
    for (name, field) in ToolPrices::FIELDS {
        *field(&mut table.tools) = read_price(tools.take(name)?)?;
    }
    for (name, model) in root.take("models")?.object()?.0 {
        table.models.insert(name, read_model(model.object()?)?);
    }
    (root.is_empty() && factors.is_empty() && tools.is_empty()).then_some(table)
}

/// A negative price would give money back.
fn read_price(value: Json) -> Option<Usd> {
    value.integer().map(Usd::from_pico).filter(|price| *price >= Usd::ZERO)
}

fn read_prices<T>(object: Object, name: impl Fn(String) -> Option<T>) -> Option<Vec<(T, Usd)>> {
    object.0.into_iter().map(|(field, price)| Some((name(field)?, read_price(price)?))).collect()
}

fn read_model(mut object: Object) -> Option<ModelPrices> {
    let mut model =
        ModelPrices { mode: ModelMode::from_name(&object.take("mode")?.text()?)?, ..ModelPrices::default() };
    for (name, field) in COUNTS {
        if let Some(count) = object.take(name) {
            *field(&mut model) = Some(u32::try_from(count.integer()?).ok()?);
        }
    }
    for (name, field) in PRICES {
        if let Some(price) = object.take(name) {
            *field(&mut model) = Some(read_price(price)?);
        }
    }
    if let Some(ends) = object.take("ends") {
        model.ends = Some(Timestamp::from_micros(ends.integer()?));
    }
    if let Some(flag) = object.take("regional") {
        model.has_regional_factor = flag.boolean()?;
    }
    if let Some(flag) = object.take("shipped") {
        model.is_shipped = flag.boolean()?;
    }
    if let Some(pictures) = object.take("pictures") {
        model.pictures = read_prices(pictures.object()?, Some)?;
    }
    let kind = |name: String| TokenKind::ALL.into_iter().find(|kind| kind.name() == name);
    for (name, row) in object.take("rows")?.object()?.0 {
        let prices = TokenPrices { listed: read_prices(row.object()?, kind)? };
        model.rows.push((RowName::parse(&name)?, prices));
    }
    object.is_empty().then_some(model)
}
