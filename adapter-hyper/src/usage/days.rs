//! `sparekey usage`: sums of the rollup.

use std::collections::BTreeMap;

use clap::ArgMatches;
use sparekey_ledger::{DayQuery, Sums};
use sparekey_policy::Period;

use super::{Context, since, user};
use crate::commands::{
    Failure, ledger, note, print,
    records::{Cell, Records},
    sums::{self, DIMENSIONS},
};

pub(super) fn run(context: &Context, flags: &ArgMatches) -> Result<(), Failure> {
    let user = user(flags)?;
    let since = flags.get_one::<String>("since").map(|text| {
        let zone = context.zone()?;
        let since = since::read(text, sparekey_proxy::now(), &zone)?;
        let day = Period::Day.at(since, &zone);
        // The rollup has no part of a day.
        if Period::Day.at(since.plus(-1), &zone) == day {
            note(&format!("sums are of whole days: these begin with {day}; `sparekey usage rows` takes any time"));
        }
        Ok(day)
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
    let by: Vec<_> = DIMENSIONS.iter().filter(|dimension| by(&dimension.name)).collect();
    let mut days_by: BTreeMap<Vec<String>, Sums> = BTreeMap::new();
    for day in &days {
        let sum = days_by.entry(by.iter().map(|dimension| (dimension.of)(day)).collect()).or_default();
        *sum = sum.plus(day.sums);
    }
    let total = days_by.values().fold(Sums::default(), |total, sums| total.plus(*sums));
    let columns = sums::columns(by.iter().copied());
    let rows = days_by.into_iter().map(|(key, sums)| sums::line(key.into_iter().map(Cell::Text), &sums)).collect();
    let label = |index| if index == 0 { Cell::Text("total".to_owned()) } else { Cell::Empty };
    let total = sums::line((0..by.len()).map(label), &total);
    print(&Records { columns, rows, total: Some(total) }.write(flags))
}
