//! Reads a whole database, and fills an empty one.

use std::{fmt, sync::Arc};

use sparekey_policy::{State, Timestamp};

use super::{
    columns::{self, columns},
    failure::Failure,
    process, query,
    reader::Reader,
    schema, session,
    target::{Connection, Target as Database},
};
use crate::{
    copy::{PAGE, Position, Source, Target},
    day::{Day, DayQuery},
    engine::RowQuery,
    error::LedgerError,
    row::LedgerRow,
};

/// A table of a million rows takes minutes.
const SETTINGS: &str = "SET statement_timeout = 0; SET synchronous_commit = on";

const STATES: &str = "SELECT user_name, state FROM sparekey.state ORDER BY user_name COLLATE \"C\"";

const ADD_STATE: &str = "INSERT INTO sparekey.state (user_name, state, version, processes) VALUES ($1, $2, $3, '{}')";

const ADD_ROWS: &str = concat!(
    "INSERT INTO sparekey.usage (",
    columns!(),
    ") SELECT ",
    columns!(),
    " FROM json_populate_recordset(NULL::sparekey.usage, $1::text::json)"
);

const ADD_DAY: &str = "INSERT INTO sparekey.usage_daily \
     (day, user_name, model, requests, estimated, input, cached, output, cost) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)";

/// An empty database that is being filled, in one transaction.
pub struct Import(Reader);

impl Import {
    /// Connects, and creates or migrates the tables if necessary.
    ///
    /// # Errors
    /// [`LedgerError`].
    pub fn begin(url: &str) -> Result<Self, LedgerError> {
        let target = Database::parse(url)?;
        let reader = Reader::new(async move {
            let mut connection = target.connect(SETTINGS, process::DEADLINE).await?;
            schema::migrate(&mut connection).await?;
            // Other sessions can read, and none can write before the end.
            let begin = "BEGIN; LOCK TABLE sparekey.state, sparekey.usage, sparekey.usage_daily IN EXCLUSIVE MODE";
            connection.batch_execute(begin).await?;
            Ok(connection)
        })?;
        Ok(Self(reader))
    }

    fn connection(&self) -> &Connection {
        self.0.connection()
    }
}

async fn states(connection: &Connection) -> Result<Vec<(Arc<str>, State)>, Failure> {
    let rows = connection.query(STATES, &[]).await?;
    let state = |row: &tokio_postgres::Row| -> Result<(Arc<str>, State), Failure> {
        let state = State::decode(row.try_get(1)?).map_err(LedgerError::State)?;
        Ok((Arc::from(row.try_get::<_, &str>(0)?), state))
    };
    rows.iter().map(state).collect()
}

async fn rows_after(
    connection: &Connection,
    position: Option<Position>,
) -> Result<Vec<(Position, LedgerRow)>, Failure> {
    let select = format!("{} WHERE (at, seq) > ($1, $2) ORDER BY at, seq LIMIT {PAGE}", columns::SELECT);
    let (at, seq) = position.unwrap_or((i64::MIN, i64::MIN));
    let rows = connection.query(&select, &[&at, &seq]).await?;
    rows.iter().map(columns::read).collect()
}

async fn position_before(connection: &Connection, query: &RowQuery) -> Result<Position, Failure> {
    let since = query.since.map_or(i64::MIN, Timestamp::as_micros);
    // All rows, if there are fewer.
    let all = (since.saturating_sub(1), i64::MAX);
    let Some(limit) = query.limit else { return Ok(all) };
    let select = "SELECT at, seq FROM sparekey.usage WHERE at >= $1 AND ($2::text IS NULL OR user_name = $2) \
                  ORDER BY at DESC, seq DESC LIMIT 1 OFFSET $3";
    let skipped = i64::from(limit.saturating_sub(1));
    let first = connection.query_opt(select, &[&since, &query.user.as_deref(), &skipped]).await?;
    let Some(first) = first else { return Ok(all) };
    Ok((first.try_get(0)?, first.try_get::<_, i64>(1)?.saturating_sub(1)))
}

impl Source for Reader {
    fn is_in_use(&self) -> Result<bool, LedgerError> {
        self.run(process::is_any_alive(self.connection()))
    }

    fn freeze(&self) -> Result<(), LedgerError> {
        self.run(async { Ok(self.connection().batch_execute("BEGIN ISOLATION LEVEL REPEATABLE READ").await?) })
    }

    fn states(&self) -> Result<Vec<(Arc<str>, State)>, LedgerError> {
        self.run(states(self.connection()))
    }

    fn rows_after(&self, position: Option<Position>) -> Result<Vec<(Position, LedgerRow)>, LedgerError> {
        self.run(rows_after(self.connection(), position))
    }

    fn position_before(&self, query: &RowQuery) -> Result<Position, LedgerError> {
        self.run(position_before(self.connection(), query))
    }

    fn all_days(&self) -> Result<Vec<Day>, LedgerError> {
        self.run(query::days(self.connection(), &DayQuery::default()))
    }
}

impl Target for Import {
    fn contents(&self) -> &dyn Source {
        &self.0
    }

    fn add_states(&mut self, states: &[(Arc<str>, State)]) -> Result<(), LedgerError> {
        self.0.run(async {
            let insert = self.connection().prepare(ADD_STATE).await?;
            for (user, state) in states {
                let values: [&(dyn tokio_postgres::types::ToSql + Sync); 3] =
                    [&&**user, &state.encode(), &session::new_version()];
                self.connection().execute(&insert, &values).await?;
            }
            Ok(())
        })
    }

    fn add_rows(&mut self, rows: &[(Position, LedgerRow)]) -> Result<(), LedgerError> {
        let rows = rows.iter().map(|((at, _), row)| columns::to_json(Timestamp::from_micros(*at), row)).collect();
        let rows = serde_json::Value::Array(rows).to_string();
        self.0.run(async { Ok(self.connection().execute(ADD_ROWS, &[&rows]).await.map(drop)?) })
    }

    fn add_days(&mut self, days: &[Day]) -> Result<(), LedgerError> {
        self.0.run(async {
            let insert = self.connection().prepare(ADD_DAY).await?;
            for Day { day, user, model, sums } in days {
                let (day, cost) = (day.number(), sums.cost.as_pico());
                let values: [&(dyn tokio_postgres::types::ToSql + Sync); 9] = [
                    &day,
                    &&**user,
                    &&**model,
                    &sums.requests,
                    &sums.estimated,
                    &sums.input,
                    &sums.cached,
                    &sums.output,
                    &cost,
                ];
                self.connection().execute(&insert, &values).await?;
            }
            Ok(())
        })
    }

    fn commit(self: Box<Self>) -> Result<(), LedgerError> {
        self.0.run(async { Ok(self.connection().batch_execute("COMMIT").await?) })
    }
}

impl fmt::Debug for Import {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Import").finish_non_exhaustive()
    }
}
