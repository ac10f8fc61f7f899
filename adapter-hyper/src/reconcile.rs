//! `sparekey reconcile`: compares the ledger with what OpenAI bills.
//!
//! It is the only true test of a price table. OpenAI's days are those of UTC, so the rows of the ledger are summed by UTC too.

mod comparison;
mod costs;

use std::{env, fs, process::ExitCode};

use clap::{Arg, ArgAction, ArgMatches, Command, value_parser};
use http::HeaderValue;
use sparekey_core::ApiBase;
use sparekey_ledger::End;
use sparekey_policy::{Period, Timestamp, Usd, Zone};

use self::{
    comparison::{Comparison, Pair},
    costs::CostsQuery,
};
use crate::{
    commands::{
        self, Failure, finish,
        ledger::{self, Reader},
        money, note, print,
        progress::Progress,
        records::{self, Cell, Column, Records},
    },
    config::{self, prices, sources::Sources},
    usage::since,
};

/// The variable with the key, and that of a file with it.
const KEY: &str = "OPENAI_ADMIN_KEY";
const KEY_FILE: &str = "OPENAI_ADMIN_KEY_FILE";

const OPENAI: &str = "https://api.openai.com/v1";

/// A difference up to a cent is one of rounding.
const LEAST: Usd = Usd::from_pico(10_000_000_000);

/// The settings that this command reads.
const SETTINGS: [(&str, &str); 2] = [
    ("ledger", "The ledger [env: LEDGER]"),
    ("prices-file", "The owner's prices, by whose models the costs are grouped [env: PRICES_FILE]"),
];

const AFTER_HELP: &str = "\
OPENAI_ADMIN_KEY, or the file that OPENAI_ADMIN_KEY_FILE names, has an admin key of the organization (scope api.usage.read). It \
is used for this command only and stored nowhere. Days are those of UTC, as OpenAI's. OpenAI's costs of a day are complete some \
hours after its end. Other uses of the same projects are part of OpenAI's costs: give the proxy a project of its own.

Examples:
  sparekey reconcile --project proj_abc               the last seven days of that project
  sparekey reconcile --since 2026-11-01 --json

Exit status: 0 if the differences of the total and of each model are within the tolerance; 1 if one is not, or cannot be \
known; 2 for a wrong command line.";

/// The definition of the command. `settings` are the arguments of all settings.
pub(crate) fn command(settings: Vec<Arg>) -> Command {
    let option = |name: &'static str, value: &'static str, help: &'static str| {
        Arg::new(name).long(name).value_name(value).help(help)
    };
    Command::new("reconcile")
        .about("Compare the ledger with OpenAI's costs, day by day")
        .after_help(AFTER_HELP)
        .args(commands::settings(settings, &SETTINGS))
        .arg(option("since", "WHEN", "The first day").default_value("7d"))
        .arg(
            option("project", "ID", "Costs of this project only; repeatable")
                .action(ArgAction::Append)
                .value_parser(project),
        )
        .arg(
            option("tolerance", "PERCENT", "Exit status 1 above this difference, and above one cent")
                .value_parser(value_parser!(u32).range(0..=100))
                .default_value("5"),
        )
        .arg(option("costs-api", "URL", "Where the costs API is").default_value(OPENAI))
        .arg(Arg::new("today").long("today").action(ArgAction::SetTrue).help("Include today, which is not complete"))
        .args(records::arguments())
}

/// Ids of projects have no other characters, and these need no escapes in a URL.
fn project(text: &str) -> Result<String, String> {
    let is_id = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-');
    if !text.is_empty() && text.bytes().all(is_id) {
        Ok(text.to_owned())
    } else {
        Err("not the id of a project".to_owned())
    }
}

/// Runs `sparekey reconcile …`, which these are the flags of.
pub(crate) fn run(flags: ArgMatches, own: &ArgMatches) -> ExitCode {
    match reconcile(flags, own) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(failure) => finish(Err(failure)),
    }
}

/// Returns whether the difference is within the tolerance.
fn reconcile(flags: ArgMatches, own: &ArgMatches) -> Result<bool, Failure> {
    let values = Sources::new(Some(flags)).values();
    let location = config::ledger::location(&values).map_err(Failure::Usage)?;
    let prices = prices::of_command(&values);
    let prices = prices.map_err(|problems| Failure::Problem(problems.join("\n  ")))?;
    let api = own.get_one::<String>("costs-api").map_or(OPENAI, String::as_str);
    let api = ApiBase::parse(api).map_err(|error| Failure::Usage(format!("--costs-api {error}")))?;
    let (utc, now) = (Zone::utc(), sparekey_proxy::now());
    let day = |at| Period::Day.at(at, &utc).number();
    let since = own.get_one::<String>("since").map_or("7d", String::as_str);
    let first = day(since::read(since, now, &utc)?);
    let end = day(now) + i32::from(own.get_flag("today"));
    if first >= end {
        return Err(Failure::Usage("--since must be before today, or with --today, today".to_owned()));
    }
    let admin_key = admin_key()?;
    let mut comparison = Comparison::of_days(first..end);
    let progress = Progress::new();
    let fail = |error| ledger::failure(&location, &error);
    read_rows(&ledger::read(&location)?, first, &utc, &mut comparison, &progress).map_err(fail)?;
    let projects = own.get_many::<String>("project").into_iter().flatten().cloned().collect();
    let query = CostsQuery { api: &api, admin_key, projects, days: (first, end) };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = runtime.map_err(|error| Failure::Problem(error.to_string()))?;
    let costs = runtime.block_on(costs::read(&query, |pages| progress.show(&format!("{pages} pages of costs"))));
    runtime.shutdown_background();
    drop(progress);
    comparison.add_costs(&costs.map_err(|error| Failure::Problem(format!("OpenAI's costs: {error}")))?, &prices);
    report(&comparison, own)
}

/// Voided requests were billed, and credits were not.
fn read_rows(
    ledger: &Reader,
    first: i32,
    utc: &Zone,
    comparison: &mut Comparison,
    progress: &Progress,
) -> Result<(), sparekey_ledger::LedgerError> {
    // A row is written at the end of its request, so after its start.
    let since = Timestamp::from_seconds(i64::from(first) * 86_400);
    let mut count = 0;
    for rows in ledger.rows_since(since)? {
        let rows = rows?;
        count += rows.len();
        progress.show(&format!("{count} requests of the ledger"));
        for row in rows.iter().filter(|row| row.row.end != End::Credit) {
            let day = Period::Day.at(row.row.started, utc).number();
            comparison.add_request(day, &row.row.model, row.voided.unwrap_or(row.cost));
        }
    }
    Ok(())
}

fn report(comparison: &Comparison, flags: &ArgMatches) -> Result<bool, Failure> {
    let day = |day: &i32| Cell::Text(Period::Day.of_day(*day).to_string());
    let days = table("day", "DAY", comparison.days.iter().map(|(key, pair)| (day(key), *pair)));
    let label = |name: &str| Cell::Text(if name.is_empty() { "(no model)".to_owned() } else { name.to_owned() });
    let models = table("model", "MODEL", comparison.models.iter().map(|(name, pair)| (label(name), *pair)));
    let mut days = days;
    days.total = Some(line(Cell::Text("total".to_owned()), comparison.total()));
    if flags.get_flag("json") {
        let object =
            format!("{{\"days\":{},\"models\":{}}}\n", days.write(flags).trim_end(), models.write(flags).trim_end());
        print(&object)?;
    } else if flags.get_flag("csv") {
        print(&days.write(flags))?;
    } else {
        print(&format!("{}\n{}", days.write(flags), models.write(flags)))?;
    }
    let tolerance = *flags.get_one::<u32>("tolerance").unwrap_or(&0);
    let worst = comparison.worst_model(tolerance, LEAST);
    let total = Some(("", comparison.total())).filter(|(_, total)| !total.is_within(tolerance, LEAST));
    let Some((model, pair)) = total.or(worst) else { return Ok(true) };
    let difference = pair.difference();
    let is_more = difference > Usd::ZERO;
    let amount = money::short(if is_more { difference } else { Usd::ZERO.minus(difference) });
    let (of, more) = (if model.is_empty() { "" } else { " of " }, if is_more { "more" } else { "less" });
    note(&format!(
        "the ledger has {amount} US dollars {more}{of}{model} than OpenAI, above the tolerance of {tolerance} %"
    ));
    Ok(false)
}

fn table(name: &'static str, title: &'static str, rows: impl Iterator<Item = (Cell, Pair)>) -> Records {
    let columns = vec![
        Column::text(name, title),
        Column::number("ledger_usd", "LEDGER"),
        Column::number("openai_usd", "OPENAI"),
        Column::number("difference_usd", "DIFFERENCE"),
    ];
    Records { columns, rows: rows.map(|(key, pair)| line(key, pair)).collect(), total: None }
}

fn line(key: Cell, pair: Pair) -> Vec<Cell> {
    vec![key, Cell::Usd(pair.ledger), Cell::Usd(pair.openai), Cell::Usd(pair.difference())]
}

/// The value of the header.
fn admin_key() -> Result<HeaderValue, Failure> {
    let variable = |name| env::var(name).ok().filter(|value| !value.trim().is_empty());
    let key = match (variable(KEY), variable(KEY_FILE)) {
        (Some(_), Some(_)) => return Err(Failure::Usage(format!("{KEY} and {KEY_FILE} are both set; keep one"))),
        (Some(key), None) => key,
        (None, Some(path)) => fs::read_to_string(&path)
            .map_err(|error| Failure::Usage(format!("{KEY_FILE} names {path}, which cannot be read: {error}")))?,
        (None, None) => {
            return Err(Failure::Usage(format!(
                "set {KEY} to an admin key of the organization, or {KEY_FILE} to its file"
            )));
        }
    };
    if key.trim().is_empty() {
        return Err(Failure::Usage(format!("the file that {KEY_FILE} names is empty; write the admin key into it")));
    }
    let mut value = HeaderValue::from_str(&format!("Bearer {}", key.trim()))
        .map_err(|_| Failure::Usage(format!("{KEY} must consist of visible ASCII characters")))?;
    value.set_sensitive(true);
    Ok(value)
}
