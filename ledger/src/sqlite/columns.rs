//! Rows of the table `usage`.

use std::sync::Arc;

use rusqlite::{CachedStatement, Connection, ToSql, params, params_from_iter, types::Type};
use sparekey_policy::{HoldId, Period, Tier, Timestamp, Usd};

use crate::{
    columns::{duration, micros},
    row::{End, LedgerRow, Row},
    usage_columns,
};

/// The columns, in the order of [`Insert`] and [`read`].
macro_rules! columns {
    () => {
        "at, id, day, user, started, key, route, model, tier, input, cached, cache_write, cache_write_12h, input_audio, \
         cached_audio, input_image, cached_image, output, reasoning, output_audio, output_image, web_search, file_search, \
         containers, audio_ms, characters, cost, voided, prices, status, ended, estimated, over, retry, upstream_id, \
         response_id, head_us, total_us"
    };
}

/// Followed by a condition.
pub(super) const SELECT: &str = concat!("SELECT ", columns!(), " FROM usage ");

const INSERT: &str = concat!(
    "INSERT INTO usage (",
    columns!(),
    ") VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"
);

/// Inserts rows in one transaction.
pub(super) struct Insert<'connection> {
    statement: CachedStatement<'connection>,
    /// The key of the next row, at least: keys are unique and in order.
    next: i64,
}

impl<'connection> Insert<'connection> {
    pub(super) fn new(connection: &'connection Connection) -> rusqlite::Result<Self> {
        let mut select = connection.prepare_cached("SELECT max(at) FROM usage")?;
        let last: Option<i64> = select.query_row([], |row| row.get(0))?;
        let next = last.map_or(i64::MIN, |last| last.saturating_add(1));
        Ok(Self { statement: connection.prepare_cached(INSERT)?, next })
    }

    /// Inserts a row that is written at a time, in microseconds.
    pub(super) fn insert(&mut self, at: i64, row: &LedgerRow) -> rusqlite::Result<()> {
        let at = at.max(self.next);
        self.next = at.saturating_add(1);
        execute(&mut self.statement, at, row)
    }
}

fn execute(insert: &mut CachedStatement<'_>, at: i64, row: &LedgerRow) -> rusqlite::Result<()> {
    let LedgerRow { id, user, day, cost, voided, row } = row;
    let counts = usage_columns::named(&row.usage).map(|(_, count)| count);
    let before: &[&dyn ToSql] = params![
        at,
        id.0.to_be_bytes(),
        day.number(),
        user,
        row.started.as_micros(),
        row.key,
        row.route,
        row.model,
        row.tier.name(),
    ];
    let after: &[&dyn ToSql] = params![
        cost.as_pico(),
        voided.map(Usd::as_pico),
        row.prices,
        row.status,
        row.end.name(),
        row.is_estimated,
        row.is_over,
        row.retry,
        row.upstream_id,
        row.response_id,
        row.head.map(micros),
        micros(row.total),
    ];
    let counts = counts.iter().map(|count| -> &dyn ToSql { count });
    let values = before.iter().copied().chain(counts).chain(after.iter().copied());
    insert.execute(params_from_iter(values)).map(|_| ())
}

/// Reads a row of [`SELECT`], with its `at`.
pub(super) fn read(row: &rusqlite::Row<'_>) -> rusqlite::Result<(i64, LedgerRow)> {
    let mut columns = Columns { row, next: 0 };
    let at = columns.take()?;
    let id = HoldId(u128::from_be_bytes(columns.take()?));
    let day = Period::Day.of_day(columns.take()?);
    let user = columns.take()?;
    let started = Timestamp::from_micros(columns.take()?);
    let (key, route, model) = (columns.take()?, columns.take()?, columns.take()?);
    let tier = columns.named(Tier::from_name)?;
    let usage = usage_columns::read(|| columns.count())?;
    let cost = Usd::from_pico(columns.take()?);
    let voided = columns.take::<Option<i64>>()?.map(Usd::from_pico);
    let row = Row {
        started,
        key,
        route,
        model,
        tier,
        usage,
        prices: columns.take()?,
        status: columns.take()?,
        end: columns.named(End::from_name)?,
        is_estimated: columns.take()?,
        is_over: columns.take()?,
        retry: columns.take()?,
        upstream_id: columns.take()?,
        response_id: columns.take()?,
        head: columns.take::<Option<i64>>()?.map(duration),
        total: duration(columns.take()?),
    };
    Ok((at, LedgerRow { id, user, day, cost, voided, row }))
}

/// The columns of a row, one after the other.
struct Columns<'a> {
    row: &'a rusqlite::Row<'a>,
    next: usize,
}

impl Columns<'_> {
    fn take<T: rusqlite::types::FromSql>(&mut self) -> rusqlite::Result<T> {
        let index = self.next;
        self.next += 1;
        self.row.get(index)
    }

    fn count(&mut self) -> rusqlite::Result<u64> {
        self.take::<i64>().map(|count| u64::try_from(count).unwrap_or(0))
    }

    /// A value of a newer version is an error, not another value.
    fn named<T>(&mut self, parse: impl FnOnce(&str) -> Option<T>) -> rusqlite::Result<T> {
        let index = self.next;
        let name: Arc<str> = self.take()?;
        let error = || rusqlite::Error::InvalidColumnType(index, name.to_string(), Type::Text);
        parse(&name).ok_or_else(error)
    }
}
