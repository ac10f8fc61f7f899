//! A connection for steps, with its prepared statements.

use std::time::Duration;

use sparekey_policy::State;
use tokio_postgres::Statement;

use super::{
    columns::{self, columns},
    failure::Failure,
    step::Key,
    target::{Connection, Target},
};
use crate::{
    ids,
    row::LedgerRow,
    swap::{Stored, Swap},
};

/// The database ends a statement itself before the engine stops waiting for it, so that its end is known, and one that waits
/// for a lock before one that is slow.
///
/// A commit that does not wait for the disk would lose reservations; a setting that waits for more than the disk stays.
const SETTINGS: &str = "SET statement_timeout = '200ms'; SET lock_timeout = '180ms'; \
    SET idle_in_transaction_session_timeout = '5s'; \
    SELECT set_config('synchronous_commit', 'on', false) WHERE current_setting('synchronous_commit') = 'off'";

const LOAD: &str = "SELECT version, state FROM sparekey.state WHERE user_name = $1";

/// The same, and no other session changes the state before the end of the transaction.
const LOCK: &str = "SELECT version, state FROM sparekey.state WHERE user_name = $1 FOR UPDATE";

/// Stores a state if its version is still `$2`, or if the user has none. Nothing else is stored if this is not.
macro_rules! swap {
    () => {
        "WITH swap AS (INSERT INTO sparekey.state AS stored (user_name, version, state, processes) \
         VALUES ($1, $3, $4, $5) ON CONFLICT (user_name) DO UPDATE SET version = excluded.version, \
         state = excluded.state, processes = excluded.processes WHERE stored.version = $2 RETURNING version)"
    };
}

/// Returns whether the state was stored, and if not, the one that is: it saves reading it again.
macro_rules! result {
    () => {
        " SELECT swap.version IS NOT NULL, other.version, other.state FROM (VALUES (1)) AS one \
         LEFT JOIN swap ON true LEFT JOIN sparekey.state AS other ON swap.version IS NULL AND other.user_name = $1"
    };
}

const SWAP: &str = concat!(swap!(), result!());

/// The same with rows: removes those of expired holds that were settled after all, adds new ones, makes one void, and books all
/// of it in the sums of their days. One statement is one transaction.
const SWAP_WITH_ROWS: &str = concat!(
    swap!(),
    ", removed AS (DELETE FROM sparekey.usage AS u USING swap WHERE u.ended = 'expired' AND u.id = ANY ($7::text[]::uuid[]) \
     RETURNING u.*), added AS (INSERT INTO sparekey.usage (",
    columns!(),
    ") SELECT ",
    columns!(),
    " FROM swap, json_populate_recordset(NULL::sparekey.usage, $6::text::json) RETURNING *), \
     voided AS (UPDATE sparekey.usage AS u SET voided = u.cost, cost = 0 FROM swap WHERE u.at = $8 AND u.seq = $9 \
     RETURNING u.day, u.model, u.voided AS cost), \
     parts AS (\
     SELECT 1 AS sign, day, model, ended <> 'credit' AS request, estimated, input, cached, output, cost FROM added \
     UNION ALL SELECT -1, day, model, ended <> 'credit', estimated, input, cached, output, cost FROM removed \
     UNION ALL SELECT -1, day, model, false, false, 0, 0, 0, cost FROM voided), \
     daily AS (INSERT INTO sparekey.usage_daily AS d \
     (day, user_name, model, requests, estimated, input, cached, output, cost) \
     SELECT day, $1, model, sum(sign * request::int), sum(sign * estimated::int), sum(sign * input), sum(sign * cached), \
     sum(sign * output), sum(sign * cost) FROM parts GROUP BY day, model \
     ON CONFLICT (day, user_name, model) DO UPDATE SET requests = d.requests + excluded.requests, \
     estimated = d.estimated + excluded.estimated, input = d.input + excluded.input, \
     cached = d.cached + excluded.cached, output = d.output + excluded.output, cost = d.cost + excluded.cost)",
    result!()
);

/// By the end of the id, which has an index.
const RESPONSE: &str = concat!(
    "SELECT ",
    columns!(),
    ", seq FROM sparekey.usage WHERE route = '/responses' AND \"right\"(response_id, 12) = \"right\"($1, 12) \
     AND response_id = $1 AND user_name = $2 ORDER BY at DESC, seq DESC LIMIT 1"
);

const ROW: &str = concat!("SELECT ", columns!(), ", seq FROM sparekey.usage WHERE at = $1 AND seq = $2");

/// A connection that runs steps.
pub(super) struct Session {
    pub(super) connection: Connection,
    load: Statement,
    lock: Statement,
    swap: Statement,
    swap_with_rows: Statement,
    response: Statement,
    row: Statement,
}

impl Session {
    pub(super) async fn open(target: &Target, deadline: Duration) -> Result<Self, Failure> {
        let prepare = async {
            let connection = target.connect(SETTINGS, deadline).await?;
            // All are sent at once.
            let (load, lock, swap, swap_with_rows, response, row) = tokio::try_join!(
                connection.prepare(LOAD),
                connection.prepare(LOCK),
                connection.prepare(SWAP),
                connection.prepare(SWAP_WITH_ROWS),
                connection.prepare(RESPONSE),
                connection.prepare(ROW)
            )?;
            Ok(Self { connection, load, lock, swap, swap_with_rows, response, row })
        };
        tokio::time::timeout(deadline, prepare).await.unwrap_or(Err(Failure::Deadline))
    }

    pub(super) async fn load(&self, user: &str) -> Result<Stored, Failure> {
        read_state(self.connection.query_opt(&self.load, &[&user]).await?)
    }

    /// Begins a transaction, and locks the state. Call [`commit`](Self::commit), or drop the session.
    pub(super) async fn lock(&self, user: &str) -> Result<Stored, Failure> {
        // Both are sent at once.
        let values: [&(dyn tokio_postgres::types::ToSql + Sync); 1] = [&user];
        let (begin, lock) = (self.connection.batch_execute("BEGIN"), self.connection.query_opt(&self.lock, &values));
        read_state(tokio::try_join!(begin, lock)?.1)
    }

    pub(super) async fn commit(&self) -> Result<(), Failure> {
        Ok(self.connection.batch_execute("COMMIT").await?)
    }

    /// Returns `None` if all is stored. Otherwise another process stored a state: the one returned, or one of while the
    /// statement ran.
    pub(super) async fn swap(&self, swap: &Swap<'_, Key>) -> Result<Option<Stored>, Failure> {
        let mut processes: Vec<i64> = swap.state.holds().iter().map(|hold| hold.process.0.cast_signed()).collect();
        processes.sort_unstable();
        processes.dedup();
        let state = swap.state.encode();
        let row = if swap.rows.is_empty() && swap.removed.is_empty() && swap.void.is_none() {
            let values: [&(dyn tokio_postgres::types::ToSql + Sync); 5] =
                [&swap.user, &swap.expected, &swap.version, &state, &processes];
            self.connection.query_one(&self.swap, &values).await?
        } else {
            let rows: Vec<_> = swap.rows.iter().map(|row| columns::to_json(swap.now, row)).collect();
            let rows = serde_json::Value::Array(rows).to_string();
            let removed: Vec<_> = swap.removed.iter().map(|id| columns::id_text(*id)).collect();
            let (at, seq) = swap.void.as_ref().map(|(key, _)| *key).unzip();
            let values: [&(dyn tokio_postgres::types::ToSql + Sync); 9] =
                [&swap.user, &swap.expected, &swap.version, &state, &processes, &rows, &removed, &at, &seq];
            self.connection.query_one(&self.swap_with_rows, &values).await?
        };
        if row.try_get(0)? {
            return Ok(None);
        }
        let version: Option<i64> = row.try_get(1)?;
        let state: Option<&[u8]> = row.try_get(2)?;
        Ok(Some(Stored { version: version.unwrap_or_default(), state: state.map(State::decode) }))
    }

    pub(super) async fn response(&self, user: &str, response_id: &str) -> Result<Option<LedgerRow>, Failure> {
        let id = columns::without_nul(response_id);
        let row = self.connection.query_opt(&self.response, &[&id, &user]).await?;
        row.map(|row| columns::read(&row).map(|(_, row)| row)).transpose()
    }

    pub(super) async fn row(&self, (at, seq): Key) -> Result<Option<LedgerRow>, Failure> {
        let row = self.connection.query_opt(&self.row, &[&at, &seq]).await?;
        row.map(|row| columns::read(&row).map(|(_, row)| row)).transpose()
    }
}

/// Random, because a number that rises could be that of another state after a failover to a database that lost the last steps.
pub(super) fn new_version() -> i64 {
    // 0 is "no state".
    ids::random().cast_signed().max(i64::MIN + 1) | 1
}

/// A user without a row has no state.
fn read_state(row: Option<tokio_postgres::Row>) -> Result<Stored, Failure> {
    let Some(row) = row else { return Ok(Stored::default()) };
    Ok(Stored { version: row.try_get(0)?, state: Some(State::decode(row.try_get(1)?)) })
}
