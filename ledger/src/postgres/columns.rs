//! Rows of the table `usage`.

use std::sync::Arc;

use serde_json::{Map, Value, json};
use sparekey_policy::{HoldId, Period, Tier, Timestamp, Usd};
use tokio_postgres::{Row as Columns, types::FromSql};

use super::failure::Failure;
use crate::{
    columns::{duration, micros},
    error::LedgerError,
    row::{End, LedgerRow, Row},
    usage_columns,
};

/// The columns that a row is written with; `seq` is the database's.
macro_rules! columns {
    () => {
        "at, id, day, user_name, started, key, route, model, tier, input, cached, cache_write, cache_write_12h, \
         input_audio, cached_audio, input_image, cached_image, output, reasoning, output_audio, output_image, web_search, \
         file_search, containers, audio_ms, characters, cost, voided, prices, status, ended, estimated, over, retry, \
         upstream_id, response_id, head_us, total_us"
    };
}
pub(super) use columns;

/// Followed by a condition.
pub(super) const SELECT: &str = concat!("SELECT ", columns!(), ", seq FROM sparekey.usage ");

/// Writes a row as a JSON object with a member per column.
pub(super) fn to_json(at: Timestamp, row: &LedgerRow) -> Value {
    let LedgerRow { id, user, day, cost, voided, row } = row;
    let values: [(&str, Value); 21] = [
        ("at", json!(at.as_micros())),
        ("id", json!(id_text(*id))),
        ("day", json!(day.number())),
        ("user_name", text(user)),
        ("started", json!(row.started.as_micros())),
        ("key", text(&row.key)),
        ("route", text(&row.route)),
        ("model", text(&row.model)),
        ("tier", json!(row.tier.name())),
        ("cost", json!(cost.as_pico())),
        ("voided", json!(voided.map(Usd::as_pico))),
        ("prices", text(&row.prices)),
        ("status", json!(row.status)),
        ("ended", json!(row.end.name())),
        ("estimated", json!(row.is_estimated)),
        ("over", json!(row.is_over)),
        ("retry", json!(row.retry)),
        ("upstream_id", row.upstream_id.as_deref().map_or(Value::Null, text)),
        ("response_id", row.response_id.as_deref().map_or(Value::Null, text)),
        ("head_us", json!(row.head.map(micros))),
        ("total_us", json!(micros(row.total))),
    ];
    let counts = usage_columns::named(&row.usage).into_iter().map(|(name, count)| (name, json!(count)));
    let object: Map<String, Value> =
        values.into_iter().chain(counts).map(|(name, value)| (name.to_owned(), value)).collect();
    Value::Object(object)
}

/// PostgreSQL's text has no NUL, and one in an id of the upstream must not stop a settle.
pub(super) fn without_nul(text: &str) -> String {
    text.replace('\0', "\u{fffd}")
}

fn text(text: &str) -> Value {
    Value::String(without_nul(text))
}

/// The id as PostgreSQL's `uuid` reads it.
pub(super) fn id_text(HoldId(id): HoldId) -> String {
    format!("{id:032x}")
}

/// Reads a row of [`SELECT`], with its `at` and `seq`.
pub(super) fn read(row: &Columns) -> Result<((i64, i64), LedgerRow), Failure> {
    let mut columns = Reading { row, next: 0 };
    let at = columns.take()?;
    let Uuid(id) = columns.take()?;
    let day = Period::Day.of_day(columns.take()?);
    let user = columns.text()?;
    let started = Timestamp::from_micros(columns.take()?);
    let (key, route, model) = (columns.text()?, columns.text()?, columns.text()?);
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
        prices: columns.text()?,
        status: u16::try_from(columns.take::<i32>()?).unwrap_or(u16::MAX),
        end: columns.named(End::from_name)?,
        is_estimated: columns.take()?,
        is_over: columns.take()?,
        retry: u32::try_from(columns.take::<i64>()?).unwrap_or(u32::MAX),
        upstream_id: columns.take::<Option<&str>>()?.map(Arc::from),
        response_id: columns.take::<Option<&str>>()?.map(Arc::from),
        head: columns.take::<Option<i64>>()?.map(duration),
        total: duration(columns.take()?),
    };
    Ok(((at, columns.take()?), LedgerRow { id: HoldId(id), user, day, cost, voided, row }))
}

/// The columns of a row, one after the other.
struct Reading<'a> {
    row: &'a Columns,
    next: usize,
}

impl<'a> Reading<'a> {
    fn take<T: FromSql<'a>>(&mut self) -> Result<T, Failure> {
        let index = self.next;
        self.next += 1;
        Ok(self.row.try_get(index)?)
    }

    fn text(&mut self) -> Result<Arc<str>, Failure> {
        self.take::<&str>().map(Arc::from)
    }

    fn count(&mut self) -> Result<u64, Failure> {
        self.take::<i64>().map(|count| u64::try_from(count).unwrap_or(0))
    }

    /// A value of a newer version is an error, not another value.
    fn named<T>(&mut self, parse: impl FnOnce(&str) -> Option<T>) -> Result<T, Failure> {
        let name: &str = self.take()?;
        parse(name).ok_or_else(|| LedgerError::Io(format!("a row has the unknown value {name:?}")).into())
    }
}

/// A `uuid` in binary form: 16 bytes, the most significant first.
struct Uuid(u128);

impl FromSql<'_> for Uuid {
    fn from_sql(
        _: &tokio_postgres::types::Type,
        bytes: &[u8],
    ) -> Result<Self, Box<dyn std::error::Error + Sync + Send>> {
        Ok(Self(u128::from_be_bytes(bytes.try_into()?)))
    }

    fn accepts(of: &tokio_postgres::types::Type) -> bool {
        *of == tokio_postgres::types::Type::UUID
    }
}
