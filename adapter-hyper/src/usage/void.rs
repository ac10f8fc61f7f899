//! `sparekey usage void`: takes back what a request cost.

use std::sync::Arc;

use clap::ArgMatches;
use sparekey_ledger::LedgerRow;
use sparekey_policy::{HoldId, Limits, Outcome};

use super::Context;
use crate::commands::{Failure, ledger, money, note};

/// Hexadecimal digits of an id.
const DIGITS: usize = 32;

const VOID_ALREADY: &str = "the request is void already";

pub(super) fn run(context: &Context, flags: &ArgMatches) -> Result<(), Failure> {
    let id = flags.get_one::<String>("id").and_then(|text| parse(text));
    let forms = "ID must be the id of a request, 32 hexadecimal digits, as `sparekey usage rows` shows it";
    let id = id.ok_or_else(|| Failure::Usage(forms.to_owned()))?;
    let users = context.users()?.ok_or_else(|| {
        Failure::Usage("set USERS_FILE or --users-file as for the server: days are those of its time zone".to_owned())
    })?;
    let fail = |error| ledger::failure(&context.ledger, &error);
    let read = || ledger::read(&context.ledger)?.row(id).map_err(fail);
    let row = read()?;
    let row = row.ok_or_else(|| {
        Failure::Problem("the ledger has no request of this id; an open request has none until it ends".to_owned())
    })?;
    if row.voided.is_some() {
        note(VOID_ALREADY);
        return Ok(());
    }
    // The user may have been removed since.
    let limits =
        users.get(&row.user).map_or_else(|| Limits::none(Arc::clone(users.zone())), |user| user.limits.clone());
    let ledger = ledger::write(&context.ledger)?;
    let outcome = ledger.void(id, Arc::new(limits)).wait();
    // The call has its outcome.
    _ = ledger.close();
    match outcome.map_err(fail)? {
        // By a command that ran at the same time.
        Outcome::AlreadyDone if read()?.is_some_and(|row| row.voided.is_some()) => {
            note(VOID_ALREADY);
            Ok(())
        }
        outcome => report(&row, &outcome),
    }
}

fn report(row: &LedgerRow, outcome: &Outcome) -> Result<(), Failure> {
    match outcome {
        Outcome::Adjusted => {
            let LedgerRow { cost, user, day, .. } = row;
            note(&format!(
                "the request is void: {} US dollars were given back to {user} on {day}",
                money::short(*cost)
            ));
            Ok(())
        }
        // The state of the user has the id of an adjustment for so long, so that a repetition has no effect.
        Outcome::AlreadyDone => {
            let LedgerRow { cost, user, .. } = row;
            Err(Failure::Problem(format!(
                "the row is a credit of less than 24 hours ago; `sparekey users credit {user} {cost}` takes it back"
            )))
        }
        Outcome::StillOpen => {
            Err(Failure::Problem("the request is still open; try again when it has ended".to_owned()))
        }
        Outcome::Unknown => Err(Failure::Problem(
            "the ledger has no request of this id any more; `sparekey usage rows` shows those that it has".to_owned(),
        )),
        _ => Err(Failure::Problem("the ledger did not store the change; try again".to_owned())),
    }
}

fn parse(text: &str) -> Option<HoldId> {
    let is_id = text.len() == DIGITS && text.bytes().all(|byte| byte.is_ascii_hexdigit());
    u128::from_str_radix(text, 16).ok().filter(|_| is_id).map(HoldId)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids() {
        assert_eq!(parse("0000000000000000000000000000000A"), Some(HoldId(10)));
        for text in ["", "a", "+000000000000000000000000000000a", "0000000000000000000000000000000g"] {
            assert_eq!(parse(text), None, "{text:?}");
        }
    }
}
