//! The columns of sums of the rollup, in all forms.

use sparekey_ledger::{Day, Sums};
use sparekey_policy::Period;

use super::records::{Cell, Column};

/// Something to sum by.
pub(crate) struct Dimension {
    /// Its name on the command line, and in CSV and JSON.
    pub(crate) name: &'static str,
    title: &'static str,
    /// The value of a day.
    pub(crate) of: fn(&Day) -> String,
}

pub(crate) const DAY: Dimension = Dimension { name: "day", title: "DAY", of: |day| day.day.to_string() };
const WEEK: Dimension =
    Dimension { name: "week", title: "WEEK", of: |day| Period::Week.of_day(day.day.number()).to_string() };
const MONTH: Dimension =
    Dimension { name: "month", title: "MONTH", of: |day| Period::Month.of_day(day.day.number()).to_string() };
pub(crate) const USER: Dimension = Dimension { name: "user", title: "USER", of: |day| day.user.to_string() };
pub(crate) const MODEL: Dimension = Dimension { name: "model", title: "MODEL", of: |day| day.model.to_string() };

/// All dimensions, in the order of their columns.
pub(crate) const DIMENSIONS: [Dimension; 5] = [DAY, WEEK, MONTH, USER, MODEL];

/// The column of a sum, and its value.
type Sum = (Column, fn(&Sums) -> Cell);

const SUMS: [Sum; 6] = [
    (Column::number("requests", "REQUESTS"), |sums| Cell::Number(sums.requests)),
    (Column::number("estimated", "ESTIMATED"), |sums| Cell::Number(sums.estimated)),
    (Column::number("input_tokens", "INPUT"), |sums| Cell::Number(sums.input)),
    (Column::number("cached_tokens", "CACHED"), |sums| Cell::Number(sums.cached)),
    (Column::number("output_tokens", "OUTPUT"), |sums| Cell::Number(sums.output)),
    (Column::number("usd", "USD"), |sums| Cell::Usd(sums.cost)),
];

/// Returns the columns of sums by some dimensions.
pub(crate) fn columns<'a>(by: impl IntoIterator<Item = &'a Dimension>) -> Vec<Column> {
    let by = by.into_iter().map(|dimension| Column::text(dimension.name, dimension.title));
    by.chain(SUMS.iter().map(|(column, _)| *column)).collect()
}

/// Returns the cells of a line: those of the dimensions, and the sums.
pub(crate) fn line(by: impl IntoIterator<Item = Cell>, sums: &Sums) -> Vec<Cell> {
    by.into_iter().chain(SUMS.iter().map(|(_, value)| value(sums))).collect()
}
