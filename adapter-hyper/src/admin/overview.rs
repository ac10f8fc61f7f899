//! `GET /usage.json`: what all users used and spent, for the owner's page.
//!
//! ```json
//! {"object":"operations","now":1795703052,"timezone":"Europe/Berlin","ledger":"open","month_usd":"1.36",
//!  "days":["2026-11-25","2026-11-26"],
//!  "by_user":[{"name":"Tom","usd":["0.25","0.10"]},{"others":3,"usd":["0.00","0.02"]}],
//!  "by_model":[{"name":"gpt-5","usd":["0.25","0.12"]}],
//!  "users":[{"user":"Tom","metered":true,"month_usd":"1.20","usd":"0.35","requests":7,"estimated":0,"errors":2,
//!            "last_day":"2026-11-26","held_usd":"0.00","expires":1798761600,
//!            "budgets":[{"per":"month","usd":"5.00","left_usd":"3.80","resets_at":1796079600}]}]}
//! ```
//!
//! Sums of days are those of the ledger's rollup, whose size does not depend on the number of requests. `ledger` is `none`
//! if it is not open because no user is metered, and `unreachable` if it cannot be read: then sums are null. It is `failing`
//! if it can be read, but returns an error for limits, or refused a reservation within the last minute. The largest users
//! and models have a series each. `month_usd` is of this calendar month, and has users that were removed too; `users` are
//! those with a key. `held_usd` and `left_usd` are null while the ledger does not report them. `errors` are responses with
//! status 400 and above of the last 24 hours, by this server since its start.

use std::{
    collections::{BTreeMap, HashMap},
    sync::Arc,
};

use sparekey_core::{Gate, json_string};
use sparekey_ledger::{Day, DayQuery, LedgerError, Sums};
use sparekey_policy::{Limits, Period, PeriodReport, Report, Timestamp, Usd, Zone};
use sparekey_proxy::{Proxy, Reports};

use crate::commands::{
    json::{array, object},
    records::{Cell, Records},
    sums::{self, DAY, MODEL, USER},
};

/// Users or models with a series of their own: as many colours differ in every vision.
const SERIES: usize = 5;

/// Days without a number in the query, and the most.
const DAYS: i32 = 30;
const DAYS_MAX: i32 = 366;

/// The last days of all users.
pub(super) struct Overview {
    gate: Arc<Gate>,
    zone: Arc<Zone>,
    now: Timestamp,
    /// The first day, and the number of days until today.
    first: i32,
    count: i32,
    /// The first day of the month.
    month: i32,
    /// `None` if the ledger is not open, because no user is metered.
    rollup: Option<Result<Vec<Day>, LedgerError>>,
    reports: Reports,
    errors: HashMap<Arc<str>, u64>,
}

/// The number of days that the query `days=…` asks for.
pub(super) fn days(query: Option<&str>) -> i32 {
    let value = query.into_iter().flat_map(|query| query.split('&')).find_map(|item| item.strip_prefix("days="));
    value.and_then(|value| value.parse().ok()).filter(|days| (1..=DAYS_MAX).contains(days)).unwrap_or(DAYS)
}

impl Overview {
    /// Reads the last `count` days. `errors` are those of the last 24 hours.
    pub(super) async fn read(proxy: &Proxy, errors: HashMap<Arc<str>, u64>, count: i32) -> Self {
        let gate = proxy.gate();
        let zone = gate.keys().zone().map_or_else(|| Arc::new(Zone::utc()), Arc::clone);
        let now = sparekey_proxy::now();
        let today = Period::Day.at(now, &zone).number();
        let first = today.saturating_sub(count - 1);
        let is_this_month = |day: &i32| Period::Month.of_day(*day) == Period::Month.of_day(today);
        let month = (0..today).rev().take_while(is_this_month).last().unwrap_or(today);
        let query = DayQuery { user: None, since: Some(Period::Day.of_day(first.min(month))) };
        let is_metered = gate.keys().metered_users().next().is_some();
        // A user that was metered before the last reload may have costs.
        let rollup = Some(proxy.days(query).await).filter(|days| is_metered || *days != Err(LedgerError::Closed));
        let reports = proxy.reports().await;
        Self { gate, zone, now, first, count, month, rollup, reports, errors }
    }

    /// Writes the response.
    pub(super) fn json(&self) -> String {
        let days = (0..self.count).map(|day| json_string(&Period::Day.of_day(self.first + day).to_string()));
        let ledger = match &self.rollup {
            None => "none",
            Some(Err(_)) => "unreachable",
            Some(Ok(_)) if self.reports.is_failing => "failing",
            Some(Ok(_)) => "open",
        };
        object(&[
            ("object", json_string("operations")),
            ("now", self.now.as_seconds().to_string()),
            ("timezone", json_string(self.zone.name())),
            ("ledger", json_string(ledger)),
            ("month_usd", self.known(amount(self.of_month().map(|day| day.sums.cost).fold(Usd::ZERO, Usd::plus)))),
            ("days", array(days)),
            ("by_user", self.series(|day| &day.user)),
            ("by_model", self.series(|day| &day.model)),
            ("users", array(self.users().into_iter())),
        ]) + "\n"
    }

    /// The rollup as CSV.
    ///
    /// # Errors
    /// Why there is none.
    pub(super) fn csv(&self) -> Result<String, &'static str> {
        let by = [DAY, USER, MODEL];
        let line = |day: &Day| sums::line(by.iter().map(|dimension| Cell::Text((dimension.of)(day))), &day.sums);
        match &self.rollup {
            None => Err("no user is metered, so the ledger is not open\n"),
            Some(Err(_)) => Err("the ledger cannot be read; the log has the reason\n"),
            Some(Ok(_)) => {
                Ok(Records { columns: sums::columns(&by), rows: self.used().map(line).collect(), total: None }.csv())
            }
        }
    }

    /// A sum of the rollup, or null without one.
    fn known(&self, sum: String) -> String {
        if matches!(self.rollup, Some(Ok(_))) { sum } else { null() }
    }

    /// The days with usage.
    fn used(&self) -> impl Iterator<Item = &Day> {
        self.since(self.first)
    }

    fn of_month(&self) -> impl Iterator<Item = &Day> {
        self.since(self.month)
    }

    fn since(&self, first: i32) -> impl Iterator<Item = &Day> {
        self.rollup.iter().flatten().flatten().filter(move |day| day.day.number() >= first)
    }

    /// The cost per day of the largest users or models, and of the others together.
    fn series(&self, name: impl Fn(&Day) -> &Arc<str>) -> String {
        let none = || vec![Usd::ZERO; usize::try_from(self.count).unwrap_or_default()];
        let mut by_name: BTreeMap<&str, Vec<Usd>> = BTreeMap::new();
        for day in self.used() {
            let place = usize::try_from(day.day.number().saturating_sub(self.first)).ok();
            let costs = by_name.entry(name(day)).or_insert_with(none);
            // A day after today is that of a clock that was wrong.
            if let Some(cost) = place.and_then(|place| costs.get_mut(place)) {
                *cost = cost.plus(day.sums.cost);
            }
        }
        let mut all: Vec<_> = by_name.into_iter().collect();
        all.sort_by_cached_key(|(_, costs)| std::cmp::Reverse(costs.iter().copied().fold(Usd::ZERO, Usd::plus)));
        let others = all.split_off(all.len().min(SERIES));
        let usd = |costs: &[Usd]| ("usd", array(costs.iter().map(|cost| amount(*cost))));
        let mut series: Vec<_> =
            all.iter().map(|(name, costs)| object(&[("name", json_string(name)), usd(costs)])).collect();
        if !others.is_empty() {
            let mut sum = none();
            for (_, costs) in &others {
                sum = sum.iter().zip(costs).map(|(sum, cost)| sum.plus(*cost)).collect();
            }
            series.push(object(&[("others", others.len().to_string()), usd(&sum)]));
        }
        array(series.into_iter())
    }

    /// All users that have a key, by name.
    fn users(&self) -> Vec<String> {
        let keys = self.gate.keys();
        let mut sums: HashMap<&str, (Sums, &Day)> = HashMap::new();
        for day in self.used() {
            let (sum, last) = sums.entry(&day.user).or_insert((Sums::default(), day));
            *sum = sum.plus(day.sums);
            // They are in the order of time.
            *last = day;
        }
        let mut months: HashMap<&str, Usd> = HashMap::new();
        for day in self.of_month() {
            let month = months.entry(&day.user).or_default();
            *month = month.plus(day.sums.cost);
        }
        let expiries: HashMap<_, _> = keys.expiries().collect();
        let metered: HashMap<_, _> = keys.metered_users().collect();
        let reports: HashMap<_, _> = self.reports.known.iter().map(|(user, report)| (user, report)).collect();
        let mut users: Vec<_> = keys.limited_users().chain(keys.unlimited_users()).collect();
        users.sort_unstable();
        let write = |user: &Arc<str>| {
            let used = sums.get(&**user);
            let (sum, last) = used.map_or((Sums::default(), None), |(sum, last)| (*sum, Some(last.day)));
            let (limits, report) = (metered.get(user), reports.get(user).copied());
            let total = report.and_then(|report| report.periods.iter().find(|r| r.period.period() == Period::Total));
            object(&[
                ("user", json_string(user)),
                ("metered", limits.is_some().to_string()),
                ("month_usd", self.known(amount(months.get(&**user).copied().unwrap_or_default()))),
                ("usd", self.known(amount(sum.cost))),
                ("requests", self.known(sum.requests.to_string())),
                ("estimated", self.known(sum.estimated.to_string())),
                ("errors", self.errors.get(user).copied().unwrap_or_default().to_string()),
                ("last_day", last.map_or_else(null, |day| json_string(&day.to_string()))),
                ("held_usd", total.map_or_else(null, |total| amount(total.held))),
                ("expires", expiries.get(user).map_or_else(null, |at| at.as_seconds().to_string())),
                ("budgets", array(limits.into_iter().flat_map(|limits| budgets(limits, report, self.now)))),
            ])
        };
        users.into_iter().map(write).collect()
    }
}

/// A budget is that of the users file; the ledger reports what is left.
fn budgets(limits: &Limits, report: Option<&Report>, now: Timestamp) -> impl Iterator<Item = String> {
    limits.budgets.iter().map(move |(period, budget)| {
        let of_period = report.and_then(|report| report.periods.iter().find(|r| r.period.period() == period));
        let left = of_period.and_then(PeriodReport::left);
        let ends = period.at(now, &limits.zone).end(&limits.zone);
        object(&[
            ("per", json_string(period.name())),
            ("usd", amount(budget)),
            ("left_usd", left.map_or_else(null, |left| amount(left.max(Usd::ZERO)))),
            ("resets_at", ends.map_or_else(null, |at| at.as_seconds().to_string())),
        ])
    })
}

fn amount(usd: Usd) -> String {
    json_string(&usd.to_string())
}

fn null() -> String {
    "null".to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn number_of_days_is_bounded() {
        for (query, expected) in [
            (None, 30),
            (Some("days=90"), 90),
            (Some("x=y&days=1"), 1),
            (Some("days=366"), 366),
            (Some("days=367"), 30),
            (Some("days=0"), 30),
            (Some("days=-1"), 30),
            (Some("days=x"), 30),
            (Some("alldays=9"), 30),
        ] {
            assert_eq!(days(query), expected, "{query:?}");
        }
    }
}
