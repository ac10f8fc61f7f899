//! A user as JSON. The members have the names of the users file; a limit that is not set is left out.

use sparekey_core::json_string;
use sparekey_policy::{ListedKey, PeriodReport, Timestamp, Usd, User, UserField, Zone};

use super::{overview::UserOverview, spending::Spent};
use crate::commands::json::{array, instant, object};

/// Writes a user, with what a metered one spent.
pub(super) fn user(user: &UserOverview<'_>, spent: Option<&Spent>, zone: &Zone, now: Timestamp) -> String {
    let mut members = vec![
        ("name", json_string(user.name)),
        ("state", json_string(user.state(now))),
        ("has_entry", user.entry.is_some().to_string()),
        ("access_keys", user.access_keys.to_string()),
    ];
    for field in UserField::ALL {
        members.extend(user.entry.and_then(|entry| value(entry, field, zone)).map(|value| (field.name(), value)));
    }
    if let Some(Spent { report, last_day }) = spent {
        members.extend(last_day.map(|day| ("last_day", json_string(&day.to_string()))));
        members.push(("spending", array(report.periods.iter().map(|period| spending(period, zone)))));
    }
    object(&members)
}

fn spending(report: &PeriodReport, zone: &Zone) -> String {
    let usd = |usd: Usd| json_string(&usd.to_string());
    let period = report.period;
    let mut members = vec![
        ("per", json_string(period.period().name())),
        ("period", json_string(&period.to_string())),
        ("spent", usd(report.spent)),
        ("held", usd(report.held)),
    ];
    members.extend(report.budget.map(|budget| ("budget", usd(budget))));
    members.extend(report.left().map(|left| ("left", usd(left))));
    members.extend(report.ends.map(|ends| ("ends", instant(ends, zone))));
    object(&members)
}

/// The first eight digits of a key's digest: enough to tell keys apart.
pub(super) fn digest_prefix(key: &ListedKey) -> String {
    let [a, b, c, d, ..] = key.digest;
    format!("{:08x}", u32::from_be_bytes([a, b, c, d]))
}

fn value(entry: &User, field: UserField, zone: &Zone) -> Option<String> {
    let limits = &entry.limits;
    Some(match field {
        UserField::Keys => array(entry.keys.iter().map(|listed| key(listed, zone))),
        UserField::Expires => instant(entry.expires?, zone),
        UserField::Disabled => entry.disabled.to_string(),
        UserField::Networks => texts(entry.networks.as_ref()?),
        UserField::Routes => texts(entry.routes.as_ref()?),
        UserField::Models => texts(entry.models.as_ref()?),
        UserField::RequestsPerMinute => limits.requests_per_minute?.to_string(),
        UserField::ConcurrentRequests => limits.concurrency()?.to_string(),
        UserField::Budgets if limits.budgets.is_empty() => return None,
        UserField::Budgets => array(limits.budgets.iter().map(|(period, usd)| {
            object(&[("usd", json_string(&usd.to_string())), ("per", json_string(period.name()))])
        })),
        UserField::TokensPerMinute => limits.tokens_per_minute?.to_string(),
        UserField::MaxOutputTokens => limits.max_output_tokens?.to_string(),
        UserField::Metered => limits.is_metered().then(|| true.to_string())?,
        UserField::OpenAiApiKey => json_string(&entry.api_key.as_ref()?.to_string()),
        UserField::OpenAiProject => json_string(entry.project.as_ref()?),
    })
}

fn key(key: &ListedKey, zone: &Zone) -> String {
    let mut members = vec![("digest_prefix", json_string(&digest_prefix(key)))];
    members.extend(key.expires.map(|expires| ("expires", instant(expires, zone))));
    members.extend(key.label.as_deref().map(|label| ("label", json_string(label))));
    object(&members)
}

fn texts<T: ToString>(items: &[T]) -> String {
    array(items.iter().map(|item| json_string(&item.to_string())))
}
