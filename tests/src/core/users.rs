//! Users with limits, for one request of each case.

use std::{collections::BTreeMap, net::IpAddr};

use http::HeaderMap;
use sparekey_core::{Forward, Limited, ModelCheck, Places, ReadUsers, Rejection};
use sparekey_metering::{Target, read_request};
use sparekey_policy::{
    Command, Enforced, Facts, HoldId, KeySource, Limits, ModelSource, Outcome, ProcessId, Report, Reserve, State,
    UserField, step,
};
use sparekey_proxy::{now, users::TomlUsers};

/// Reads users; the upstream keys of users are settings.
pub(super) fn reader(settings: &BTreeMap<String, String>) -> impl ReadUsers + use<'_> {
    let read_key = |source: &KeySource| match source {
        KeySource::Env(name) => settings.get(name).cloned().ok_or_else(|| format!("names {name}, which is not set")),
        KeySource::File(path) => Err(format!("names {path}, which cannot be read")),
    };
    TomlUsers {
        enforced: Enforced { fields: &UserField::UNMETERED, remedy: "use another platform" },
        before: None,
        places: Places::Memory,
        read_key,
    }
}

/// The last address of `x-forwarded-for`.
pub(super) fn client(headers: &HeaderMap) -> Option<IpAddr> {
    headers.get("x-forwarded-for")?.to_str().ok()?.rsplit(',').next()?.trim().parse().ok()
}

pub(super) fn admit(limited: Limited, body: &[u8]) -> Result<Forward, Rejection> {
    let command = Command::Reserve(Reserve::place(HoldId(1), ProcessId(0)));
    let outcome = limited.limits().map(|limits| step(limits, &mut State::default(), now(), &command));
    let check = limited.reserve(outcome.as_ref())?;
    let facts = check.facts_source().map(|source| facts(&check, source, body)).transpose()?;
    check.admit(facts.as_ref())
}

pub(super) fn report(limits: &Limits) -> Report {
    match step(limits, &mut State::default(), now(), &Command::Report) {
        Outcome::Report(report) => *report,
        outcome => panic!("not a report: {outcome:?}"),
    }
}

fn facts(check: &ModelCheck, source: ModelSource, body: &[u8]) -> Result<Facts, Rejection> {
    let target = Target { source, path: check.path(), query: check.query() };
    let body = if check.needs_body() { body } else { &[] };
    let facts = read_request(target, check.content_types(), check.content_encodings(), body);
    facts.map_err(|failure| check.reject_body(failure))
}
