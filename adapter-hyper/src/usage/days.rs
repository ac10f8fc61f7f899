//! `sparekey usage`: sums of the rollup.

use std::collections::BTreeMap;

use clap::ArgMatches;
use sparekey_ledger::{Day, DayQuery, Sums};
use sparekey_policy::Period;

use super::{Context, since, user};
use crate::commands::{
    Failure, ledger, print,
    records::{Cell, Column, Records},
};

/// Something to sum by: the name, the title of the column, and the value of a day.
type Dimension = (&'static str, &'static str, fn(&Day) -> String);

pub(super) const DIMENSIONS: [Dimension; 5] = [
    ("day", "DAY", |day| day.day.to_string()),
    ("week", "WEEK", |day| Period::Week.of_day(day.day.number()).to_string()),
    ("month", "MONTH", |day| Period::Month.of_day(day.day.number()).to_string()),
    ("user", "USER", |day| day.user.to_string()),
    ("model", "MODEL", |day| day.model.to_string()),
];

pub(super) fn run(context: &Context, flags: &ArgMatches) -> Result<(), Failure> {
    let user = user(flags)?;
    let since = flags.get_one::<String>("since").map(|text| {
        let zone = context.zone()?;
        let since = since::read(text, sparekey_proxy::now(), &zone)?;
        Ok(Period::Day.at(since, &zone))
    });
    let since = since.transpose()?;
    let reader = ledger::read(&context.ledger)?;
    let fail = |error| ledger::failure(&context.ledger, &error);
    let days = reader.days(&DayQuery { user: user.clone(), since }).map_err(fail)?;
    if let Some(user) = user.filter(|_| days.is_empty() && since.is_none()) {
        return Err(Failure::Problem(format!(
            "the ledger has no usage of a user {user}; `sparekey usage` lists all users that have some"
        )));
    }
    let by: Vec<&String> = flags.get_many("by").into_iter().flatten().collect();
    let by = |name: &&str| by.iter().any(|wanted| wanted == name);
    let by: Vec<_> = DIMENSIONS.iter().filter(|(name, ..)| by(name)).collect();
    let mut sums: BTreeMap<Vec<String>, Sums> = BTreeMap::new();
    for day in &days {
        let sum = sums.entry(by.iter().map(|(.., value)| value(day)).collect()).or_default();
        *sum = sum.plus(day.sums);
    }
    let total = sums.values().fold(Sums::default(), |total, sums| total.plus(*sums));
    let mut columns: Vec<_> = by.iter().map(|(name, title, _)| Column::text(name, title)).collect();
    columns.extend([
        Column::number("requests", "REQUESTS"),
        Column::number("estimated", "ESTIMATED"),
        Column::number("input_tokens", "INPUT"),
        Column::number("cached_tokens", "CACHED"),
        Column::number("output_tokens", "OUTPUT"),
        Column::number("usd", "USD"),
    ]);
    let rows = sums.into_iter().map(|(key, sums)| line(key.into_iter().map(Cell::Text), sums)).collect();
    let label = |index| if index == 0 { Cell::Text("total".to_owned()) } else { Cell::Empty };
    let total = line((0..by.len()).map(label), total);
    print(&Records { columns, rows, total: Some(total) }.write(flags))
}

fn line(key: impl Iterator<Item = Cell>, sums: Sums) -> Vec<Cell> {
    let Sums { requests, estimated, input, cached, output, cost } = sums;
    key.chain([requests, estimated, input, cached, output].map(Cell::Number)).chain([Cell::Usd(cost)]).collect()
}
