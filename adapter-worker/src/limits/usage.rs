//! `GET /usage`: a user's own limits, and what was spent.

use std::rc::Rc;

use bytes::Bytes;
use sparekey_core::{USAGE_DAYS, USAGE_PER_MINUTE, UsageDay, UsageReports, UsageRequest, UsageSums};
use sparekey_policy::{Command, Outcome, Period, Usd, step};

use worker::console_error;

use super::{incoming::Incoming, ledger::Ledger, memory};
use crate::clock::now;

/// Reads the ledger, if the user has limits there.
pub(crate) async fn reply(usage: &UsageRequest, incoming: Incoming) -> http::Response<Bytes> {
    if let Err(wait) = memory::count_usage(usage.user()) {
        return usage.reject_too_often(USAGE_PER_MINUTE.get(), wait).to_response();
    }
    let Some(limits) = usage.ledger_limits() else { return usage.reply(&UsageReports::default()) };
    let today = Period::Day.at(now(), &limits.zone).number();
    let read = Ledger(Rc::new(incoming)).usage(usage.user(), today - (USAGE_DAYS - 1)).await;
    let unavailable = || usage.reject_without_ledger().to_response();
    let (mut state, at, days) = match read {
        Ok(read) => read,
        Err(error) => {
            console_error!("the usage of {} cannot be read: {error:?}", usage.user());
            return unavailable();
        }
    };
    let Outcome::Report(report) = step(limits, &mut state, at, &Command::Report) else { return unavailable() };
    let lines: Vec<_> = days.split('\n').collect();
    let days: Vec<_> = lines.as_chunks().0.iter().filter_map(day).collect();
    usage.reply(&UsageReports { ledger: Some(&report), days: &days, ..UsageReports::default() })
}

/// Reads the lines of a day.
fn day([day, model, usd, counts @ ..]: &[&str; 6]) -> Option<UsageDay> {
    let [requests, input_tokens, output_tokens] = counts.map(|count| count.parse().unwrap_or(0));
    let sums = UsageSums { usd: Usd::from_pico(usd.parse().ok()?), requests, input_tokens, output_tokens };
    Some(UsageDay { day: Period::Day.of_day(day.parse().ok()?), model: (*model).into(), sums })
}
