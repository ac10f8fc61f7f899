//! The statements of a transaction.

use rusqlite::{Connection, OptionalExtension as _, params};
use sparekey_policy::{CalendarPeriod, HoldId, State, StateError, Timestamp, Usd};

use super::{columns, failure::Failure};
use crate::{change::Change, day::Sums, row::LedgerRow};

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

/// Stores the rows of a change, and their sums.
pub(super) fn save_rows(connection: &Connection, change: &Change, now: Timestamp) -> Result<(), Failure> {
    if let Some(id) = change.removed {
        remove_expired(connection, id)?;
    }
    for row in &change.rows {
        let at = free_at(connection, now.as_micros())?;
        columns::insert(connection, at, row)?;
        add_to_day(connection, row, Sums::of(row))?;
    }
    Ok(())
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

/// Returns the key of the next row: the time, or one more than the last key, so that keys are unique and in order.
pub(super) fn free_at(connection: &Connection, at: i64) -> Result<i64, Failure> {
    let last: Option<i64> = connection.prepare_cached("SELECT max(at) FROM usage")?.query_row([], |row| row.get(0))?;
    Ok(last.map_or(at, |last| at.max(last.saturating_add(1))))
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
