//! Queries of many rows, on a connection of their own.

use std::{sync::Arc, time::Duration};

use sparekey_policy::{CalendarPeriod, HoldId, Period, State, Timestamp, Usd};

use super::{
    columns,
    failure::Failure,
    schema,
    step::Key,
    target::{Connection, Target},
};
use crate::{
    day::{Day, DayQuery, Sums},
    engine::RowQuery,
    error::LedgerError,
    names::Names,
    row::LedgerRow,
};

const DEADLINE: Duration = Duration::from_secs(5);

/// A query of all rows takes seconds.
const SETTINGS: &str = "SET statement_timeout = '120s'; SET default_transaction_read_only = on";

const DAYS: &str = "SELECT day, user_name, model, requests, estimated, input, cached, output, cost FROM sparekey.usage_daily \
                    WHERE day >= $1 AND ($2::text IS NULL OR user_name = $2) \
                    ORDER BY day, user_name COLLATE \"C\", model COLLATE \"C\"";

/// Connects read-only to a database that has the tables.
pub(super) async fn open(target: &Target) -> Result<Connection, Failure> {
    let connection = target.connect(SETTINGS, DEADLINE).await?;
    match schema::check(&*connection).await? {
        Some(_) => Ok(connection),
        None => Err(LedgerError::Io("the database has no ledger".to_owned()).into()),
    }
}

pub(super) async fn days(connection: &Connection, query: &DayQuery) -> Result<Vec<Day>, Failure> {
    let since = query.since.map_or(i32::MIN, CalendarPeriod::number);
    let rows = connection.query(DAYS, &[&since, &query.user.as_deref()]).await?;
    let mut names = Names::default();
    let mut days = Vec::with_capacity(rows.len());
    for row in &rows {
        let sums = Sums {
            requests: row.try_get(3)?,
            estimated: row.try_get(4)?,
            input: row.try_get(5)?,
            cached: row.try_get(6)?,
            output: row.try_get(7)?,
            cost: Usd::from_pico(row.try_get(8)?),
        };
        let (user, model) = (names.get(row.try_get(1)?), names.get(row.try_get(2)?));
        if !sums.is_empty() {
            days.push(Day { day: Period::Day.of_day(row.try_get(0)?), user, model, sums });
        }
    }
    Ok(days)
}

pub(super) async fn rows(connection: &Connection, query: &RowQuery) -> Result<Vec<LedgerRow>, Failure> {
    let select = format!(
        "{} WHERE at >= $1 AND ($2::text IS NULL OR user_name = $2) ORDER BY at DESC, seq DESC LIMIT $3",
        columns::SELECT
    );
    let since = query.since.map_or(i64::MIN, Timestamp::as_micros);
    // No limit is NULL.
    let limit = query.limit.map(i64::from);
    let rows = connection.query(&select, &[&since, &query.user.as_deref(), &limit]).await?;
    rows.iter().rev().map(|row| columns::read(row).map(|(_, row)| row)).collect()
}

pub(super) async fn row(connection: &Connection, id: HoldId) -> Result<Option<(Key, LedgerRow)>, Failure> {
    let select = format!("{} WHERE id = $1::text::uuid", columns::SELECT);
    let row = connection.query_opt(&select, &[&columns::id_text(id)]).await?;
    row.as_ref().map(columns::read).transpose()
}

/// Finds a row by its request, and returns its key and its user. It reads all rows: only the owner's commands need it.
pub(super) async fn find(target: &Target, id: HoldId) -> Result<Option<(Key, Arc<str>)>, Failure> {
    let connection = open(target).await?;
    Ok(row(&connection, id).await?.map(|(key, row)| (key, row.user)))
}

pub(super) async fn users(connection: &Connection) -> Result<Vec<Arc<str>>, Failure> {
    let select = "SELECT user_name FROM sparekey.state ORDER BY user_name COLLATE \"C\"";
    let rows = connection.query(select, &[]).await?;
    rows.iter().map(|row| Ok(Arc::from(row.try_get::<_, &str>(0)?))).collect()
}

/// A user without a state is new.
pub(super) async fn state(connection: &Connection, user: &str) -> Result<State, Failure> {
    let row = connection.query_opt("SELECT state FROM sparekey.state WHERE user_name = $1", &[&user]).await?;
    let Some(row) = row else { return Ok(State::default()) };
    Ok(State::decode(row.try_get(0)?).map_err(LedgerError::State)?)
}
