//! Prices as a table.

use sparekey_policy::{ModelPrices, PriceTable, RowName, TokenKind, TokenPrices};

use super::{Named, per_million};
use crate::commands::records::{Cell, Column, Records};

/// The kinds of tokens with a column of their own.
const COLUMNS: [TokenKind; 3] = [TokenKind::Input, TokenKind::Cached, TokenKind::Output];

/// Writes one line per row of a model.
pub(super) fn write(table: &PriceTable, models: &[Named<'_>]) -> String {
    let mut columns = vec![Column::text("", "MODEL"), Column::text("", "ROW")];
    columns.extend(["INPUT", "CACHED", "OUTPUT"].map(|title| Column::number("", title)));
    columns.push(Column::text("", "ALSO"));
    let rows = models.iter().flat_map(|(name, model)| lines(name, model)).collect();
    let date = table.date().to_string();
    // A version with owner's prices has a checksum of them.
    let own = if table.version().contains('+') { ", changed by PRICES_FILE" } else { "" };
    format!(
        "{}\nUS dollars per million tokens. Built-in prices of {}{own}; version {}\n",
        Records { columns, rows, total: None }.table(),
        date.split(' ').next().unwrap_or_default(),
        table.version(),
    )
}

fn lines(name: &str, model: &ModelPrices) -> Vec<Vec<Cell>> {
    let mut others = others(model);
    let mut lines: Vec<_> = model
        .rows()
        .map(|(row, prices)| {
            // What does not depend on the tier stands in the first row.
            let also = also(prices).chain(std::mem::take(&mut others)).collect::<Vec<_>>().join(", ");
            line(name, Some(row), COLUMNS.map(|kind| price(prices, kind)), also)
        })
        .collect();
    if lines.is_empty() {
        lines.push(line(name, None, [const { Cell::Empty }; COLUMNS.len()], others.join(", ")));
    }
    lines
}

fn line(name: &str, row: Option<RowName>, prices: [Cell; COLUMNS.len()], also: String) -> Vec<Cell> {
    let row = Cell::Text(row.map_or_else(|| "-".to_owned(), RowName::name));
    [Cell::Text(name.to_owned()), row].into_iter().chain(prices).chain([Cell::Text(also)]).collect()
}

fn price(prices: &TokenPrices, kind: TokenKind) -> Cell {
    let listed = prices.listed().find(|(listed, _)| *listed == kind);
    listed.map_or(Cell::Empty, |(_, usd)| Cell::Text(per_million(usd).to_string()))
}

fn also(prices: &TokenPrices) -> impl Iterator<Item = String> {
    let listed = prices.listed().filter(|(kind, _)| !COLUMNS.contains(kind));
    listed.map(|(kind, usd)| format!("{} {}", kind.name(), per_million(usd)))
}

/// Prices of other things than tokens.
fn others(model: &ModelPrices) -> Vec<String> {
    let prices = [
        ("a web search", model.web_search_call),
        ("a minute of audio", model.per_minute_audio),
        ("a million characters", model.per_character.map(per_million)),
    ];
    let prices = prices.into_iter().filter_map(|(name, usd)| Some(format!("{name} {}", usd?)));
    let pictures = || model.pictures().map(|(_, _, usd)| usd);
    let picture = pictures().min().zip(pictures().max()).map(|(least, most)| format!("a picture {least} to {most}"));
    prices.chain(picture).collect()
}
