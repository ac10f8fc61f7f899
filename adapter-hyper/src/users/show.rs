//! `sparekey users show`: everything that is in force for a user, in words.

use clap::ArgMatches;
use sparekey_policy::{Period, PeriodReport, Report, Timestamp, Usd, User, UserField, UsersDocument, Zone};

use super::{context::Context, edit, file, json, overview::UserOverview, spending::Spending};
use crate::commands::{Failure, local_time, money, note, print};

/// The column of the values.
const LABEL_WIDTH: usize = 20;

/// Requests without a row of the ledger, such as those for the list of models, have no cost.
const UNUSED: &str = "not in the last year; only requests that can cost something count";

pub(super) fn run(context: &Context, name: &str, flags: &ArgMatches) -> Result<(), Failure> {
    let text = file::read(&context.path)?;
    let users = context.validate(&text);
    let users = users.map_err(|problems| edit::invalid("is invalid", context, &problems))?;
    let (all, zone, now) = (UserOverview::all(context, &users), users.zone(), sparekey_proxy::now());
    let Some(user) = all.iter().find(|user| user.name == name) else {
        return Err(Failure::Problem(format!("there is no user {name}; `sparekey users list` lists all")));
    };
    let spent = Spending::open(context, &[*user], &users).of(name, now);
    if flags.get_flag("json") {
        if let Err(reason) = &spent {
            note(&format!("warning: what {name} spent is unknown: {reason}"));
        }
        return print(&format!("{}\n", json::user(user, spent.ok().flatten().as_deref(), zone, now)));
    }
    let document = UsersDocument::parse(&text).map_err(|error| Failure::Problem(error.to_string()))?;
    let mut lines = lines(user, &document, zone, now);
    let spent = match spent {
        Ok(None) => Vec::new(),
        Ok(Some(spent)) => {
            let last_day = spent.last_day.map_or_else(|| UNUSED.to_owned(), |day| day.to_string());
            lines.push(("last used", last_day));
            self::spent(&spent.report)
        }
        Err(reason) => vec![format!("unknown: {reason}")],
    };
    lines.extend(spent.into_iter().enumerate().map(|(index, line)| (if index == 0 { "spent" } else { "" }, line)));
    let lines = lines.into_iter().map(|(label, value)| format!("  {label:LABEL_WIDTH$}{value}").trim_end().to_owned());
    print(&format!("{name}\n{}\n", lines.collect::<Vec<_>>().join("\n")))
}

fn lines(
    user: &UserOverview<'_>,
    document: &UsersDocument,
    zone: &Zone,
    now: Timestamp,
) -> Vec<(&'static str, String)> {
    let mut lines = vec![("state", user.state(now).to_owned())];
    let listed = user.entry.map_or(&[][..], |entry| &entry.keys);
    let at = |instant| format!("{} {}", local_time(instant, zone), zone.name());
    for (index, key) in listed.iter().enumerate() {
        let mut words = vec![format!("{}…", json::digest_prefix(key))];
        words.extend(key.label.clone());
        words.extend(key.expires.map(|expires| {
            let verb = if expires <= now { "expired" } else { "expires" };
            format!("{verb} {}", at(expires))
        }));
        lines.push((if index == 0 { "keys" } else { "" }, words.join(", ")));
    }
    if user.access_keys > 0 {
        let label = if listed.is_empty() { "keys" } else { "" };
        lines.push((label, format!("{} in ACCESS_KEYS", user.access_keys)));
    }
    let Some(entry) = user.entry else {
        lines.push(("limits", "none: no entry in the users file".to_owned()));
        return lines;
    };
    for field in UserField::ALL.into_iter().filter(|field| *field != UserField::Keys) {
        if let Some((label, value, is_set)) = words(entry, field, &at) {
            let origin = match (is_set, document.sets(user.name, field), field) {
                (true, false, UserField::Routes) if entry.routes.as_deref() == Some(&["inference".to_owned()]) => {
                    " (default)"
                }
                (true, false, UserField::ConcurrentRequests) if entry.limits.concurrent_requests.is_none() => {
                    " (default of metered users)"
                }
                (true, false, _) if field.is_limit() => " (from [limits])",
                _ => "",
            };
            lines.push((label, format!("{value}{origin}")));
        }
    }
    lines
}

/// What a user spent in each period, in words.
pub(super) fn spent(report: &Report) -> Vec<String> {
    let line = |period: &PeriodReport| {
        let when = match period.period.period() {
            Period::Day => format!("on {}", period.period),
            Period::Week | Period::Month => format!("in {}", period.period),
            Period::Total => "in total".to_owned(),
        };
        let held = Some(period.held).filter(|held| *held > Usd::ZERO);
        let held = held.map(|held| format!(", and {} held by open requests", money::short(held)));
        let left = period.left().zip(period.budget);
        let left = left.map(|(left, budget)| format!("; {} of {} left", money::short(left), money::short(budget)));
        let (held, left) = (held.unwrap_or_default(), left.unwrap_or_default());
        format!("{} US dollars {when}{held}{left}", money::short(period.spent))
    };
    report.periods.iter().map(line).collect()
}

/// A field in words: its label, its value, and whether something is set. `None` for a field that says nothing.
fn words(entry: &User, field: UserField, at: &dyn Fn(Timestamp) -> String) -> Option<(&'static str, String, bool)> {
    let limits = &entry.limits;
    let or = |value: Option<String>, otherwise: &str| match value {
        Some(value) => (value, true),
        None => (otherwise.to_owned(), false),
    };
    let (label, (value, is_set)) = match field {
        UserField::Keys | UserField::Disabled => return None,
        UserField::Expires => ("expires", or(entry.expires.map(at), "never")),
        UserField::Networks => ("networks", or(entry.networks.as_ref().map(|list| join(list)), "any")),
        UserField::Routes => ("routes", or(entry.routes.as_ref().map(|list| join(list)), "all that are open")),
        UserField::Models => ("models", or(entry.models.as_ref().map(|list| join(list)), "any")),
        UserField::RequestsPerMinute => {
            ("requests", or(limits.requests_per_minute.map(|number| format!("{number} per minute")), "any number"))
        }
        UserField::ConcurrentRequests => {
            ("open requests", or(limits.concurrency().map(|number| format!("{number} at the same time")), "any number"))
        }
        UserField::Budgets if limits.budgets.is_empty() => return None,
        UserField::Budgets => {
            let budgets = limits.budgets.iter().map(|(period, usd)| format!("{usd} US dollars per {}", period.name()));
            ("budgets", (budgets.collect::<Vec<_>>().join(", "), true))
        }
        UserField::TokensPerMinute => ("tokens", (format!("{} per minute", limits.tokens_per_minute?), true)),
        UserField::MaxOutputTokens => ("output tokens", (format!("{} per request", limits.max_output_tokens?), true)),
        UserField::Metered => ("metered", (limits.metered.then(|| "yes".to_owned())?, true)),
        UserField::OpenAiApiKey => {
            ("API key", or(entry.api_key.as_ref().map(|source| format!("its own, {source}")), "that of all users"))
        }
        UserField::OpenAiProject => ("project", (entry.project.clone()?, true)),
    };
    Some((label, value, is_set))
}

fn join<T: ToString>(items: &[T]) -> String {
    items.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")
}
