//! The statements of a transaction.

use std::collections::HashMap;

use rusqlite::{Connection, OptionalExtension as _, params};
use sparekey_policy::{CalendarPeriod, HoldId, State, StateError, Timestamp, Usd};

use super::{
    columns::{self, Insert},
    failure::Failure,
};
use crate::{day::Sums, plan::Plan, row::LedgerRow};

/// Reads a user's state. A user without one is new.
pub(super) fn load(connection: &Connection, user: &str) -> Result<Result<State, StateError>, Failure> {
    let mut select = connection.prepare_cached("SELECT state FROM state WHERE user = ?1")?;
    let state = select.query_row([user], |row| Ok(State::decode(row.get_ref(0)?.as_blob()?))).optional()?;
    Ok(state.unwrap_or_else(|| Ok(State::default())))
}

pub(super) fn save(connection: &Connection, user: &str, state: &State) -> Result<(), Failure> {
    let upsert = "INSERT INTO state VALUES (?1, ?2, 1) \
                  ON CONFLICT DO UPDATE SET state = excluded.state, version = version + 1";
    connection.prepare_cached(upsert)?.execute(params![user, state.encode()])?;
    Ok(())
}

/// Stores the rows of plans, and adds them to the sums of their days. Each sum is written once.
pub(super) fn save_rows<'a>(
    connection: &Connection,
    plans: impl Iterator<Item = &'a Plan> + Clone,
    now: Timestamp,
) -> Result<(), Failure> {
    plans.clone().flat_map(|plan| &plan.removed).try_for_each(|id| remove_expired(connection, *id))?;
    let mut rows = plans.flat_map(|plan| &plan.rows).peekable();
    if rows.peek().is_none() {
        return Ok(());
    }
    let mut insert = Insert::new(connection)?;
    let mut days = HashMap::<_, Sums>::new();
    for row in rows {
        insert.insert(now.as_micros(), row)?;
        let sums = days.entry((row.day, &*row.user, &*row.row.model)).or_default();
        *sums = sums.plus(Sums::of(row));
    }
    days.into_iter().try_for_each(|((day, user, model), sums)| add_sums(connection, day, user, model, sums))
}

/// Finds a row by its request. It reads all rows, in 0.3 s if there are 2 million: only the owner's commands need it.
pub(super) fn find(connection: &Connection, id: HoldId) -> Result<Option<i64>, Failure> {
    let select = "SELECT at FROM usage WHERE id = ?1";
    Ok(connection.query_row(select, [id.0.to_be_bytes()], |row| row.get(0)).optional()?)
}

pub(super) fn row(connection: &Connection, at: i64) -> Result<Option<LedgerRow>, Failure> {
    let mut select = connection.prepare_cached(&format!("{} WHERE at = ?1", columns::SELECT))?;
    Ok(select.query_row([at], columns::read).optional()?.map(|(_, row)| row))
}

/// Marks a row as void, and takes its cost out of its day's sums.
pub(super) fn void(connection: &Connection, at: i64, row: &LedgerRow) -> Result<(), Failure> {
    connection.execute("UPDATE usage SET voided = cost, cost = 0 WHERE at = ?1", [at])?;
    add_to_day(connection, row, Sums { cost: Usd::ZERO.minus(row.cost), ..Sums::default() })
}

/// Removes the row of an expired hold whose request was settled after all.
fn remove_expired(connection: &Connection, id: HoldId) -> Result<(), Failure> {
    let select = format!("{} WHERE ended = 'expired' AND id = ?1", columns::SELECT);
    let found = connection.prepare_cached(&select)?.query_row([id.0.to_be_bytes()], columns::read).optional()?;
    let Some((at, row)) = found else { return Ok(()) };
    connection.prepare_cached("DELETE FROM usage WHERE at = ?1")?.execute([at])?;
    add_to_day(connection, &row, Sums::of(&row).negated())
}

fn add_to_day(connection: &Connection, row: &LedgerRow, sums: Sums) -> Result<(), Failure> {
    add_sums(connection, row.day, &row.user, &row.row.model, sums)
}

/// Adds to the sums of a day, user and model.
pub(super) fn add_sums(
    connection: &Connection,
    day: CalendarPeriod,
    user: &str,
    model: &str,
    sums: Sums,
) -> Result<(), Failure> {
    let upsert = "INSERT INTO usage_daily VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9) ON CONFLICT DO UPDATE SET \
                  requests = requests + excluded.requests, estimated = estimated + excluded.estimated, \
                  input = input + excluded.input, cached = cached + excluded.cached, \
                  output = output + excluded.output, cost = cost + excluded.cost";
    let Sums { requests, estimated, input, cached, output, cost } = sums;
    let values = params![day.number(), user, model, requests, estimated, input, cached, output, cost.as_pico()];
    connection.prepare_cached(upsert)?.execute(values)?;
    Ok(())
}
