//! Prices as JSON, with the names of the price table.

use sparekey_core::json_string;
use sparekey_policy::{ModelPrices, PriceTable, TokenPrices, Usd, Zone};

use super::{Named, per_million};
use crate::commands::json::{array, instant, object};

/// Writes the table with some of its models.
pub(super) fn write(table: &PriceTable, models: &[Named<'_>]) -> String {
    let tools = table.tools();
    let tools = [("web_search", tools.web_search), ("file_search", tools.file_search), ("container", tools.container)];
    let members = [
        ("version", json_string(table.version())),
        ("date", instant(table.date(), &Zone::utc())),
        ("long_context_above", table.long_context_above().to_string()),
        ("tools", object(&tools.map(|(name, price)| (name, usd(price))))),
        ("models", array(models.iter().map(|(name, prices)| model(name, prices)))),
    ];
    object(&members) + "\n"
}

fn model(name: &str, model: &ModelPrices) -> String {
    let mut members = vec![("name", json_string(name)), ("mode", json_string(model.mode.name()))];
    members.extend(model.max_input.map(|tokens| ("max_input", tokens.to_string())));
    members.extend(model.max_output.map(|tokens| ("max_output", tokens.to_string())));
    members.extend(model.ends.map(|ends| ("ends", instant(ends, &Zone::utc()))));
    let rows: Vec<_> = model.rows().map(|(name, prices)| (name.name(), row(prices))).collect();
    members.push(("per_million_tokens", object(&rows)));
    members.extend(model.web_search_call.map(|price| ("web_search_call", usd(price))));
    members.extend(model.per_minute_audio.map(|price| ("per_minute_audio", usd(price))));
    members.extend(model.per_character.map(|price| ("per_million_characters", usd(per_million(price)))));
    let pictures: Vec<_> =
        model.pictures().map(|(quality, size, price)| (format!("{quality}/{size}"), usd(price))).collect();
    members.extend((!pictures.is_empty()).then(|| ("pictures", object(&pictures))));
    object(&members)
}

fn row(prices: &TokenPrices) -> String {
    object(&prices.listed().map(|(kind, price)| (kind.name(), usd(per_million(price)))).collect::<Vec<_>>())
}

fn usd(usd: Usd) -> String {
    json_string(&usd.to_string())
}
