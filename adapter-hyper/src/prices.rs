//! `sparekey prices`: the price table that is in force.

mod json;
mod table;

use std::process::ExitCode;

use clap::{Arg, ArgAction, ArgMatches, Command};
use sparekey_policy::{ModelPrices, PriceTable, Usd};

use crate::{
    commands::{self, Failure, finish, print},
    config::{prices, sources::Sources},
};

const AFTER_HELP: &str = "\
The prices are the built-in ones, and those of PRICES_FILE or --prices-file. A row is a service tier, with _long for a \
long context; a request without a tier has the row standard. An upstream with data residency costs more.

Exit status: 0 if it is done; 1 if the file has a problem or the model has no price; 2 for a wrong command line.";

/// The longest difference to a name that is a misspelling.
const MISSPELLING_MAX: usize = 3;
/// Tokens, or characters, of a price.
const MILLION: i64 = 1_000_000;

/// A model and its name in the table.
type Named<'a> = (&'a str, &'a ModelPrices);

/// The definition of the command. `settings` are the arguments of all settings.
pub(crate) fn command(settings: Vec<Arg>) -> Command {
    let help = "The owner's prices [env: PRICES_FILE]";
    Command::new("prices")
        .about("Show the prices of models")
        .after_help(AFTER_HELP)
        .arg(Arg::new("model").value_name("MODEL").help("This model only, as requests and responses name it"))
        .arg(Arg::new("json").long("json").help("Print JSON, for scripts").action(ArgAction::SetTrue))
        .arg(
            Arg::new("compile")
                .long("compile")
                .help("Print the form that the Worker's PRICES has")
                .action(ArgAction::SetTrue)
                .conflicts_with("json"),
        )
        .args(commands::settings(settings, &[("prices-file", help)]))
}

/// Runs `sparekey prices …`, which these are the flags of.
pub(crate) fn run(flags: ArgMatches, own: &ArgMatches) -> ExitCode {
    finish(show(flags, own))
}

fn show(flags: ArgMatches, own: &ArgMatches) -> Result<(), Failure> {
    let values = Sources::new(Some(flags)).values();
    let table = prices::of_command(&values);
    let table = table.map_err(|problems| Failure::Problem(problems.join("\n  ")))?;
    let models = match own.get_one::<String>("model") {
        None => table.models().collect(),
        Some(name) => vec![find(&table, name)?],
    };
    if own.get_flag("compile") {
        let is_kept = |name: &str| models.iter().any(|(kept, _)| *kept == name);
        return print(&format!("{}\n", table.to_json(is_kept)));
    }
    print(&if own.get_flag("json") { json::write(&table, &models) } else { table::write(&table, &models) })
}

/// The model whose prices apply, by its own name.
fn find<'a>(table: &'a PriceTable, name: &str) -> Result<Named<'a>, Failure> {
    let found = table.find(name);
    let mut models = table.models();
    if let Some(model) = models.find(|(_, model)| found.is_some_and(|found| std::ptr::eq(found, *model))) {
        return Ok(model);
    }
    let distance = |(known, _): &Named<'_>| strsim::damerau_levenshtein(known, name);
    let nearest = table.models().min_by_key(distance).filter(|model| distance(model) <= MISSPELLING_MAX);
    let nearest = nearest.map_or_else(String::new, |(known, _)| format!("; there is {known}"));
    let example = "standard = { input = \"1.25\", output = \"10\" }";
    Err(Failure::Problem(format!(
        "there is no price of this model, so users with budgets cannot use it{nearest}. To add it, write [models.\"NAME\"] \
         and {example}, in US dollars per million tokens, into PRICES_FILE"
    )))
}

/// The price of a million.
fn per_million(usd: Usd) -> Usd {
    Usd::from_pico(usd.as_pico().saturating_mul(MILLION))
}
