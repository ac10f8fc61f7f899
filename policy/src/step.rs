//! The decision on each request.
//!
//! A budget is hard by three rules: the reservation is stored before the request is sent, an expired hold is charged,
//! and a hold is settled once. Then what is spent and held never exceeds the budget by a grant, and each request that
//! was sent is covered by its hold, by the charge of its expired hold, or by its actual cost.

use std::time::Duration;

use crate::{
    command::{Command, Denial, DeniedBy, Outcome, PeriodReport, Rates, Report, Reserve},
    limits::Limits,
    period::{CalendarPeriod, Period},
    rate,
    state::{Hold, HoldId, State},
    timestamp::Timestamp,
    usd::Usd,
};

/// When a request is retried that waits for open requests of the same user to end.
const RETRY_CONCURRENCY: Duration = Duration::from_secs(1);
const RETRY_HELD: Duration = Duration::from_secs(2);

/// Runs one command on the state of one user. It is a pure function: the same arguments have the same result.
///
/// Each command expires holds first. A `now` up to one hour earlier than the state's last one counts as that one; a
/// larger step back is taken ([`State::is_step_back`]), and the counters of the periods it returns to are used again.
pub fn step(limits: &Limits, state: &mut State, now: Timestamp, command: &Command) -> Outcome {
    let now = state.advance(now);
    if let Some(per_minute) = limits.tokens_per_minute {
        state.tokens.refill(now, per_minute);
    }
    match *command {
        Command::Reserve(reserve) => self::reserve(limits, state, now, &reserve).unwrap_or_else(|refused| refused),
        Command::Settle { id, amount, tokens } => settle(limits, state, id, amount.max(Usd::ZERO), tokens),
        Command::Adjust { id, at, amount } => adjust(state, id, limits.zone.day_at(at.min(now)), amount, now),
        Command::ProcessEnded(process) => Outcome::Expired { count: state.expire(|hold| hold.process == process, now) },
        Command::Report => {
            report(limits, state, now).map_or_else(Outcome::PeriodNotKept, |report| Outcome::Report(Box::new(report)))
        }
    }
}

/// All limits are checked before anything changes, those first that no short wait helps.
fn reserve(limits: &Limits, state: &mut State, now: Timestamp, request: &Reserve) -> Result<Outcome, Outcome> {
    if let Some(hold) = state.hold(request.id) {
        return Ok(Outcome::Granted {
            amount: hold.amount,
            left: left(limits, state, hold.day),
            rates: rates(limits, state, now),
        });
    }
    if state.tombstone(request.id).is_some() {
        return Ok(Outcome::AlreadyDone);
    }
    let is_metered = limits.is_metered();
    let day = limits.zone.day_at(now);
    let deny = |state: &State, which, retry_after| {
        let is_by_open = matches!(which, DeniedBy::Held(_) | DeniedBy::Concurrency);
        let may_be_late = is_by_open && state.holds().iter().any(|hold| hold.process != request.process);
        Outcome::Denied(Box::new(Denial { which, retry_after, may_be_late, rates: rates(limits, state, now) }))
    };
    let amount = if is_metered {
        check_kept(state, day).map_err(Outcome::PeriodNotKept)?;
        fit(limits, state, day, request).map_err(|which| {
            let retry_after = matches!(which, DeniedBy::Held(_)).then_some(RETRY_HELD);
            deny(state, which, retry_after)
        })?
    } else {
        Usd::ZERO
    };
    let concurrency = limits.concurrency();
    if concurrency.is_some_and(|max| u32::try_from(state.holds().len()).map_or(true, |open| open >= max)) {
        return Err(deny(state, DeniedBy::Concurrency, Some(RETRY_CONCURRENCY)));
    }
    let wait = limits.tokens_per_minute.map(|per_minute| state.tokens.wait(request.tokens, now, per_minute));
    if let Some(wait) = wait.filter(|wait| !wait.is_zero()) {
        return Err(deny(state, DeniedBy::Tokens, Some(wait)));
    }
    if let Some(per_minute) = limits.requests_per_minute {
        let arrival = rate::pass(state.requests, now, per_minute);
        state.requests = Some(arrival.map_err(|wait| deny(state, DeniedBy::Requests, Some(wait)))?);
    }
    let mut tokens = 0;
    if limits.tokens_per_minute.is_some() {
        state.tokens.take(request.tokens.into());
        tokens = request.tokens;
    }
    if is_metered {
        state.open(day);
    }
    if concurrency.is_some() {
        state.add_hold(Hold { id: request.id, amount, tokens, until: request.until, process: request.process, day });
    }
    Ok(Outcome::Granted { amount, left: left(limits, state, day), rates: rates(limits, state, now) })
}

/// What is left of the tightest budget, less all holds. Never negative: a budget may have been lowered.
fn left(limits: &Limits, state: &State, day: i32) -> Option<Usd> {
    let left = |(period, budget): (Period, Usd)| {
        report_period(limits, state, period.of_day(day), Some(budget)).left().unwrap_or_default()
    };
    limits.budgets.iter().map(left).min().map(|left| left.max(Usd::ZERO))
}

/// Returns the amount to hold: what the request may cost, or less where a budget is nearly spent, but not less than is
/// of use. A quarter of what is left is the most that one request takes, so that others can run beside it.
fn fit(limits: &Limits, state: &State, day: i32, request: &Reserve) -> Result<Usd, DeniedBy> {
    let want = request.want.max(Usd::ZERO);
    if want == Usd::ZERO {
        return Ok(want);
    }
    // A request that costs something needs at least something: with nothing left it is refused.
    let least = request.least.max(Usd::from_pico(1)).min(want);
    let mut amount = want;
    let mut spent: Option<PeriodReport> = None;
    let mut held = None;
    for (period, budget) in limits.budgets.iter() {
        let report = report_period(limits, state, period.of_day(day), Some(budget));
        let left = budget.minus(report.spent).minus(report.held);
        if budget.minus(report.spent) < least {
            // The one that ends last is the one to wait for.
            let ends = |report: &PeriodReport| report.ends.unwrap_or(Timestamp::MAX);
            if spent.is_none_or(|other| ends(&other) < ends(&report)) {
                spent = Some(report);
            }
        } else if left < least {
            held = Some(report);
        }
        let quarter = Usd::from_pico(left.as_pico().div_euclid(4));
        amount = amount.min(left.min(quarter.max(request.floor)).max(least));
    }
    match spent.map(DeniedBy::Budget).or(held.map(DeniedBy::Held)) {
        Some(which) => Err(which),
        None => Ok(amount),
    }
}

fn settle(limits: &Limits, state: &mut State, id: HoldId, amount: Usd, tokens: u32) -> Outcome {
    if let Some(hold) = state.remove_hold(id) {
        state.charge(hold.day, amount);
        if limits.tokens_per_minute.is_some() {
            state.tokens.take(i64::from(tokens).saturating_sub(hold.tokens.into()));
        }
        return Outcome::Settled { held: hold.amount, was_expired: false, day: Period::Day.of_day(hold.day) };
    }
    let Some((charged, day)) = state.remove_expired(id) else { return Outcome::Unknown };
    state.charge(day, amount.minus(charged));
    Outcome::Settled { held: charged, was_expired: true, day: Period::Day.of_day(day) }
}

fn adjust(state: &mut State, id: HoldId, day: i32, amount: Usd, now: Timestamp) -> Outcome {
    if state.hold(id).is_some() {
        return Outcome::StillOpen;
    }
    if state.tombstone(id) == Some(true) {
        return Outcome::AlreadyDone;
    }
    state.charge(day, amount);
    state.finalize(id, day, now);
    Outcome::Adjusted
}

fn report(limits: &Limits, state: &State, now: Timestamp) -> Result<Report, CalendarPeriod> {
    let day = limits.zone.day_at(now);
    check_kept(state, day)?;
    Ok(Report {
        rates: rates(limits, state, now),
        open: state.holds().len(),
        concurrency: limits.concurrency(),
        periods: Period::ALL.map(|period| report_period(limits, state, period.of_day(day), limits.budgets.get(period))),
    })
}

fn report_period(limits: &Limits, state: &State, period: CalendarPeriod, budget: Option<Usd>) -> PeriodReport {
    let spent = state.spent(period).unwrap_or(Usd::MAX);
    PeriodReport { period, budget, spent, held: state.held(period), ends: period.end(&limits.zone) }
}

/// Checks that the counters of all periods of the day are kept.
fn check_kept(state: &State, day: i32) -> Result<(), CalendarPeriod> {
    let periods = Period::ALL.into_iter().map(|period| period.of_day(day));
    periods.into_iter().find(|period| state.spent(*period).is_none()).map_or(Ok(()), Err)
}

fn rates(limits: &Limits, state: &State, now: Timestamp) -> Rates {
    Rates {
        requests: limits.requests_per_minute.map(|per_minute| rate::view(state.requests, now, per_minute)),
        tokens: limits.tokens_per_minute.map(|per_minute| state.tokens.view(now, per_minute)),
    }
}
