//! `sparekey users list`: a table of at most 80 columns.

use std::mem;

use clap::ArgMatches;
use sparekey_policy::{Report, Timestamp, User, Zone};

use super::{
    context::Context,
    edit, file, json,
    overview::UserOverview,
    spending::{Spending, Spent},
};
use crate::commands::{Failure, json::array, local_time, money, note, print};

/// Columns of the table.
const WIDTH: usize = 80;
/// A longer name gets a line of its own.
const NAME_MAX: usize = 20;
/// `2027-01-31 18:00`.
const EXPIRES_WIDTH: usize = 16;
/// `2027-01-31`. Without a ledger the last day of use is not known, and its column is left out.
const DAY_WIDTH: usize = 10;
const STATE_WIDTH: usize = "disabled".len();
const KEYS_WIDTH: usize = "KEYS".len();
const GAP: &str = "  ";

pub(super) fn run(context: &Context, flags: &ArgMatches) -> Result<(), Failure> {
    let users = context.validate(&file::read(&context.path)?);
    let users = users.map_err(|problems| edit::invalid("is invalid", context, &problems))?;
    let (all, zone, now) = (UserOverview::all(context, &users), users.zone(), sparekey_proxy::now());
    let spending = Spending::open(context, &all, &users);
    let mut is_silent = spending.is_missing();
    let with_spent = |user: &UserOverview<'_>| {
        spending.of(user.name, now).unwrap_or_else(|reason| {
            if !mem::replace(&mut is_silent, true) {
                note(&format!("warning: what users spent is unknown: {reason}"));
            }
            None
        })
    };
    let spent: Vec<_> = all.iter().map(with_spent).collect();
    if flags.get_flag("json") {
        let users = all.iter().zip(&spent).map(|(user, spent)| json::user(user, spent.as_deref(), zone, now));
        return print(&format!("{}\n", array(users)));
    }
    let users: Vec<_> = all.iter().copied().zip(spent.iter().map(Option::as_deref)).collect();
    print(&table(&users, zone, now))
}

fn table(users: &[(UserOverview<'_>, Option<&Spent>)], zone: &Zone, now: Timestamp) -> String {
    let last_day = |spent: Option<&Spent>| Some(spent?.last_day?.to_string());
    let last_width = if users.iter().any(|(_, spent)| last_day(*spent).is_some()) { DAY_WIDTH } else { 0 };
    let names = users.iter().map(|(user, _)| user.name.len()).filter(|length| *length <= NAME_MAX);
    let name_width = names.max().unwrap_or(0).max("USER".len());
    let last_gap = if last_width == 0 { "" } else { GAP };
    let used = name_width + KEYS_WIDTH + EXPIRES_WIDTH + last_width + STATE_WIDTH + 4 * GAP.len() + last_gap.len();
    let mut lines = Vec::new();
    let mut row = |[name, keys, expires, last, state, limits]: [&str; 6]| {
        let line = format!(
            "{name:name_width$}{GAP}{keys:>KEYS_WIDTH$}{GAP}{expires:EXPIRES_WIDTH$}{GAP}{last:last_width$}{last_gap}\
             {state:STATE_WIDTH$}{GAP}{limits}"
        );
        lines.push(line.trim_end().to_owned());
    };
    row(["USER", "KEYS", "EXPIRES", if last_width == 0 { "" } else { "LAST USED" }, "STATE", "LIMITS"]);
    for (user, spent) in users {
        let expires = user.expires().map_or_else(|| "never".to_owned(), |at| local_time(at, zone));
        let mut limits = wrapped(&short_limits(user.entry, spent.map(|spent| &spent.report)), WIDTH - used).into_iter();
        let first = limits.next().unwrap_or_default();
        let mut name = user.name;
        if name.len() > NAME_MAX {
            row([name, "", "", "", "", ""]);
            name = "";
        }
        let last = last_day(*spent).unwrap_or_default();
        row([name, &user.keys().to_string(), &expires, &last, user.state(now), &first]);
        limits.for_each(|rest| row(["", "", "", "", "", &rest]));
    }
    lines.join("\n") + "\n"
}

/// What limits a user besides its expiry, in a few characters each. Of a budget, also what is spent of it.
fn short_limits(entry: Option<&User>, report: Option<&Report>) -> Vec<String> {
    let Some(entry) = entry else { return vec!["unlimited".to_owned()] };
    let limits = &entry.limits;
    let mut parts = Vec::new();
    parts.extend(limits.requests_per_minute.map(|number| format!("{number}/min")));
    parts.extend(limits.concurrency().map(|number| format!("{number} at once")));
    let spent = |period| report?.periods.iter().find(|of| of.period.period() == period).map(|of| of.spent);
    parts.extend(limits.budgets.iter().map(|(period, usd)| {
        let of = spent(period).map_or_else(String::new, |spent| format!("${} of ", money::short(spent)));
        format!("{of}${}/{}", money::short(usd), period.name())
    }));
    parts.extend(limits.tokens_per_minute.map(|number| format!("{number} tokens/min")));
    parts.extend(limits.max_output_tokens.map(|number| format!("{number} output tokens")));
    parts.extend(limits.metered.then(|| "metered".to_owned()));
    parts.extend(entry.models.as_ref().map(|models| count(models.len(), "model")));
    parts.extend(entry.networks.as_ref().map(|networks| count(networks.len(), "network")));
    parts.extend(entry.routes.clone().unwrap_or_default());
    parts
}

fn count(number: usize, noun: &str) -> String {
    format!("{number} {noun}{}", if number == 1 { "" } else { "s" })
}

/// Lines of parts with commas between them. A part that is wider than a line is cut.
fn wrapped(parts: &[String], width: usize) -> Vec<String> {
    let mut lines: Vec<String> = Vec::new();
    for (index, part) in parts.iter().enumerate() {
        let comma = if index + 1 < parts.len() { "," } else { "" };
        let room = width - comma.len();
        let part = match part.char_indices().nth(room) {
            Some(_) => format!("{}…{comma}", part.chars().take(room - 1).collect::<String>()),
            None => format!("{part}{comma}"),
        };
        match lines.last_mut() {
            Some(line) if line.chars().count() + 1 + part.chars().count() <= width => {
                line.push(' ');
                line.push_str(&part);
            }
            _ => lines.push(part),
        }
    }
    lines
}

#[cfg(test)]
mod tests {
    use sparekey_policy::Users;

    use super::*;

    #[test]
    fn table_fits_80_columns() {
        let long = "x".repeat(64);
        let json = format!(
            r#"{{"version":1,"timezone":{{"name":"UTC","offset":0,"transitions":[]}},"users":[
            {{"name":"Tom","requests_per_minute":1000000,"concurrent_requests":1000,"models":["a","b"],
              "networks":["::/0"],"routes":["inference","/v1/{long}","data"],"expires":1795780800000000}},
            {{"name":"{long}","disabled":true,"routes":["inference"]}}]}}"#
        );
        let users = Users::from_json(&json).unwrap();
        let overview = |name, access_keys| (UserOverview { name, entry: users.get(name), access_keys }, None);
        let users = [overview("Ann", 12), overview("Tom", 1), overview("twenty-characters-xx", 1), overview(&long, 2)];
        let table = table(&users, &Zone::utc(), Timestamp::from_seconds(1_795_780_801));
        let expected = format!(
            "\
USER                  KEYS  EXPIRES           STATE     LIMITS
Ann                     12  never             active    unlimited
Tom                      1  2026-11-27 12:00  expired   1000000/min,
                                                        1000 at once, 2 models,
                                                        1 network, inference,
                                                        /v1/xxxxxxxxxxxxxxxxxx…,
                                                        data
twenty-characters-xx     1  never             active    unlimited
{long}
                         2  never             disabled  inference
"
        );
        assert_eq!(table, expected);
        assert!(table.lines().all(|line| line.chars().count() <= WIDTH));
    }
}
