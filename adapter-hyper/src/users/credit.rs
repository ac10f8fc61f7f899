//! `sparekey users credit`: lowers what a user spent.

use std::sync::Arc;

use clap::ArgMatches;
use sparekey_ledger::{Call, End, Ledger, LedgerError, Row, new_hold_id};
use sparekey_policy::{Command, Limits, Outcome, Usd};

use super::{context::Context, edit, file, show, spending::BEHIND};
use crate::{
    commands::{Failure, ledger, money, note},
    config::ledger::Location,
};

/// US dollars of one command. The sums of a day hold 9.2 million.
const AMOUNT_MAX: i64 = 1_000_000;

pub(super) fn run(context: &Context, name: &str, flags: &ArgMatches) -> Result<(), Failure> {
    let amount = flags.get_one::<String>("usd").and_then(|text| parse(text));
    let amount = amount.ok_or_else(|| {
        Failure::Usage(format!(
            "USD must be an amount above 0, such as 5 or 0.50, or below 0, which takes a credit back; at most {AMOUNT_MAX}"
        ))
    })?;
    let users = context.validate(&file::read(&context.path)?);
    let users = users.map_err(|problems| edit::invalid("is invalid", context, &problems))?;
    let Some(user) = users.get(name) else {
        return Err(Failure::Problem(format!("{name} has no entry in the users file, so nothing is counted")));
    };
    if !user.limits.is_metered() {
        let message = format!("{name} has no budget and is not metered, so nothing is counted");
        return Err(Failure::Problem(message));
    }
    let location = context.ledger()?;
    let ledger = ledger::write(location)?;
    let done = credit(&*ledger, location, name, &Arc::new(user.limits.clone()), amount);
    // All calls have their outcome.
    _ = ledger.close();
    done
}

fn credit(
    ledger: &dyn Ledger,
    location: &Location,
    name: &str,
    limits: &Arc<Limits>,
    amount: Usd,
) -> Result<(), Failure> {
    let now = sparekey_proxy::now();
    let call = |command| Call::new(Arc::from(name), Arc::clone(limits), command);
    let run = |call: Call| ledger.run(call).wait().map_err(|error: LedgerError| ledger::failure(location, &error));
    let adjust = Command::Adjust { id: new_hold_id(), at: now, amount: Usd::ZERO.minus(amount) };
    let credited = ledger.run(call(adjust).with_row(Row::bare(now, End::Credit))).wait();
    let credited = credited.map_err(|error| match ledger::failure(location, &error) {
        // The response may be lost after the ledger has stored the credit.
        Failure::Problem(problem) if matches!(error, LedgerError::Unreachable(_)) => Failure::Problem(format!(
            "{problem}; `sparekey usage rows --user {name}` shows whether the credit was stored"
        )),
        failure => failure,
    })?;
    match credited {
        Outcome::Adjusted => {}
        Outcome::PeriodNotKept(_) => return Err(Failure::Problem(BEHIND.to_owned())),
        // It has a new id, so no other outcome is possible.
        _ => return Err(Failure::Problem("the ledger did not store the credit; try again".to_owned())),
    }
    note(&if amount > Usd::ZERO {
        format!("credited {name} with {} US dollars", money::short(amount))
    } else {
        format!("took a credit of {} US dollars back from {name}", money::short(Usd::ZERO.minus(amount)))
    });
    if let Outcome::Report(report) = run(call(Command::Report))? {
        for line in show::spent(&report) {
            note(&line);
        }
    }
    Ok(())
}

/// An amount, which is negative for a credit that is taken back.
fn parse(text: &str) -> Option<Usd> {
    let (amount, is_taken_back) = text.strip_prefix('-').map_or((text, false), |amount| (amount, true));
    let most = Usd::parse(&AMOUNT_MAX.to_string())?;
    let amount = Usd::parse(amount).filter(|usd| *usd > Usd::ZERO && *usd <= most)?;
    Some(if is_taken_back { Usd::ZERO.minus(amount) } else { amount })
}
